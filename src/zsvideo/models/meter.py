"""What bounds a training run: waiting for clips, moving them, the network, or what is beside."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.profilers import Profiler

log = logging.getLogger(__name__)
PHASES = {  # of Lightning's actions
    "train_dataloader_next": "data",
    "batch_to_device": "transfer",
    "run_training_batch": "network",
}
MEANINGS = {
    "data": "waiting for clips",
    "transfer": "moving clips to the device",
    "network": "the network",
    "rest": "callbacks and logging",
}
NOTHING = nullcontext()
BETWEEN = ("run_training_epoch", "val_next", "save_checkpoint")  # no part of a step
MUCH = 0.25  # of the time: less of it would hardly make a run faster
EVERY = 20  # on a GPU, one step in so many is timed


def wait_for_gpu() -> None:
    """Wait until the GPU has done all that it was given; without one return at once."""
    if has_gpu():
        torch.cuda.synchronize()


def has_gpu() -> bool:
    """Tell whether this process computes on a GPU."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


class Meter(Profiler):
    """Adds up the seconds of each phase of the training steps that are timed.

    A GPU works on while the process goes on, so that what the process waits for says little. A
    timed step begins and each of its phases ends when the GPU has nothing left to do; its `data`
    is then time in which the GPU has none. Without a GPU every step is timed.

    Attributes:
        seconds: by phase; `rest` is what is in no other: callbacks, logging, progress.
        steps: that were timed.
    """

    def __init__(self, wait: Callable[[], None] = wait_for_gpu, every: int | None = None) -> None:
        """Begin.

        Args:
            wait: returns when the device has done its work.
            every: one step in so many is timed; by default by the device.
        """
        super().__init__()
        self.wait, self.every = wait, every
        self.seconds = dict.fromkeys((*PHASES.values(), "rest"), 0.0)
        self.steps = self.begun = 0
        self.step: dict[str, float] | None = None  # the timed one: seconds by phase
        self.since = self.first = 0.0

    def profile(self, action_name: str) -> Any:
        """Time an action; those that are no phase of a step, some fifty of one, cost nothing."""
        return super().profile(action_name) if phase(action_name) else NOTHING

    def start(self, action_name: str) -> None:
        """Begin an action of Lightning's."""
        name = phase(action_name)
        if name == "data":
            self.end_step()
            every = self.every or (EVERY if has_gpu() else 1)
            if self.begun % every == every - 1:
                self.wait()
                self.step, self.first = {}, time.perf_counter()
            self.begun += 1
        elif name == "between":
            self.step = None
        if self.step is not None and name:
            self.since = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """End it."""
        if self.step is not None and (name := phase(action_name)) in self.seconds:
            self.wait()
            self.step[name] = self.step.get(name, 0.0) + time.perf_counter() - self.since

    def end_step(self) -> None:
        """Add up the step that was timed."""
        if self.step:
            self.step["rest"] = time.perf_counter() - self.first - sum(self.step.values())
            for name, spent in self.step.items():
                self.seconds[name] += spent
            self.steps += 1
        self.step = None

    def shares(self) -> dict[str, float]:
        """Give the share of each phase in the time of all."""
        total = sum(self.seconds.values())
        return {k: round(v / total, 4) for k, v in self.seconds.items()} if total else {}

    def report(
        self, workers: int, cores: int, compiled: bool, prepared: bool = False
    ) -> dict[str, Any] | None:
        """Say what bounds the run and what to change; None before any step.

        Args:
            workers: processes that decode.
            cores: of this process.
            compiled: whether the network was, as `trainer=fast` does.
            prepared: whether the videos are in a form that is fast to read.

        Returns:
            `shares` of the phases, the `largest`, what `bound` the run and is worth a change, the
            `change`, and `workers`.
        """
        if not (shares := self.shares()):
            return None
        if shares["data"] > MUCH:
            prepare = "prepare the videos once: python -m src.prepare"
            last = "a faster disk, or more cores" if prepared else prepare
            bound = "data"
            change = f"loader.workers={cores}, or {last}" if workers < cores else last
        elif shares["transfer"] > MUCH:
            bound, change = "transfer", "a larger loader.batch_size, or fewer processes a device"
        else:
            fast = "on a GPU trainer=fast (bf16, channels last, compiled, fused optimiser)"
            bound, change = "network", "more devices (trainer.devices)" if compiled else fast
        largest = max(shares, key=lambda name: shares[name])
        about = {"shares": shares, "largest": largest, "bound": bound, "change": change}
        return about | {"workers": workers}


def advise(trainer: pl.Trainer, cores: int) -> dict[str, Any] | None:
    """Say what bounds the training of this process so far, and what would make it faster.

    Args:
        trainer: that trains or has trained, with a `Meter`.
        cores: of this process.

    Returns:
        See `Meter.report`; None before any step.
    """
    meter: Meter = trainer.profiler  # type: ignore[attr-defined]
    if not meter.steps:
        return None
    source = getattr(trainer.datamodule, "source", None)  # type: ignore[attr-defined]
    prepared = bool(source and source.prepared)
    loader: Any = trainer.train_dataloader
    workers = getattr(loader, "num_workers", 0)
    compiled = bool(trainer.lightning_module.hparams.get("compile"))
    if report := meter.report(workers, cores, compiled, prepared):
        log.warning(
            "time of training: %s; most is %s; %d processes load %s; to be faster: %s",
            ", ".join(f"{name} {100 * share:.0f}%" for name, share in report["shares"].items()),
            MEANINGS[report["largest"]],
            workers,
            "prepared videos" if prepared else "videos that are not prepared",
            report["change"],
        )
    return report


@cache
def phase(action: str) -> str:
    """Name the phase of one of Lightning's actions; empty for others."""
    if any(part in action for part in BETWEEN):
        return "between"
    return next((name for part, name in PHASES.items() if action.endswith(part)), "")
