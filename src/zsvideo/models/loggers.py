"""Loggers whose faults do not end a run."""

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from pytorch_lightning.loggers import WandbLogger

log = logging.getLogger(__name__)
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


class PatientWandbLogger(WandbLogger):
    """Lightning's W&B logger; what fails there after its start is a warning."""

    log_hyperparams: Any = patient(WandbLogger.log_hyperparams)
    log_metrics: Any = patient(WandbLogger.log_metrics)
    after_save_checkpoint: Any = patient(WandbLogger.after_save_checkpoint)
    finalize: Any = patient(WandbLogger.finalize)
