"""The Lightning Trainer of a run, with its loggers and callbacks."""

import csv
import logging
import os
import secrets
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from pytorch_lightning.callbacks import Callback, LearningRateMonitor, ProgressBar
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger

from zsvideo.data.workers import own_cores
from zsvideo.errors import UserError
from zsvideo.evaluation.record import SUMS
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.options import Trainer, as_interval
from zsvideo.models.callbacks import Advice, UnreadableVideos, WakeWorkers
from zsvideo.models.checkpoints import LAST, AtomicCheckpointIO, Interruption
from zsvideo.models.loggers import open_wandb, patient
from zsvideo.models.meter import Meter
from zsvideo.models.releases import installed_fault
from zsvideo.targets import instantiate

log = logging.getLogger(__name__)
STAGING = "WANDB_DATA_DIR"
logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", module="(pytorch_lightning|lightning_fabric)")


@contextmanager
def lightning_trainer(
    experiment: Experiment,
    run: Path,
    resumed_step: int | None = None,
    callbacks: Sequence[Callback] = (),
    content: dict[str, Any] | None = None,
) -> Iterator[tuple[pl.Trainer, UnreadableVideos]]:
    """Give a Trainer with its loggers and callbacks; a W&B run ends with it, as sweeps need.

    Args:
        experiment: all options, which checkpoints and loggers keep.
        run: folder of the run.
        resumed_step: the optimiser step to continue from, so that the curve goes on; None begins.
        callbacks: besides those of the config.
        content: hashes of what is trained on, which checkpoints keep too.
    """
    composed, last = experiment.composed, run / "checkpoints" / LAST
    named = composed.get("logger") or {}
    loggers = [make_logger(named, name, run, resumed_step) for name in named]
    unreadable = UnreadableVideos()
    own = [instantiate(c, f"callbacks.{n}") for n, c in (composed.get("callbacks") or {}).items()]
    if not experiment.trainer.enable_progress_bar:
        own = [callback for callback in own if not isinstance(callback, ProgressBar)]
    if not loggers:  # which Lightning's needs
        own = [callback for callback in own if not isinstance(callback, LearningRateMonitor)]
    trainer = make_trainer(
        experiment.trainer,
        logger=loggers,
        callbacks=[
            *callbacks,  # first: the last checkpoint keeps the state of what selects the best
            *own,
            unreadable,
            Advice(own_cores()),
            Interruption(
                experiment.recorded, last, as_interval(experiment.save_every), content or {}
            ),
        ],
        plugins=[AtomicCheckpointIO()],
        profiler=Meter(),
        default_root_dir=str(run),
    )
    sweep = HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN
    if trainer.world_size > 1 and sweep and trainer.strategy.launcher is not None:
        raise UserError(
            f"trainer.devices={experiment.trainer.devices}: a sweep starts one device a job, "
            "because each process would start the whole sweep again; take 1, or "
            "hydra/launcher=slurm"
        )
    with wandb_run(run):
        rows = [earlier_rows(logger, resumed_step) for logger in loggers]
        for logger in loggers:  # first: where it fails, the folder is as it was
            if isinstance(logger, WandbLogger):
                open_wandb(logger)
        if trainer.is_global_zero:
            for name in ("metrics.json", SUMS):  # of an earlier run in this folder
                (run / name).unlink(missing_ok=True)
        for logger, before in zip(loggers, rows, strict=True):
            if isinstance(logger, CSVLogger) and trainer.is_global_zero:
                open_curve(logger, before)
            logger.log_hyperparams(experiment.recorded)
        yield trainer, unreadable


@contextmanager
def wandb_run(run: Path) -> Iterator[None]:
    """End a W&B run at last, if there is one; what it sends later lies in the run's folder."""
    own = os.environ.get(STAGING)
    os.environ[STAGING] = own or str(run / "wandb")
    try:
        yield
    finally:
        if "wandb" in sys.modules:
            patient(sys.modules["wandb"].finish)()
        if own is None:
            del os.environ[STAGING]


def make_trainer(options: Trainer, **parts: Any) -> pl.Trainer:
    """Make Lightning's Trainer, of its options and of what is made here."""
    values = {"_target_": "pytorch_lightning.Trainer", **options.lightning()}
    parts["callbacks"] = [*parts.get("callbacks", ()), WakeWorkers()]
    trainer: pl.Trainer = instantiate(values, "trainer", **parts)
    check_device(trainer.strategy.root_device.type, options)
    return trainer


def check_device(device: str, options: Trainer) -> None:
    """Check that a device computes as it should; what is only slow is a warning.

    Args:
        device: `cuda`, `cpu` or another of torch's.
        options: of the trainer.

    Raises:
        UserError: 3D convolutions of the installed torch and cuDNN are wrong in this precision.
    """
    if device == "cpu" and options.precision.startswith("bf16") and not has_bf16():
        log.warning(
            "trainer.precision=%s: this processor has no instructions for bfloat16, so it is "
            "slower than trainer=default",
            options.precision,
        )
    if device != "cuda" or (fault := installed_fault(options.precision)) is None:
        return
    if fault.kind == "tf32":
        torch.backends.cudnn.allow_tf32 = False
        log.warning("%s, which is not used; a newer torch is right and faster", fault.text)
    elif fault.kind == "slow" or options.trust_cudnn:
        log.warning("%s; take a newer torch", fault.text)
    else:
        raise UserError(
            f"{fault.text}; take a newer torch, trainer.precision=32-true, or all the same with "
            "trainer.trust_cudnn=true"
        )


def has_bf16() -> bool:
    """Tell whether this processor has instructions for bfloat16 (AVX512-BF16, AMX or Arm's)."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def make_logger(loggers: dict[str, Any], name: str, run: Path, resumed_step: int | None) -> Logger:
    """Make a logger; a run that is continued keeps its W&B run, whose id is in `wandb-id`."""
    logger: Logger
    options, key = loggers[name], f"logger.{name}"
    if not str(options.get("_target_")).endswith("WandbLogger"):
        logger = instantiate(options, key)
        return logger
    file = run / "wandb-id"
    if resumed_step is None or not file.is_file():
        run.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.token_hex(4))
    logger = instantiate(options, key, id=file.read_text(), resume="allow")
    return logger


def earlier_rows(logger: Any, resumed_step: int | None) -> list[dict[str, str]]:
    """Read the rows of the training curve before `resumed_step`; of other loggers none.

    Raises:
        UserError: its file is damaged.
    """
    if not isinstance(logger, CSVLogger) or resumed_step is None:
        return []
    file = Path(logger.log_dir) / "metrics.csv"
    if not file.is_file():
        return []
    try:
        with file.open(newline="") as opened:
            return [r for r in csv.DictReader(opened) if int(r["step"] or -1) < resumed_step]
    except (ValueError, TypeError, KeyError, csv.Error) as error:
        raise UserError(
            f"{file} is damaged ({type(error).__name__}: {error}); remove it: the run goes on "
            "without the first rows of its training curve"
        ) from None


def open_curve(logger: CSVLogger, rows: list[dict[str, str]]) -> None:
    """Begin the training curve, or go on behind some rows."""
    file = Path(logger.log_dir) / "metrics.csv"
    file.unlink(missing_ok=True)
    writer = logger.experiment
    if rows:
        writer.metrics_keys = list(rows[0])
        with file.open("w", newline="") as opened:
            table = csv.DictWriter(opened, writer.metrics_keys)
            table.writeheader()
            table.writerows(rows)
