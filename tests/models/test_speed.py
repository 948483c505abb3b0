"""Switches for speed change no result beyond rounding; the meter tells what bounds a run."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LambdaCallback
from torch.utils.data import DataLoader

from helpers.networks import clips, module
from zsvideo.data.datamodule import LoaderSpec
from zsvideo.errors import UserError
from zsvideo.models.meter import Meter
from zsvideo.models.micro import divisors, fits_on, largest_micro_batch


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


def test_micro_batches_add_up_to_the_batch():
    spec = LoaderSpec(22, 4, 0, 0, micro_batch=11)
    assert (spec.part, spec.parts) == (11, 2)
    assert (
        spec.epoch_batches(600_000)
        == 2 * 4547
        == 2 * LoaderSpec(22, 4, 0, 0).epoch_batches(600_000)
    )
    with pytest.raises(UserError, match="must divide"):
        LoaderSpec(22, 4, 0, 0, micro_batch=5)
    assert LoaderSpec(22, 4, 0, 0, micro_batch="auto").part == 22


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


def test_the_largest_micro_batch_that_fits():
    assert divisors(22) == [22, 11, 2, 1]
    tried = []
    assert largest_micro_batch(22, lambda n: tried.append(n) or n <= 3) == 2
    assert tried == [22, 11, 2]
    with pytest.raises(UserError, match="not one clip fits"):
        largest_micro_batch(22, lambda n: False)


def test_a_trial_changes_no_weights(monkeypatch):
    net = module()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    fits = fits_on(net, torch.device("cpu"), 16, 32, "32-true")
    assert fits(2)
    full = torch.OutOfMemoryError("full")
    monkeypatch.setattr(net.f_v, "forward", lambda _: (_ for _ in ()).throw(full))
    assert not fits(2)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("seconds", "bound", "words"),
    [
        ((5, 1, 4), "data", "loader.workers=8, or prepare"),
        ((0, 3, 7), "transfer", "loader.batch_size"),
        ((0.5, 0.5, 9), "network", "trainer=fast"),
        ((0.5, 0.5, 9), "network", "trainer.devices"),
    ],
)
def test_the_meter_tells_what_to_change(monkeypatch, seconds, bound, words):
    now = iter(t for s in seconds for t in (0, s))
    monkeypatch.setattr("zsvideo.models.meter.time.perf_counter", lambda: next(now))
    meter = Meter()
    assert meter.report(2, 8, False) is None
    for action in (
        "[_TrainingEpochLoop].train_dataloader_next",
        "[Strategy]DDPStrategy.batch_to_device",
        "run_training_batch",
    ):
        meter.start(action)
        meter.start("something else")
        meter.stop(action)
    found = meter.report(workers=2, cores=8, compiled=words == "trainer.devices")
    assert found["bound"] == bound and words in found["change"]
    assert sum(found["shares"].values()) == pytest.approx(1)
