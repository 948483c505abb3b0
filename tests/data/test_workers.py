"""How many processes load clips is chosen by the machine, and changes nothing that is loaded."""

import pytest

from zsvideo.data import workers
from zsvideo.data.workers import OWN, Loading, free_memory, loading, own_cores

BATCH = 22 * 16 * 112 * 112 * 3
PLENTY = 1e12


@pytest.mark.parametrize(
    ("wanted", "batch", "batches", "cores", "memory", "shared", "plan"),
    [
        (None, BATCH, 4547, 16, PLENTY, PLENTY, Loading(16, 5, False)),
        (3, BATCH, 4547, 16, PLENTY, PLENTY, Loading(3, 5, False)),
        (0, BATCH, 4547, 16, PLENTY, PLENTY, Loading(0, 5, False)),
        (None, 1000, 4547, 16, PLENTY, PLENTY, Loading(16, 8, False)),
        (None, 10 * BATCH, 4547, 16, PLENTY, PLENTY, Loading(16, 2, False)),
        (None, BATCH, 3, 16, PLENTY, PLENTY, Loading(3, 5, False)),
        (None, BATCH, 4547, 16, 4 * (OWN + 2 * BATCH), PLENTY, Loading(2, 5, True)),
        (None, BATCH, 4547, 16, PLENTY, 64e6, Loading(16, 1, False)),
        (None, BATCH, 4547, 16, float("inf"), float("inf"), Loading(16, 5, False)),
        (None, BATCH, 4547, 1, 0, 0, Loading(1, 1, True)),
    ],
)
def test_processes_and_batches_ahead(wanted, batch, batches, cores, memory, shared, plan):
    assert loading(wanted, batch, batches, cores, memory, shared) == plan


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "3000\n", "memory.stat": "anon 1000\nfile 1900\n"}, 2000),
        ({"memory.max": "max\n", "memory.stat": "anon 1000\n"}, None),
        (
            {
                "memory/memory.limit_in_bytes": "3000",
                "memory/memory.stat": "rss 400\ntotal_rss 500",
            },
            2500,
        ),
        ({}, None),
    ],
)
def test_memory_of_a_container_without_its_page_cache(tmp_path, monkeypatch, files, free):
    monkeypatch.setattr(workers, "GROUP", tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert free_memory() == free if free else free_memory() > 10**6


def test_cores_are_shared_by_the_processes_that_train_and_by_the_jobs_of_a_sweep(monkeypatch):
    monkeypatch.setattr(workers.joblib, "cpu_count", lambda: 12)
    monkeypatch.setattr(workers.torch.cuda, "device_count", lambda: 4)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    assert [workers.machine(size)[0] for size in (1, 2, 8)] == [12, 6, 3]
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "12")  # of each of them
    assert workers.machine(8)[0] == 12
    monkeypatch.setattr(workers.multiprocessing, "parent_process", lambda: object())
    monkeypatch.setattr(workers.torch, "get_num_threads", lambda: 3)
    assert own_cores() == 3
