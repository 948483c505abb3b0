"""What bounds a training run: waiting for decoded clips, moving them, or the network."""

import time
from typing import Any

from pytorch_lightning.profilers import Profiler

PHASES = {  # of Lightning's actions
    "train_dataloader_next": "data",
    "batch_to_device": "transfer",
    "run_training_batch": "network",
}
MUCH = 0.25  # of the time: less of it would hardly make a run faster


class Meter(Profiler):
    """Adds up the seconds of each phase of training; one float a phase, whatever the length.

    On a GPU the network's work goes on while the process waits, so the share of waiting is the
    most that the GPU can have been idle.

    Attributes:
        seconds: by phase.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds = dict.fromkeys(PHASES.values(), 0.0)
        self.since: dict[str, float] = {}

    def start(self, action_name: str) -> None:
        """Begin an action of Lightning's."""
        if phase(action_name):
            self.since[action_name] = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """End it."""
        if action_name in self.since:
            spent = time.perf_counter() - self.since.pop(action_name)
            self.seconds[phase(action_name)] += spent

    def shares(self) -> dict[str, float]:
        """Give the share of each phase in the time of all."""
        total = sum(self.seconds.values())
        return {k: round(v / total, 4) for k, v in self.seconds.items()} if total else {}

    def report(
        self, workers: int, cores: int, compiled: bool, prepared: bool = False
    ) -> dict[str, Any] | None:
        """Say what bounds the run and what to change; None before any batch.

        Args:
            workers: processes that decode.
            cores: of this machine.
            compiled: whether the network was, as `trainer=fast` does.
            prepared: whether the videos are in a form that is fast to read.
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
        return {"shares": shares, "bound": bound, "change": change}


def phase(action: str) -> str:
    """Name the phase of one of Lightning's actions; empty for others."""
    return next((name for part, name in PHASES.items() if action.endswith(part)), "")
