"""Where a run begins: anew, or from the checkpoint of an interrupted one."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from zsvideo.errors import UserError
from zsvideo.evaluation.record import read_record
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.environment import settings
from zsvideo.experiment.jobs import MACHINERY, PLACES, PROCESSES, training_hash
from zsvideo.experiment.options import DEFAULTS, Trainer
from zsvideo.experiment.vectors import vectors_hash
from zsvideo.models.checkpoints import LAST, began_with, newest
from zsvideo.reporting.run import Run
from zsvideo.reporting.show import show_run

log = logging.getLogger(__name__)
FREE = {  # options that may change when a run is continued
    *MACHINERY,
    "evaluation",
    "resamples",
    "trainer.max_epochs",
    "trainer.max_steps",
    *PROCESSES,
    *PLACES,
}


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


def resume(experiment: Experiment, run: Path) -> Begun:
    """Find out where to begin; a finished run is shown again.

    Raises:
        UserError: the run in this folder began with other options, or all its checkpoints are
            damaged.
    """
    if experiment.resume is None:
        return Begun()
    folder = run / "checkpoints"
    if (checkpoint := newest(folder)) is None:
        if any(folder.glob("*.ckpt")):
            raise UserError(f"no checkpoint in {folder} can be read; start anew with resume=null")
        return Begun()
    file, state = checkpoint
    if file.name != LAST:
        log.warning("%s is damaged; going on from the checkpoint before it", folder / LAST)
    check_same_options(state, experiment.composed, file)
    setup = settings(experiment.recorded)
    if complete(experiment.trainer, state) and finished(setup, run, state["global_step"]):
        show_run(Run(run))
        log.warning("%s is finished; nothing was left to do", run)
        return Begun(finished=True)
    log.warning("going on from step %d (epoch %d)", state["global_step"], state["epoch"])
    return Begun(checkpoint=file, step=state["global_step"])


def complete(trainer: Trainer, state: dict[str, Any]) -> bool:
    """Tell whether a checkpoint is at the end of training."""
    epochs, steps = trainer.max_epochs, trainer.max_steps
    if "head" in state:
        return True
    return bool(state["epoch"] + 1 >= epochs > 0 or state["global_step"] >= steps > 0)


def finished(setup: dict[str, Any], run: Path, step: int) -> bool:
    """Tell whether a run has metrics of its last checkpoint, by all tests asked for.

    Args:
        setup: the settings of this start.
        run: folder.
        step: of the checkpoint.
    """
    try:
        record = read_record(run, complete=False)
    except UserError:
        return False
    before = record.setup or setup
    return (
        record.trained_steps == step
        and all(
            set(setup["evaluation"]) <= {*target.evaluations, *target.not_applicable}
            for target in record.targets.values()
        )
        and all(before.get(group) == setup.get(group) for group in ("clips", "seen", "target"))
    )


def changed_options(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """List the options that differ, except those that may, as `key: before -> now`."""
    changes = []
    for key in sorted({*before, *now}):
        name, old, new = prefix + key, before.get(key), now.get(key)
        if name in FREE or old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            changes += changed_options(old, new, name + ".")
        else:
            changes.append(f"{name}: {old} -> {new}")
    return changes


def check_same_options(state: dict[str, Any], now: dict[str, Any], file: Path) -> None:
    """Check that a run is continued with the options it began with.

    Args:
        state: the checkpoint's content.
        now: the resolved options of this start.
        file: the checkpoint, for the message.

    Raises:
        UserError: some differ.
    """
    if not (before := began_with(state)):
        raise UserError(f"{file} does not say its options; start anew in another hydra.run.dir")
    if training_hash(OmegaConf.create(before)) == training_hash(OmegaConf.create(now)):
        return
    before, now = (
        {"features": DEFAULTS}
        | options
        | {"semantics": {**options["semantics"], "sha256": vectors_hash(config)}}
        for options, config in ((o, OmegaConf.create(o)) for o in (before, now))
    )
    if changed := changed_options(before, now):
        raise UserError(
            f"resume: {file} began with other options ({'; '.join(changed)}); give the same, or "
            "start anew in another hydra.run.dir"
        )
