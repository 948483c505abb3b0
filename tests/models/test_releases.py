"""Releases of torch and cuDNN that compute 3D convolutions wrong, or slowly."""

import logging
from types import SimpleNamespace

import pytest
import torch

from helpers.networks import module
from zsvideo.errors import UserError
from zsvideo.experiment import trainer
from zsvideo.experiment.environment import environment
from zsvideo.experiment.options import Trainer
from zsvideo.models.releases import fault


@pytest.mark.parametrize(
    ("version", "cudnn", "precision", "kind"),
    [
        ("2.6.0", 90100, "bf16-mixed", None),
        ("2.8.0+cu128", 91002, "bf16-mixed", "wrong"),
        ("2.8.0", 90800, "16-mixed", "wrong"),
        ("2.8.0", 91002, "32-true", "tf32"),
        ("2.8.0", 91501, "32-true", "tf32"),
        ("2.8.0", 91002, "64-true", None),
        ("2.9.0", 91002, "bf16-mixed", "slow"),
        ("2.9.0", 92100, "bf16-mixed", "slow"),
        ("2.9.1", 91002, "bf16-mixed", "slow"),
        ("2.9.1", 92100, "bf16-mixed", None),
        ("2.9.1", 91002, "32-true", None),
        ("2.10.0", 91501, "bf16-mixed", None),
        ("2.15.0", 92600, "bf16-mixed", None),
        ("2.15.0", None, "bf16-mixed", None),
    ],
)
def test_releases_that_are_known(version, cudnn, precision, kind):
    found = fault(version, cudnn, precision, tf32=True)
    assert (found and found.kind) == kind
    if kind == "tf32":
        assert fault(version, cudnn, precision, tf32=False) is None


@pytest.fixture
def installed(monkeypatch):
    """Take this torch for another, with the faults of that one."""

    def install(version, cudnn):
        monkeypatch.setattr(
            trainer, "installed_fault", lambda precision: fault(version, cudnn, precision, True)
        )
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    return install


def test_wrong_convolutions_are_refused_unless_they_are_forced(installed, caplog):
    installed("2.8.0", 91002)
    half = {"precision": "bf16-mixed"}
    with pytest.raises(UserError, match=r"wrong 3D convolutions .* trainer\.trust_cudnn=true"):
        trainer.check_device("cuda", Trainer(**half))
    trainer.check_device("cpu", Trainer(**half))
    trainer.check_device("cuda", Trainer(**half, trust_cudnn=True))
    assert caplog.text.count("torch 2.8.0 with cuDNN 91002 gives wrong") == 1
    assert "trust_cudnn" not in Trainer(trust_cudnn=True).lightning()


def test_tf32_is_left_out_where_it_is_wrong(installed, caplog):
    installed("2.8.0", 91002)
    trainer.check_device("cuda", Trainer())
    assert not torch.backends.cudnn.allow_tf32 and "by TF32, which is not used" in caplog.text


def test_slow_convolutions_are_told(installed, caplog):
    installed("2.9.0", 91002)
    trainer.check_device("cuda", Trainer(precision="bf16-mixed"))
    assert "slower" in caplog.text and torch.backends.cudnn.allow_tf32


def test_a_processor_without_bfloat16_is_told(monkeypatch, caplog):
    options = Trainer(precision="bf16-mixed", accelerator="cpu")
    for own in (True, False):
        monkeypatch.setattr(trainer, "has_bf16", lambda own=own: own)
        with caplog.at_level(logging.WARNING):
            trainer.make_trainer(options, logger=False, enable_checkpointing=False)
        assert ("bfloat16" in caplog.text) is not own


def test_fast_trainers_are_what_is_benchmarked(config):
    fast = config("trainer=fast", "target=[ucf101]")
    switches = {"channels_last", "compile", "fused"}
    assert fast.trainer.precision == "bf16-mixed" and fast.trainer.benchmark is True
    assert all(fast.model[name] is True for name in switches)
    own = config("trainer=cpu_fast", "target=[ucf101]")
    assert own.trainer.precision == "bf16-mixed" and own.trainer.accelerator == "cpu"
    assert own.model.channels_last is True and not (own.model.compile or own.model.fused)


def test_a_network_is_compiled_for_testing_on_a_gpu_alone(monkeypatch):
    for device, compiled in (("cpu", False), ("cuda", True)):
        net = module(compile=True)
        kind = property(lambda self, device=device: SimpleNamespace(type=device))
        monkeypatch.setattr(type(net), "device", kind)
        net.on_predict_start()
        assert (net.f_v._compiled_call_impl is not None) is compiled
        monkeypatch.undo()


def test_a_record_names_cuda_and_cudnn_where_a_gpu_was_used(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.2")
    monkeypatch.setattr(torch.backends.cudnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 92600)
    used = environment(["NVIDIA H200"])["software"]
    assert (used["cuda"], used["cudnn"]) == ("13.2", "92600")
    assert not {"cuda", "cudnn"} & environment()["software"].keys()
