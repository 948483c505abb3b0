"""The Lightning Trainer of a run, with its loggers and callbacks."""

import csv
import logging
import secrets
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from zsvideo.errors import UserError
from zsvideo.evaluation.record import SUMS
from zsvideo.models.callbacks import UnreadableVideos
from zsvideo.models.checkpoints import LAST, AtomicCheckpointIO, Interruption
from zsvideo.models.meter import Meter

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="(pytorch_lightning|lightning_fabric)")


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
    for key in ("max_epochs", "max_steps", "accumulate_grad_batches"):
        if not isinstance(config.trainer[key], int):
            raise UserError(f"trainer.{key}={config.trainer[key]} must be a whole number")
    if config.trainer.max_epochs < 0 and config.trainer.max_steps < 0:
        raise UserError(
            f"trainer.max_epochs={config.trainer.max_epochs} would train without end; give "
            "trainer.max_epochs or trainer.max_steps"
        )
    if config.trainer.accumulate_grad_batches < 1:
        raise UserError(
            f"trainer.accumulate_grad_batches={config.trainer.accumulate_grad_batches} must be at "
            "least 1"
        )
    every = config.get("save_every", 1)
    if not isinstance(every, int) or every < 1:
        raise UserError(f"save_every={every} must be a whole number, at least 1")
    resolved = plain(config)
    loggers = [make_logger(logger, run, resumed_step) for logger in config.logger.values()]
    unreadable = UnreadableVideos()
    trainer = instantiate(
        config.trainer,
        logger=loggers,
        callbacks=[
            *callbacks,  # first: the last checkpoint keeps the state of what selects the best
            *(instantiate(c) for c in config.callbacks.values()),
            unreadable,
            Interruption(resolved, run / "checkpoints" / LAST, every),
        ],
        plugins=[AtomicCheckpointIO()],
        profiler=Meter(),
        default_root_dir=str(run),
        _convert_="all",
    )
    sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    if trainer.world_size > 1 and sweep and trainer.strategy.launcher is not None:
        raise UserError(
            f"trainer.devices={config.trainer.devices}: a sweep starts one device a job, because "
            "each process would start the whole sweep again; take 1, or hydra/launcher=slurm"
        )
    if trainer.is_global_zero:
        for name in ("metrics.json", SUMS):  # of an earlier run in this folder
            (run / name).unlink(missing_ok=True)
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


def make_logger(logger: DictConfig, run: Path, resumed_step: int | None) -> Logger:
    """Make a logger; a run that is continued keeps its W&B run, whose id is in `wandb-id`."""
    made: Logger
    if not logger._target_.endswith("WandbLogger"):
        made = instantiate(logger)
        return made
    file = run / "wandb-id"
    if resumed_step is None or not file.is_file():
        run.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.token_hex(4))
    made = instantiate(logger, id=file.read_text(), resume="allow")
    return made


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
    """Start the W&B run, with epochs as x axis of curves; raises UserError where it cannot be."""
    import wandb

    try:
        run = logger.experiment
    except wandb.errors.Error as error:
        raise UserError(
            f"W&B does not start ({error}); run `wandb login`, or log without an account: "
            "logger.wandb.offline=true"
        ) from None
    run.define_metric("train/loss_epoch", step_metric="epoch", summary="min")
    run.define_metric("val/*", step_metric="epoch", summary="max")
