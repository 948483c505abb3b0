"""Where a run begins: anew, or from the checkpoint of an interrupted one."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.record import read_record
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.environment import settings
from zsvideo.experiment.jobs import MACHINERY, PLACES, PROCESSES, TESTS, deciding, training_hash
from zsvideo.experiment.options import LATER, Trainer
from zsvideo.experiment.vectors import vectors_hash
from zsvideo.models.callbacks import has_stopped
from zsvideo.models.checkpoints import LAST, began_with, newest
from zsvideo.reporting.run import Run
from zsvideo.reporting.show import show_run
from zsvideo.semantics.records import lines_hash

log = logging.getLogger(__name__)
FREE = {  # options that may change when a run is continued
    *(key for key in MACHINERY if key != "callbacks"),
    *TESTS,
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.max_time",
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
        content: hashes of what it was trained on; empty where the checkpoint does not say them.
    """

    finished: bool = False
    checkpoint: Path | None = None
    step: int | None = None
    content: dict[str, Any] = field(default_factory=dict)


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
    content = began_with(state, "content")
    return Begun(checkpoint=file, step=state["global_step"], content=content)


def complete(trainer: Trainer, state: dict[str, Any]) -> bool:
    """Tell whether a checkpoint is at the end of training."""
    epochs, steps = trainer.max_epochs, trainer.max_steps
    if "head" in state:
        return True
    if has_stopped(state):
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
    before = began_with(state)
    if not isinstance(before.get("semantics"), dict):
        raise UserError(f"{file} does not say its options; start anew in another hydra.run.dir")
    both = [
        LATER | resolved(options) | {"callbacks": deciding(options)} for options in (before, now)
    ]
    for options in both:
        options["loader"] = {"balance": 0, **(options.get("loader") or {})}
    for options in both:
        sha256 = vectors_hash(OmegaConf.create(options))
        options["semantics"] = {**options["semantics"], "sha256": sha256}
    if began_with(state, "content"):  # compared when the data is there
        both = [without_places(options) for options in both]
    if len({training_hash(OmegaConf.create(options)) for options in both}) == 1:
        return
    if changed := changed_options(both[0], both[1]):
        raise UserError(
            f"resume: {file} began with other options ({'; '.join(changed)}); give the same, or "
            "start anew in another hydra.run.dir"
        )


def resolved(options: dict[str, Any]) -> dict[str, Any]:
    """Fill in what the options of a checkpoint take from the environment."""
    return OmegaConf.to_container(OmegaConf.create(options), resolve=True)  # type: ignore[return-value]


def without_places(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out where data, vectors and weights lie: they are known by what they hold."""
    own = dict(options)
    for group in ("source", "seen", "target", "pretrain"):
        own[group] = without_roots(own.get(group))
    if (own["pretrain"] or {}).get("ckpt") is not None:
        own["pretrain"]["ckpt"] = "<file>"
    class_vectors = {**own["class_vectors"]}
    for key in ("descriptions", "model"):
        if isinstance(class_vectors.get(key), str):
            class_vectors[key] = Path(class_vectors[key]).name
    protocol = {**own.get("protocol", {})}
    for key in ("vectors", "remove", "test_only"):
        if isinstance(protocol.get(key), str):
            protocol[key] = Path(protocol[key]).name
    return own | {"protocol": protocol, "class_vectors": class_vectors}


def without_roots(value: Any) -> Any:
    """Leave out `root` of every data set of a group."""
    if not isinstance(value, dict):
        return value
    return {k: "<root>" if k == "root" and v else without_roots(v) for k, v in value.items()}


def content_of(
    experiment: Experiment, data: ZeroShotDataModule, lineage: dict[str, Any] | None
) -> dict[str, Any]:
    """Hash what a run is trained on, wherever it lies.

    Returns:
        Hashes of the ids and classes of the training videos, of the word vectors, of the
        pretrained weights, and of class vectors that are made from texts.
    """
    videos = data.source.chosen
    lines = sorted(map("{}\t{}".format, videos.ids, videos.labels))
    return {
        "videos": lines_hash(lines),
        "vectors": experiment.semantics.sha256,
        "pretrain": lineage and lineage["sha256"],
        **({} if data.texts is None else {"class_vectors": data.texts.sha256}),
    }


def check_same_content(start: Begun, content: dict[str, Any]) -> None:
    """Check that a run is continued on what it was trained on.

    Raises:
        UserError: it is not; names what differs.
    """
    options = {
        "videos": "source.root: other videos or classes to train on",
        "vectors": "semantics.path: other word vectors",
        "pretrain": "pretrain: other weights to begin with",
        "class_vectors": "class_vectors: other texts or another model of them",
    }
    before = content | start.content
    changed = [options[key] for key in content if before[key] != content[key]]
    if changed:
        raise UserError(
            f"resume: {start.checkpoint} began with others ({'; '.join(changed)}); give the same, "
            "or start anew in another hydra.run.dir"
        )
