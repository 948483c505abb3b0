"""Where a run begins: anew, or from the checkpoint of an interrupted one."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from src.errors import UserError
from src.experiment.trainer import plain
from src.models.checkpoints import LAST, check_options, newest
from src.reporting.show import show

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Begun:
    """How far a run has come.

    Attributes:
        finished: nothing is left to do.
        checkpoint: to continue from; None begins anew.
        step: its optimiser step.
    """

    finished: bool = False
    checkpoint: Path | None = None
    step: int | None = None


def resume(config: DictConfig, run: Path) -> Begun:
    """Find out where to begin; a finished run is shown again.

    Raises:
        UserError: the run in this folder began with other options, or all its checkpoints are
            damaged.
    """
    if config.resume is None:
        return Begun()
    folder = run / "checkpoints"
    if (found := newest(folder)) is None:
        if any(folder.glob("*.ckpt")):
            raise UserError(f"no checkpoint in {folder} can be read; start anew with resume=null")
        return Begun()
    file, state = found
    if file.name != LAST:
        log.warning("%s is damaged; going on from the checkpoint before it", folder / LAST)
    check_options(state, plain(config), file)
    if complete(config, state) and finished(run, state["global_step"]):
        show(run)
        log.warning("%s is finished; nothing was left to do", run)
        return Begun(finished=True)
    log.warning("going on from step %d (epoch %d)", state["global_step"], state["epoch"])
    return Begun(checkpoint=file, step=state["global_step"])


def complete(config: DictConfig, state: dict[str, Any]) -> bool:
    """Tell whether a checkpoint is at the end of training."""
    epochs, steps = config.trainer.max_epochs, config.trainer.max_steps
    return state["epoch"] + 1 >= epochs > 0 or state["global_step"] >= steps > 0


def finished(run: Path, step: int) -> bool:
    """Tell whether the metrics of a run are there, of its last checkpoint."""
    try:
        return json.loads((run / "metrics.json").read_text())["trained_steps"] == step
    except (OSError, ValueError, KeyError):
        return False
