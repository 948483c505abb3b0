"""The Lightning Trainer of a run, with its loggers and callbacks."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger

from src.errors import UserError
from src.models.callbacks import UnreadableVideos

logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="(pytorch_lightning|lightning_fabric)")


def folder() -> Path:
    """Give the folder of this run."""
    return Path(HydraConfig.get().runtime.output_dir)


@contextmanager
def lightning_trainer(
    config: DictConfig, run: Path
) -> Iterator[tuple[pl.Trainer, UnreadableVideos]]:
    """Give a Trainer with its loggers and callbacks; a W&B run ends with it, as sweeps need."""
    loggers = [instantiate(logger) for logger in config.logger.values()]
    unreadable = UnreadableVideos()
    callbacks = [*(instantiate(c) for c in config.callbacks.values()), unreadable]
    trainer = instantiate(
        config.trainer,
        logger=loggers,
        callbacks=callbacks,
        default_root_dir=str(run),
        _convert_="all",
    )
    for key in ("max_epochs", "max_steps"):
        if not isinstance(config.trainer[key], int):
            raise UserError(f"trainer.{key}={config.trainer[key]} must be a whole number")
    if trainer.world_size > 1:
        raise UserError(f"trainer.devices={config.trainer.devices}: one device a run; take 1")
    (run / "metrics.json").unlink(missing_ok=True)  # of an earlier run in this folder
    resolved = OmegaConf.to_container(config, resolve=True)
    try:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                open_wandb(logger)
            logger.log_hyperparams(resolved)
        yield trainer, unreadable
    finally:
        if "wandb" in sys.modules:
            sys.modules["wandb"].finish()


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
