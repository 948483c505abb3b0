"""Checkpoints within an epoch: by time or by steps, whoever of several processes asks."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch

from zsvideo.errors import UserError
from zsvideo.experiment.options import Top, as_interval
from zsvideo.models.checkpoints import Interruption


@pytest.mark.parametrize(
    ("typed", "seconds"), [("10min", 600), ("90s", 90), ("1.5h", 5400), ("2 min", 120)]
)
def test_a_time_between_checkpoints(typed, seconds):
    assert as_interval(Top(save_every=typed).save_every) == timedelta(seconds=seconds)
    assert as_interval(Top(save_every=3).save_every) == 3
    assert as_interval(Top().save_every) == timedelta(minutes=10)


@pytest.mark.parametrize("typed", ["10", "min", "0s", "-1min", "10 days", 0, -3, 2.5, True, None])
def test_nonsense_between_checkpoints(typed):
    with pytest.raises(UserError, match=r"save_every=.* must be a time such as 10min"):
        Top(save_every=typed)


class Training:
    """A trainer whose steps take a second each, by a clock of its own."""

    def __init__(self, every, world_size=1, decided=None):
        self.callback = Interruption({}, "last.ckpt", every, {})
        self.world_size, self.received_sigterm, self.global_step = world_size, False, 0
        self.saved, self.looks, self.asked = [], [], []
        self.strategy = SimpleNamespace(broadcast=self.ask, reduce=lambda x, reduce_op: x)
        self.last, self.decided = False, decided
        loop = SimpleNamespace(_should_accumulate=lambda: False, batch_progress=self)
        self.fit_loop = SimpleNamespace(epoch_loop=loop)

    @property
    def is_last_batch(self):
        return self.last

    def ask(self, own):
        self.asked.append(self.global_step)
        return own if self.decided is None else self.decided

    def save_checkpoint(self, file):
        self.saved.append(self.global_step)

    def run(self, monkeypatch, steps):
        monkeypatch.setattr(
            "zsvideo.models.checkpoints.time.monotonic", lambda: float(self.global_step)
        )
        look = self.callback.check_loss
        monkeypatch.setattr(
            self.callback, "check_loss", lambda *a: (self.looks.append(self.global_step), look(*a))
        )
        module = SimpleNamespace(epoch_loss=torch.ones(2))
        self.callback.on_train_start(self, module)
        for self.global_step in range(1, steps + 1):
            self.last = self.global_step == 250
            self.callback.on_train_batch_end(self, module)
            if self.last:
                self.callback.on_train_epoch_end(self, module)
        return self


def test_checkpoints_by_time_begin_anew_at_the_end_of_an_epoch(monkeypatch):
    training = Training(timedelta(seconds=100)).run(monkeypatch, 520)
    assert training.saved == [100, 200, 350, 450] and not training.asked
    assert training.looks == [100, 200, 250, 350, 450, 500]  # at a loss that is no number too


def test_checkpoints_by_steps(monkeypatch):
    training = Training(100).run(monkeypatch, 320)
    assert training.saved == [100, 200, 300]


def test_the_first_of_several_processes_decides(monkeypatch):
    training = Training(timedelta(seconds=90), world_size=2).run(monkeypatch, 120)
    assert training.saved == [100] and training.asked == [20, 40, 60, 80, 100, 120]
    other = Training(timedelta(hours=1), world_size=2, decided=True).run(monkeypatch, 40)
    assert other.saved == [20, 40]
