"""The Lightning Trainer of a run, with its loggers and callbacks."""

import csv
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger, WandbLogger

from src.errors import UserError
from src.models.callbacks import UnreadableVideos
from src.models.checkpoints import LAST, AtomicCheckpointIO, Interruption

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="(pytorch_lightning|lightning_fabric)")


def folder() -> Path:
    """Give the folder of this run."""
    return Path(HydraConfig.get().runtime.output_dir)


@contextmanager
def lightning_trainer(
    config: DictConfig,
    run: Path,
    resumed_step: int | None = None,
    callbacks: Sequence[Callback] = (),
) -> Iterator[tuple[pl.Trainer, UnreadableVideos]]:
    """Give a Trainer with its loggers and callbacks; a W&B run ends with it, as sweeps need.

    Args:
        config: the whole config.
        run: folder of the run.
        resumed_step: the optimiser step to continue from, so that the curve goes on; None begins.
        callbacks: besides those of the config.
    """
    for key in ("max_epochs", "max_steps"):
        if not isinstance(config.trainer[key], int):
            raise UserError(f"trainer.{key}={config.trainer[key]} must be a whole number")
    every = config.get("save_every", 1)
    if not isinstance(every, int) or every < 1:
        raise UserError(f"save_every={every} must be a whole number, at least 1")
    resolved = plain(config)
    loggers = [instantiate(logger) for logger in config.logger.values()]
    unreadable = UnreadableVideos()
    trainer = instantiate(
        config.trainer,
        logger=loggers,
        callbacks=[
            *(instantiate(c) for c in config.callbacks.values()),
            *callbacks,
            unreadable,
            Interruption(resolved, run / "checkpoints" / LAST, every),
        ],
        plugins=[AtomicCheckpointIO()],
        default_root_dir=str(run),
        _convert_="all",
    )
    if trainer.is_global_zero:
        (run / "metrics.json").unlink(missing_ok=True)  # of an earlier run in this folder
    try:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                open_wandb(logger)
            if isinstance(logger, CSVLogger) and trainer.is_global_zero:
                open_curve(logger, resumed_step)
            logger.log_hyperparams(resolved)
        yield trainer, unreadable
    finally:
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish()


def plain(config: DictConfig) -> dict[str, Any]:
    """Resolve a config to plain data."""
    return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]


def open_curve(logger: CSVLogger, resumed_step: int | None) -> None:
    """Begin the training curve, or go on with the rows before `resumed_step`."""
    file = Path(logger.log_dir) / "metrics.csv"
    rows: list[dict[str, str]] = []
    if resumed_step is not None and file.is_file():
        with file.open(newline="") as opened:
            rows = [r for r in csv.DictReader(opened) if int(r["step"] or -1) < resumed_step]
    file.unlink(missing_ok=True)
    writer = logger.experiment
    if rows:
        writer.metrics_keys = list(rows[0])
        with file.open("w", newline="") as opened:
            table = csv.DictWriter(opened, writer.metrics_keys)
            table.writeheader()
            table.writerows(rows)


def open_wandb(logger: WandbLogger) -> None:
    """Start the W&B run; raises UserError where it cannot be."""
    import wandb

    try:
        _ = logger.experiment
    except wandb.errors.Error as error:
        raise UserError(
            f"W&B does not start ({error}); run `wandb login`, or log without an account: "
            "logger.wandb.offline=true"
        ) from None
