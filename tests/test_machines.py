"""Machines that lack something: letters, a home, hard links, locks, shared memory, room."""

import errno
import fcntl
import logging
import os
import re
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.commands import finished
from helpers.runs import finished_run, predictions
from helpers.videos import grey_video
from zsvideo.cli import line
from zsvideo.commands import predict
from zsvideo.data import datamodule, preparation, sharing
from zsvideo.data.clips import Clips, collate
from zsvideo.data.decoding import limits
from zsvideo.data.layouts import Video
from zsvideo.errors import UserError
from zsvideo.locks import lock
from zsvideo.models.checkpoints import LAST, PREVIOUS, AtomicCheckpointIO
from zsvideo.models.loggers import PatientWandbLogger, open_wandb, patient, warn_once
from zsvideo.usage import CACHES, prepare_process

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOTEBOOK = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


@pytest.mark.slow
def test_a_report_by_ascii_from_a_notebook_without_a_home(cli, tmp_path):
    """In a process of its own: letters and backend are settled where an interpreter starts."""
    own = predictions(videos=20, classes=3)
    run = finished_run(
        tmp_path / "run", replace(own, class_names=np.array(["café", "≤ 1 m", "слово"]))
    )
    surroundings = {**ASCII, **NOTEBOOK, "HOME": "/proc/nope"}
    said = finished(cli("report", f"run={run}", prefix=["env"], **surroundings))
    assert "protocol card" in said and "Error" not in said
    assert "café" in (run / "card.md").read_text(encoding="utf-8")
    assert "±" in (run / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("home", ["writable", "closed", "missing", "unknown"])
def test_caches_of_libraries_where_no_home_can_be_written(monkeypatch, tmp_path, home):
    places = {"missing": "/proc/nope", "unknown": "~"}
    where = places.get(home, str(tmp_path))
    others = {k: v for k, v in os.environ.items() if k not in (*CACHES, "MPLBACKEND")}
    monkeypatch.setattr(os, "environ", {**others, "HOME": where})
    monkeypatch.setattr(os.path, "expanduser", lambda path: where)
    monkeypatch.setattr(os, "access", lambda *_: home == "writable")
    prepare_process()
    assert os.environ["MPLBACKEND"] == "agg"
    caches = {os.environ.get(name) for name in CACHES}
    if home == "writable":
        assert caches == {None} and os.environ["HOME"] == where
        return
    (cache,) = caches
    (Path(cache) / "own").touch()
    assert os.environ["HOME"] == (where if home == "closed" else cache)


class Broken:
    """A W&B run whose service is gone."""

    def __getattr__(self, name):
        raise ConnectionResetError("the service is gone")


def test_wandb_that_fails_is_a_warning(caplog):
    warn_once.cache_clear()
    logger = PatientWandbLogger(experiment=Broken())
    with caplog.at_level(logging.WARNING):
        logger.log_metrics({"loss": 1.0}, 3)
        logger.log_hyperparams({"lr": 1.0})
        logger.finalize("success")
        patient(raising)(ConnectionResetError("the service is gone"))
    assert caplog.text.count("the service is gone") == 1 and "the run goes on" in caplog.text
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            patient(raising)(error)


@pytest.mark.parametrize(
    ("works", "words"),
    [
        ((None, "offline", "disabled"), ""),
        (("offline", "disabled"), "kept offline for `wandb sync`"),
        (("disabled",), "nothing is logged there; the run goes on"),
    ],
)
def test_wandb_that_does_not_start_is_a_warning(monkeypatch, caplog, tmp_path, works, words):
    """Without a network or an account; what comes after the start is logged as far as it can be."""
    import wandb

    begin, modes = wandb.init, []

    def init(mode=None, **options):
        modes.append(mode)
        if mode not in works:
            raise wandb.errors.CommError("no route\nto host")
        return begin(mode="disabled", **options)

    monkeypatch.setattr(wandb, "init", init)
    monkeypatch.setattr(wandb, "run", None)
    logger = PatientWandbLogger(project="x", save_dir=tmp_path, id="a")
    with caplog.at_level(logging.WARNING):
        open_wandb(logger)
        logger.log_metrics({"loss": 1.0}, 3)
    warnings = [r.getMessage() for r in caplog.records if r.name == "zsvideo.models.loggers"]
    assert modes == [None, "offline", "disabled"][: 4 - len(works)]
    assert len(warnings) == len(modes) - 1 and words in (warnings or [""])[-1]
    assert all("W&B does not start (CommError: no route to host)" in text for text in warnings)


def raising(error):
    raise error


def test_checkpoints_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    for step in (1, 2, 3):
        AtomicCheckpointIO().save_checkpoint({"global_step": step}, tmp_path / LAST)
    steps = {n: torch.load(tmp_path / n)["global_step"] for n in (LAST, PREVIOUS)}
    assert steps == {LAST: 3, PREVIOUS: 2} and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EINVAL])
