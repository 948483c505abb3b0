"""Switches for speed change no result beyond rounding; the meter tells what bounds a run."""

from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from helpers.networks import clips, module
from zsvideo.models.callbacks import Advice
from zsvideo.models.meter import Meter


def test_channels_last_gives_the_same_embeddings():
    plain, last = module().eval(), module(channels_last=True).eval()
    video = clips(2, 2)
    assert torch.allclose(plain(video), last(video), atol=1e-6)
    weight = last.f_v.layers[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last_3d)


def test_compiling_keeps_the_names_of_parameters():
    net = module(compile=True)
    names = list(net.state_dict())
    net.on_fit_start()
    assert list(net.state_dict()) == names and net.f_v._compiled_call_impl is not None


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_parts_of_a_batch_have_the_gradient_of_the_whole(reduction, tmp_path):
    torch.manual_seed(2)
    features, target, label = torch.randn(4, 64), torch.randn(4, 300), torch.arange(4)
    whole = {"features": features, "target": target, "label": label}

    def gradient(parts):
        net = module(reduction=reduction, dropout=0.0)
        kept = LambdaCallback(
            on_before_optimizer_step=lambda *_: seen.append(net.f_s.weight.grad.clone())
        )
        batches = [
            {key: value[part::parts] for key, value in whole.items()} for part in range(parts)
        ]
        pl.Trainer(
            max_epochs=1,
            accumulate_grad_batches=parts,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
            callbacks=[kept],
        ).fit(net, DataLoader(batches, batch_size=None))
        return seen.pop()

    seen = []
    one, two = gradient(1), gradient(2)
    assert not seen and (one - two).abs().max() < 1e-4 * one.abs().max()


@pytest.mark.parametrize(
    ("seconds", "bound", "words"),
    [
        ((5, 1, 4), "data", "loader.workers=8, or prepare"),
        ((0, 3, 7), "transfer", "loader.batch_size"),
        ((0.5, 0.5, 9), "network", "trainer=fast"),
        ((0.5, 0.5, 9), "network", "trainer.devices"),
        ((1.7, 0.1, 8.2), "network", "trainer=fast"),
    ],
)
def test_the_meter_tells_what_to_change(monkeypatch, seconds, bound, words):
    clock = [0.0]
    monkeypatch.setattr("zsvideo.models.meter.time.perf_counter", lambda: clock[0])
    meter = Meter()
    assert meter.report(2, 8, False) is None
    meter.start("run_training_epoch")
    for _ in range(2):
        for action, spent in zip(ACTIONS, seconds, strict=True):
            meter.start(action)
            meter.start("something else")
            clock[0] += spent
            meter.stop(action)
    meter.start(ACTIONS[0])  # ends the second step
    meter.start("run_training_epoch")
    meter.stop("run_training_epoch")
    found = meter.report(workers=2, cores=8, compiled=words == "trainer.devices")
    prepared = meter.report(workers=8, cores=8, compiled=False, prepared=True)
    assert "prepare" not in prepared["change"]
    assert found["bound"] == bound and words in found["change"]
    assert found["largest"] == ("data" if seconds[0] == 5 else "network")
    assert sum(found["shares"].values()) == pytest.approx(1) and meter.steps == 2


@pytest.mark.parametrize("prepared", [True, False])
def test_what_bounds_a_training_is_said_within_its_first_minute(monkeypatch, caplog, prepared):
    clock = [0.0]
    monkeypatch.setattr("zsvideo.models.meter.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("zsvideo.models.callbacks.time.monotonic", lambda: clock[0])
    meter, said = Meter(), []
    trainer = SimpleNamespace(
        profiler=meter,
        is_global_zero=True,
        datamodule=SimpleNamespace(source=SimpleNamespace(prepared=prepared)),
        train_dataloader=SimpleNamespace(num_workers=2),
        lightning_module=module(),
    )
    advice = Advice(cores=8)
    advice.on_train_start(trainer, None)
    while clock[0] < 100:
        for action, spent in zip(ACTIONS, (2, 0, 1), strict=True):
            meter.start(action)
            clock[0] += spent
            meter.stop(action)
        advice.on_train_batch_end(trainer)
        said.append((clock[0], len(caplog.records)))
    assert dict(said)[27] == 0 and dict(said)[33] == said[-1][1] == 1
    assert "data 67%" in caplog.text and "most is waiting for clips" in caplog.text
    assert "loader.workers=8" in caplog.text and "2 processes" in caplog.text
    assert ("src.prepare" in caplog.text) is ("not prepared" in caplog.text) is not prepared


ACTIONS = (
    "[_TrainingEpochLoop].train_dataloader_next",
    "[Strategy]DDPStrategy.batch_to_device",
    "run_training_batch",
)


def test_the_meter_counts_what_a_gpu_does_while_the_process_goes_on(monkeypatch):
    """Clips come after 20 ms; the GPU needs 18 ms, which no call of the process shows."""
    clock, busy = [0.0], [0.0]
    monkeypatch.setattr("zsvideo.models.meter.time.perf_counter", lambda: clock[0])

    def wait():
        clock[0] = max(clock[0], busy[0])

    meter, ready = Meter(wait, every=5), 0.0
    for _ in range(101):
        meter.start(ACTIONS[0])
        clock[0] = max(clock[0], ready)
        ready = clock[0] + 0.020
        meter.stop(ACTIONS[0])
        meter.start(ACTIONS[2])
        clock[0] += 0.001
        busy[0] = max(clock[0], busy[0]) + 0.018
        meter.stop(ACTIONS[2])
    assert meter.steps == 20
    assert meter.shares()["network"] == pytest.approx(19 / 20, abs=0.01)
    assert meter.shares()["data"] == pytest.approx(1 / 20, abs=0.01)
