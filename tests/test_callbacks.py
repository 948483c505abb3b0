"""What may end training early, and what averages its weights: `callbacks=[early_stopping,ema]`."""

import shutil

import pytest
import torch

from zsvideo.errors import UserError
from zsvideo.experiment import training
from zsvideo.experiment.composed import check_options
from zsvideo.experiment.environment import settings
from zsvideo.experiment.jobs import first_stage, job_hash
from zsvideo.models import callbacks
from zsvideo.models.checkpoints import read_checkpoint

BOTH = ["callbacks=[early_stopping,ema]", "callbacks.ema.decay=0.5"]
LOSS = ["callbacks.early_stopping.monitor=train/loss_epoch"]
STOP = [*LOSS, "callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=9"]


@pytest.fixture
def trained(config, folders, tmp_path, monkeypatch):
    """Train in a folder; gives its checkpoint, what was to be tested, the weights of every step."""
    steps, tested, end = [], [], None

    def note(self, trainer, pl_module, *_):
        if len(steps) == end:
            raise InterruptedError
        steps.append({n: p.detach().clone() for n, p in pl_module.named_parameters()})

    def test(experiment, run, trainer, unreadable, model, *_):
        tested.append({n: v.clone() for n, v in model.state_dict().items()})

    monkeypatch.setattr(callbacks.UnreadableVideos, "on_train_batch_end", note)
    monkeypatch.setattr("zsvideo.experiment.testing.test", test)

    def train(name, *options, stop=None):
        nonlocal end
        end = stop
        steps.clear()
        tested.clear()
        typed = ["loader.batch_size=2", "loader.workers=0", "trainer.max_epochs=4", *BOTH, *STOP]
        run = tmp_path / name
        composed = config(*folders, *typed, f"paths.cache={tmp_path}/cache", *options)
        composed.paths.run = str(run)
        training.carry_out(training.Experiment.of(composed), run)
        return read_checkpoint(run / "checkpoints" / "last.ckpt"), tested[0], [*steps]

    return train


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
def test_the_average_is_stored_and_tested_and_an_end_is_an_end(trained, tmp_path):
    state, tested, steps = trained("whole")
    assert len(steps) == state["global_step"] == 8  # the second of four epochs was the last
    for name, value in steps[0].items():
        average = value
        for step in steps[1:]:
            average = 0.5 * average + 0.5 * step[name]
        assert torch.allclose(state["state_dict"][name], average, atol=1e-6), name
    assert not same(state["state_dict"], state["current_model_state"])
    assert same(state["state_dict"], tested)

    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    again, tested, steps = trained("again", "resume=auto")  # was stopped while it tested
    assert not steps and same(again["state_dict"], tested)

    with pytest.raises(InterruptedError):
        trained("part", "save_every=3", stop=6)  # amid the second epoch
    resumed, tested, steps = trained("part", "resume=auto")
    assert len(steps) == 2 and same(resumed["state_dict"], state["state_dict"])
    assert same(resumed["current_model_state"], state["current_model_state"])
    assert same(resumed["state_dict"], tested)
    for other in ("callbacks.ema.decay=0.9", "callbacks.early_stopping.patience=2"):
        with pytest.raises(UserError, match="began with other options"):
            trained("part", "resume=auto", other)


def test_what_decides_the_numbers_is_known(config):
    hashes = {
        job_hash(config(*typed)) for typed in ([], ["callbacks=default"], ["~callbacks.progress"])
    }
    assert len(hashes) == 1
    others = [["callbacks=ema"], BOTH, [*BOTH, *LOSS], [*BOTH, *STOP]]
    assert len({job_hash(config(*typed)) for typed in others} | hashes) == 5
    assert settings({"callbacks": {"progress": {"_target_": "a.Bar"}}}) == {}
    kept = {"ema": {"_target_": "a.MovingAverage", "decay": 0.5}}
    assert settings({"callbacks": kept}) == {"callbacks": kept}
    stage = first_stage(config(*BOTH, "pretrain=synthetic"))
    assert set(stage.callbacks) == {"checkpoint", "progress", "learning_rate"}


def test_a_metric_that_is_not_measured_is_refused_early(config):
    with pytest.raises(
        UserError, match=r"callbacks\.early_stopping\.monitor=val/top1 .*selection="
    ):
        check_options(config("callbacks=early_stopping"))
    check_options(config("callbacks=early_stopping", "selection=val"))
    check_options(config("callbacks=early_stopping", *LOSS))


def test_a_run_without_loggers(trained):
    """The learning rate is watched for them alone."""
    state, _, _ = trained("none", "~logger", "trainer.max_epochs=1")
    assert state["global_step"] == 4