def test_locks_where_there_are_none(tmp_path, monkeypatch, number):
    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (tmp_path / "lock").open("w") as file:
        assert lock(file) and lock(file, wait=False)
        preparation.lock(file, tmp_path)


def test_a_lock_that_another_has(tmp_path):
    with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as other:
        assert lock(one, wait=False) and not lock(other, wait=False)


def clips_of(tmp_path, count=4):
    for number in range(count):
        grey_video(tmp_path / f"{number}.avi", 20)
    return [Video(str(n), str(tmp_path / f"{n}.avi"), "run") for n in range(count)]


def loaded(config, tmp_path, **options):
    """Load the test clips of some videos in another process, as a run does."""
    from zsvideo.experiment.build import build_videos
    from zsvideo.experiment.composed import Experiment

    clips_of(tmp_path / "target" / "run")
    typed = [f"target.folder.root={tmp_path}/target", "loader.workers=1", "clips.test_clips=2"]
    own = config("source=synthetic", "target=[folder]", "protocol=targets", *typed, "paths.run=x")
    (videos,) = build_videos(Experiment.of(own)).values()
    clips = Clips(videos.videos, None, videos.clips, 0, train=False)
    loader = videos.load(clips, datamodule.EpochSampler(4, 0, False), 2, train=False)
    return [sharing.receive(batch) for batch in loader], collate([clips[0, n] for n in (0, 1)])


@pytest.mark.parametrize(
    "machine", ["linux", "little shared memory", pytest.param("macOS", marks=pytest.mark.slow)]
)
def test_batches_of_another_process(config, tmp_path, monkeypatch, caplog, machine):
    sharing.tell.cache_clear()
    if machine == "macOS":
        monkeypatch.setattr(datamodule, "START", "spawn")
    if machine == "little shared memory":

        def full(tensor):
            raise RuntimeError("unable to allocate shared memory(shm): No space left on device")

        monkeypatch.setattr(torch.Tensor, "share_memory_", full)
    batches, expected = loaded(config, tmp_path)
    assert len(batches) == 2 and batches[0].keys() == expected.keys()
    assert all(
        torch.equal(batches[0][key], expected[key]) for key in expected if key != "unreadable"
    )
    assert ("--shm-size" in caplog.text) == (machine == "little shared memory")


def test_files_are_read_in_processes_that_are_not_forked(monkeypatch):
    monkeypatch.setattr(limits, "START", "spawn")
    assert list(limits.within(60, len, [("abc",), ("ab",)], 1)) == [3, 2]


def test_a_full_disk_is_one_line_in_predict(monkeypatch, capsys):
    def full(arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("zsvideo.prediction.terminal.run", full)
    monkeypatch.setattr("sys.argv", ["predict", "run", "a.mp4", "--classes", "run"])
    with pytest.raises(SystemExit) as end:
        predict.main()
    assert end.value.code == 2
    assert capsys.readouterr().err == (
        "error: a file cannot be read or written (No space left on device)\n"
    )


def test_a_checkpoint_that_is_the_first_on_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", full)
    words = r"as on a full disk\); there is none yet: make room, then continue with resume=auto"
    with pytest.raises(UserError, match=words):
        AtomicCheckpointIO().save_checkpoint({"global_step": 2}, tmp_path / LAST)


def test_a_bus_error_of_a_loading_process_names_shared_memory():
    text = (
        "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
        "dataloader's workers are out of shared memory. Please try to raise your limit."
    )
    assert "--shm-size" in line(RuntimeError(text))


def own_memory():
    """MB that this process has changed."""
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\s+(\d+)", rollup)[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux counts pages")
def test_a_loading_process_gives_freed_memory_back(monkeypatch):
    """Each `EVERY` batches; without that it keeps what lies between things that are in use."""
    monkeypatch.setattr(sharing, "get_worker_info", lambda: "one")
    monkeypatch.setattr(sharing, "numbers", count(1))
    scattered = [bytearray(2000) for _ in range(50_000)]
    scattered[:] = [kept for number, kept in enumerate(scattered) if number % 40 == 0]
    sizes = []
    for _ in range(sharing.EVERY):
        sizes.append(own_memory())
        sharing.send({"clip": torch.zeros(1)})
    assert max(sizes) - min(sizes) < 20 and own_memory() < sizes[0] - 60
