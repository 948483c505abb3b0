"""Checkpoints that survive an interruption at any moment."""

import os
import pickle
import shutil
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Callback

from zsvideo.errors import UserError

SIGTERM_STATUS = 128 + signal.SIGTERM
LOOK = 500  # optimiser steps between looks at the loss, which a GPU has to be waited for
ASK = 20  # optimiser steps after which several processes ask whether a checkpoint is due
LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, then moves it there; the one before is kept."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; a reader sees all of it or the one before.

        Raises:
            UserError: the disk is full or cannot be written; the earlier checkpoint stays.
        """
        path = Path(path)
        part = path.with_suffix(".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if path.name == LAST and path.exists():
                link = path.with_name("previous.part")
                link.unlink(missing_ok=True)
                try:
                    os.link(path, link)
                except OSError:  # a file system without hard links
                    shutil.copyfile(path, link)
                link.replace(path.with_name(PREVIOUS))
            part.replace(path)
        except (OSError, RuntimeError) as error:  # torch tells of a full disk by RuntimeError
            part.unlink(missing_ok=True)
            why = error if isinstance(error, OSError) else "not all of it, as on a full disk"
            before = f"the one before is in {path.parent}" if path.exists() else "there is none yet"
            raise UserError(
                f"the checkpoint of step {checkpoint['global_step']} cannot be written ({why}); "
                f"{before}: make room, then continue with resume=auto"
            ) from None


def read_checkpoint(file: Path) -> dict[str, Any] | None:
    """Read a checkpoint without running code in it; None where it is damaged or missing."""
    try:
        with ZipFile(file) as archive:  # torch does not compare the check sums
            if archive.testzip() is not None:
                return None
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        return state
    except (
        BadZipFile,
        OSError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        pickle.UnpicklingError,
    ):
        return None


def newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Find the checkpoint to continue from: the last, or where it is damaged the one before."""
    for name in (LAST, PREVIOUS):
        if (state := read_checkpoint(folder / name)) is not None:
            return folder / name, state
    return None


class Interruption(Callback):
    """Saves within an epoch, and when the run is told to end (SIGTERM); keeps its options.

    Args:
        config: the resolved options, plain data.
        file: the checkpoint.
        every: optimiser steps between checkpoints within an epoch, or seconds as a `timedelta`.
        content: hashes of what is trained on, wherever it lies.
    """

    def __init__(
        self, config: dict[str, Any], file: Path, every: int | timedelta, content: dict[str, Any]
    ) -> None:
        self.config, self.file, self.every, self.content = config, file, every, content
        self.saved = time.monotonic()

    def on_train_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Begin to count the time."""
        self.saved = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *args: Any) -> None:
        """Save; after the batch in which the signal came Lightning ends the process."""
        due = trainer.received_sigterm or self.is_due(trainer)
        if not due and trainer.global_step % LOOK:
            return
        loop = trainer.fit_loop.epoch_loop
        # After the last batch it is the end of the epoch that saves: with its validation.
        if loop.batch_progress.is_last_batch or loop._should_accumulate():
            return
        self.check_loss(trainer, pl_module)
        if due:
            trainer.save_checkpoint(self.file)
            self.saved = time.monotonic()

    def is_due(self, trainer: pl.Trainer) -> bool:
        """Tell whether it is time for a checkpoint; the first of several processes decides."""
        if isinstance(self.every, int):
            return trainer.global_step % self.every == 0
        due = time.monotonic() >= self.saved + self.every.total_seconds()
        if trainer.world_size == 1:
            return due
        return trainer.global_step % ASK == 0 and bool(trainer.strategy.broadcast(due))

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Look at the loss of the epoch, before its checkpoint is written."""
        self.check_loss(trainer, pl_module)
        self.saved = time.monotonic()

    def check_loss(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Check the sum of the losses so far, the same on all devices: no step waits for it.

        Raises:
            UserError: it is not a number; the checkpoint from before stays.
        """
        total: Any = trainer.strategy.reduce(pl_module.epoch_loss[0].clone(), reduce_op="sum")
        if total.isfinite():
            return
        lr = pl_module.hparams["lr"]
        kept, run = read_checkpoint(self.file), self.file.parent.parent
        go_on = "start anew"
        if kept is not None:
            step = kept["global_step"]
            go_on = f"start anew, from step {step}, which is kept, by pretrain.ckpt={run}"
        raise UserError(
            f"the loss is not a number in epoch {trainer.current_epoch}, by step "
            f"{trainer.global_step}; {go_on}, in another hydra.run.dir with a smaller model.lr (it "
            f"is {lr:g}) or trainer.gradient_clip_val=1"
        )

    def on_predict_batch_end(self, trainer: pl.Trainer, *args: Any) -> None:
        """End a test when told to, which Lightning minds in training alone."""
        if trainer.received_sigterm:
            sys.exit(SIGTERM_STATUS)

    def state_dict(self) -> dict[str, Any]:
        """Keep the options in checkpoints."""
        return {"config": self.config, "content": self.content}


def began_with(state: dict[str, Any], what: str = "config") -> dict[str, Any]:
    """Give the options of the run that wrote a checkpoint; empty where it does not say them.

    Args:
        state: the checkpoint's content.
        what: or `content`, the hashes of what it was trained on.
    """
    for key in ("callbacks", "Interruption", what):
        inner = state.get(key)
        state = inner if isinstance(inner, dict) else {}
    return state
