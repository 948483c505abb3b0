"""What is watched while a model trains and embeds, and what it may end with or average."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    RichProgressBar,
)

from zsvideo.models.meter import advise
from zsvideo.options import Count, Number, Share

log = logging.getLogger(__name__)


class UnreadableVideos(Callback):
    """Collects which videos could not be decoded, and why.

    Attributes:
        source: id to reason, of training videos, which were replaced.
        targets: for each target, id to reason of test videos, which were left out.
    """

    def __init__(self) -> None:
        self.source: dict[str, str] = {}
        self.targets: dict[int, dict[str, str]] = {}

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the videos replaced in this batch."""
        self.source.update(batch["unreadable"])

    def on_predict_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note the videos left out of this batch."""
        self.targets.setdefault(dataloader_idx, {}).update(batch["unreadable"])

    def state_dict(self) -> dict[str, Any]:
        """Keep the findings in checkpoints."""
        return {"source": self.source}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the findings of the run that is continued."""
        self.source = dict(state_dict["source"])


class Advice(Callback):
    """Says within the first minute what bounds the training, while it can still be changed.

    Args:
        cores: of this process.
    """

    AFTER = 30.0  # seconds of training
    STEPS = 3  # that have to be timed by then

    def __init__(self, cores: int) -> None:
        self.cores = cores
        self.due = float("inf")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to wait."""
        self.due = time.monotonic() + self.AFTER

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Say it, once."""
        if time.monotonic() >= self.due and trainer.profiler.steps >= self.STEPS:
            self.due = float("inf")
            if trainer.is_global_zero:
                advise(trainer, self.cores)


class WakeWorkers(Callback):
    """Wakes processes that load clips where they were stopped (SIGSTOP), and ends them with a run.

    A stopped process obeys no other signal but SIGKILL: the run would wait for it for ever.
    """

    PAUSE = 5.0  # seconds; a process that stands still for one or two of them is woken

    def __init__(self) -> None:
        self.done = threading.Event()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Begin to look after them."""
        self.done = threading.Event()
        if Path(f"/proc/self/task/{os.getpid()}/children").is_file():  # Linux
            threading.Thread(target=self.watch, args=(self.done,), daemon=True).start()

    def watch(self, done: threading.Event) -> None:
        """Look after them until all is done."""
        before: set[int] = set()
        while not done.wait(self.PAUSE):
            stopped = set(filter(is_stopped, children()))
            wake(stopped & before)
            before = stopped

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wake them before Lightning ends them."""
        wake(children())

    def on_predict_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wake them before Lightning ends them."""
        wake(children())

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """End looking."""
        self.done.set()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """End them at once, without a word of their end: the exception says what is wrong."""
        self.done.set()
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or PyTorch raises another error
        for process in multiprocessing.active_children():
            if process.daemon:
                process.kill()
                process.join()
        signal.signal(signal.SIGCHLD, before)


def children() -> list[int]:
    """List the processes that this one has started; none where the system does not say it."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []
    return list(map(int, text.split()))


def is_stopped(process: int) -> bool:
    """Tell whether a process was stopped by a signal."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def wake(processes: Iterable[int]) -> None:
    """Let stopped processes go on."""
    for process in filter(is_stopped, processes):
        log.warning("process %d that loads clips was stopped (SIGSTOP); it goes on", process)
        with suppress(OSError):  # it has just ended
            os.kill(process, signal.SIGCONT)


class NarrowProgressBar(RichProgressBar):
    """Lightning's progress bar in one line of 80 columns: a shorter bar, and the loss alone."""

    shown: dict[str, Any] | None = None
    due = drawn = 0.0

    def configure_columns(self, trainer: pl.Trainer) -> list[Any]:
        """Shorten the bar, which Lightning makes 40 columns wide."""
        columns: list[Any] = super().configure_columns(trainer)
        for column in columns:
            if hasattr(column, "bar_width"):
                column.bar_width = 10
        return columns

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Show the loss of the last batch, read once a second: a GPU has to be waited for."""
        loss = getattr(pl_module, "step_loss", None)
        if loss is not None and (now := time.monotonic()) >= self.due:
            self.shown, self.due = {"loss": loss.item()}, now + 1
        return self.shown or {}

    def refresh(self, hard: bool = False) -> None:
        """Draw the bar, at most ten times a second, and at its end."""
        if hard or time.monotonic() >= self.drawn + 0.1:
            self.drawn = time.monotonic()
            super().refresh(hard)


class StopEarly(EarlyStopping):
    """Ends training when it gets no better, for good: a run that is continued ends there too.

    Args:
        monitor: `val/top1` of `selection=val`, or the loss.
        patience: epochs without an improvement.
        min_delta: a change of no more is none.
    """

    def __init__(
        self,
        monitor: Literal["val/top1", "train/loss_epoch"] = "val/top1",
        patience: Count = 10,
        min_delta: Number = 0.0,
    ) -> None:
        mode = "min" if monitor == "train/loss_epoch" else "max"
        super().__init__(monitor, min_delta, patience, mode=mode)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End a run at once that had ended."""
        trainer.should_stop = trainer.should_stop or bool(self.stopping_reason_message)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say why training ended."""
        if self.stopping_reason_message:
            log.info("%s", self.stopping_reason_message.removesuffix(" Signaling Trainer to stop."))


def has_stopped(state: dict[str, Any]) -> bool:
    """Tell whether the training of a checkpoint was ended by `StopEarly`."""
    callbacks = state.get("callbacks") or {}
    own = [inner for name, inner in callbacks.items() if name.startswith(StopEarly.__name__)]
    return any(isinstance(inner, dict) and inner.get("stopping_reason_message") for inner in own)


class MovingAverage(EMAWeightAveraging):
    """Keeps the exponential moving average of the weights, which is what is stored and tested.

    Args:
        decay: of the weights before, in each optimiser step.
    """

    def __init__(self, decay: Share = 0.999) -> None:
        super().__init__(decay=decay)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the average also where no step was left to do."""
        self._copy_average_to_current(pl_module)
