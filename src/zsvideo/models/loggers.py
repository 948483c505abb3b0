"""Loggers whose faults do not end a run."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from pytorch_lightning.loggers import WandbLogger

log = logging.getLogger(__name__)
INSTEAD = {  # where W&B does not start as it was to
    "offline": "it is kept offline for `wandb sync`; `wandb login`, or logger.wandb.offline=true",
    "disabled": "nothing is logged there; the run goes on, and its folder has everything",
}
Given = ParamSpec("Given")
Made = TypeVar("Made")


def patient(act: Callable[Given, Made]) -> Callable[Given, Made | None]:
    """Make a warning of whatever fails: all that W&B shows lies in the run folder too."""

    @functools.wraps(act)
    def tried(*args: Given.args, **values: Given.kwargs) -> Made | None:
        try:
            return act(*args, **values)
        except Exception as error:
            warn_once(" ".join(f"{type(error).__name__}: {error}".split()))
            return None

    return tried


@functools.cache
def warn_once(reason: str) -> None:
    """Warn of a fault of W&B, once in a process."""
    log.warning("W&B fails (%s); the run goes on, and its folder has everything", reason)


def open_wandb(logger: WandbLogger) -> None:
    """Start the W&B run, with epochs as x axis of curves; a run needs neither network nor account.

    Where W&B does not start it is tried offline, and where that fails too there is none.
    """
    for mode, instead in INSTEAD.items():
        try:
            run = logger.experiment
            run.define_metric("train/loss_epoch", step_metric="epoch", summary="min")
            run.define_metric("val/*", step_metric="epoch", summary="max")
            return
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            log.warning("W&B does not start (%s); %s", reason, instead)
            logger._experiment, logger._wandb_init["mode"] = None, mode
            patient(sys.modules["wandb"].teardown)()  # its process has the id of the run


class PatientWandbLogger(WandbLogger):
    """Lightning's W&B logger; what fails there after its start is a warning."""

    log_hyperparams: Any = patient(WandbLogger.log_hyperparams)
    log_metrics: Any = patient(WandbLogger.log_metrics)
    after_save_checkpoint: Any = patient(WandbLogger.after_save_checkpoint)
    finalize: Any = patient(WandbLogger.finalize)
