"""Runs that were interrupted end as if they had not been."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.environment import settings
from zsvideo.experiment.resume import changed_options, check_same_options
from zsvideo.experiment.resume import finished as run_is_finished
from zsvideo.models.checkpoints import newest

pytestmark = pytest.mark.slow

OWN = {"PYTHONPATH": str(Path(__file__).parent), "ZSVIDEO_TARGETS": "helpers.faults"}


def planted(fault, **values):
    return [f"+callbacks.planted._target_=helpers.faults.{fault}"] + [
        f"+callbacks.planted.{key}={value}" for key, value in values.items()
    ]


@pytest.fixture
def options(folders, tmp_path):
    """Four steps an epoch, four epochs, a checkpoint each second step."""
    return [
        *folders,
        "loader.batch_size=2",
        "trainer.max_epochs=4",
        "trainer.log_every_n_steps=1",
        "model.dropout=0.5",
        "model.milestones=[1,3]",
        "save_every=2",
    ]


def equal(one, other):
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


def test_interrupted_thrice_ends_bit_identical(cli, options, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert cli("train", *options, f"hydra.run.dir={whole}").returncode == 0

    wandb = ["logger=wandb", "logger.wandb.offline=true"]
    stops = sorted(random.sample([s for s in range(2, 16) if s % 4], 3))  # amid epochs
    print(f"stops before the batches after steps {stops}")  # shown where the test fails

    def go(*more):
        where = [f"hydra.run.dir={broken}", "resume=auto"]
        return cli("train", *options, *where, *more, **OWN)

    assert go(*wandb, *planted("Signal", step=stops[0], name="SIGKILL")).returncode == -9
    told = go(*planted("Signal", step=stops[1], name="SIGINT"))
    assert told.returncode == 130 and f"resume={broken}" in told.stderr, told.stderr[-3000:]
    saved = stops[0] - stops[0] % 2
    assert f"going on from step {saved} (epoch {(saved - 1) // 4})" in told.stdout + told.stderr
    told = go(*planted("DiskFull", step=stops[2]))
    assert told.returncode == 2, told.stderr[-3000:]
    assert "make room, then continue with resume=auto" in told.stderr.splitlines()[-1]
    assert "Traceback" not in told.stderr
    last = broken / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-100])  # and the last checkpoint is damaged
    told = go(*wandb)
    assert told.returncode == 0, told.stderr[-3000:]
    assert "is damaged; going on from the checkpoint before it" in told.stdout + told.stderr

    one, other = (
        torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, broken)
    )
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "global_step", "epoch"):
        assert equal(one[key], other[key]), key
    one, other = (np.load(run / "predictions" / "folder.npz") for run in (whole, broken))
    assert np.array_equal(one["embeddings"], other["embeddings"])
    one, other = ((run / "metrics.csv").read_text() for run in (whole, broken))
    assert one == other

    ids = {folder.name.rsplit("-", 1)[1] for folder in broken.glob("wandb/offline-run-*")}
    assert ids == {(broken / "wandb-id").read_text()}

    told = cli("train", f"resume={broken}")
    assert told.returncode == 0 and "nothing was left to do" in told.stdout + told.stderr
    told = cli("train", f"resume={broken}", "model.lr=0.5")
    assert told.returncode == 2 and "model.lr: 0.001 -> 0.5" in told.stderr


def test_an_interrupted_run_selects_what_it_would_have_selected(cli, folders, tmp_path):
    options = [
        *folders,
        "selection=val",
        "selection.share=0.5",
        "loader.batch_size=2",
        "trainer.max_epochs=3",
        "trainer.log_every_n_steps=1",
    ]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert cli("train", *options, f"hydra.run.dir={whole}").returncode == 0
    for step, name, status in ((1, "SIGTERM", 143), (4, "SIGKILL", -9)):  # last batch, first batch
        told = cli(
            "train",
            *options,
            f"hydra.run.dir={broken}",
            "resume=auto",
            *planted("Signal", step=step, name=name),
            **OWN,
        )
        assert told.returncode == status, told.stderr[-3000:]
    assert cli("train", *options, f"hydra.run.dir={broken}", "resume=auto").returncode == 0
    assert (whole / "metrics.csv").read_text() == (broken / "metrics.csv").read_text()
    one, other = (
        torch.load(run / "checkpoints" / "best.ckpt", weights_only=True) for run in (whole, broken)
    )
    assert one["global_step"] == other["global_step"]
    assert equal(one["state_dict"], other["state_dict"])


def test_a_stop_while_the_first_weights_are_made(cli, folders, tmp_path):
    run = tmp_path / "run"
    options = [
        *folders,
        "pretrain=sun",
        "source@pretrain.source=folder",
        f"pretrain.source.root={tmp_path}/source",
        f"hydra.run.dir={run}",
    ]
    told = cli("train", *options, *planted("Signal", step=1, name="SIGTERM"), **OWN)
    assert told.returncode == 143 and "start it again" in told.stderr, told.stderr[-3000:]


def test_a_run_that_is_not_there(cli, tmp_path):
    told = cli("train", f"resume={tmp_path}/nothing")
    assert told.returncode == 2 and told.stderr.startswith(f"error: no run at {tmp_path}/nothing")


def test_the_newest_readable_checkpoint(tmp_path):
    assert newest(tmp_path) is None
    for name, step in (("previous", 1), ("last", 2)):
        torch.save({"global_step": step, "weights": torch.arange(1000)}, tmp_path / f"{name}.ckpt")
    assert newest(tmp_path)[1]["global_step"] == 2
    file = tmp_path / "last.ckpt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255  # one byte of the weights
    file.write_bytes(content)
    assert newest(tmp_path)[1]["global_step"] == 1
    (tmp_path / "previous.ckpt").write_bytes(b"")
    assert newest(tmp_path) is None


def test_which_options_may_change():
    before = {"model": {"lr": 1}, "trainer": {"max_epochs": 1}, "loader": {"workers": 2}}
    after = {"model": {"lr": 2}, "trainer": {"max_epochs": 9}, "loader": {"workers": 0}, "seed": 1}
    assert changed_options(before, after) == ["model.lr: 1 -> 2", "seed: None -> 1"]


def test_a_trained_run_is_tested_again_by_other_tests(config, tmp_path):
    """Options that have no say in training may change; what was tested otherwise is not taken."""

    def composed(*options):
        return Experiment.of(config("target=[ucf101]", f"paths.run={tmp_path}", *options)).composed

    before = composed()
    metrics = {"targets": {"ucf101": {"half": {}, "full": {}}}, "trained_steps": 3}
    (tmp_path / "metrics.json").write_text(json.dumps({**metrics, "setup": settings(before)}))
    assert run_is_finished(settings(before), tmp_path, 3) and not run_is_finished(
        settings(before), tmp_path, 4
    )
    assert run_is_finished(settings(composed("evaluation=[full]")), tmp_path, 3)
    for other in ("clips.test_clips=1", "target=[hmdb51]", "evaluation=[distance]"):
        assert not run_is_finished(settings(composed(other)), tmp_path, 3), other
    state = {"callbacks": {"Interruption": {"config": before}}}
    for same in ("clips.test_clips=1", "target=[hmdb51]", "loader.test_batch_size=9"):
        check_same_options(state, composed(same), tmp_path)
    with pytest.raises(UserError, match=r"model\.lr: 0\.001 -> 0\.1"):
        check_same_options(state, composed("model.lr=0.1", "clips.test_clips=1"), tmp_path)
