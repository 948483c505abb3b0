"""Score zero-shot: `python -m src.evaluate ckpt=RUN`, `encoder=NAME`, or `predictions=RUN`.

A checkpoint is tested with the options of its run; what is given on the command line comes on top.
An encoder of another library is tested as it is, by texts of the classes. Saved predictions need
neither videos nor network.
"""

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zsvideo.cli import run_command, stored_options
from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.options import LATER, WORDS, Semantics
from zsvideo.options import as_typed_value, parse
from zsvideo.overrides import path_option, quoted, typed_key, typed_path
from zsvideo.semantics.class_texts import ClassVectorSpec

if TYPE_CHECKING:
    from zsvideo.evaluation.scoring import Evaluations
    from zsvideo.models.encoders import Encoder

PUBLISHED = "as published"  # selection of weights from elsewhere
ALSO_TESTED = ("unit_words", "word_rules", "oov")  # of `semantics`, beside all of `clips`


def run_options(arguments: list[str]) -> list[str]:
    """List the options that the run of `ckpt=` was started with, or that a lone checkpoint holds.

    An encoder alone is compared with texts of the classes.

    Raises:
        UserError: there is no such file, or the record of its run is damaged.
    """
    from zsvideo.models.files import checkpoint_of

    keys = {typed_key(option) for option in arguments}
    if (path := typed_path(arguments, "ckpt")) is None:
        return ["class_vectors=text"] if "encoder" in keys and "predictions" not in keys else []
    file = checkpoint_of(path, "ckpt")
    stored = (
        stored_options(file.parent.parent, "ckpt") if file.parent.name == "checkpoints" else None
    )
    return held_options(file, arguments) if stored is None else stored


def held_options(file: Path, typed: Sequence[str]) -> list[str]:
    """List how a network was tested, of a checkpoint that was taken out of its run.

    Args:
        file: the checkpoint; of one that does not say it, nothing is listed.
        typed: options; of a group that is typed, or `compat`, nothing is taken from the file.

    Raises:
        UserError: what it holds is not as a run writes it.
    """
    from zsvideo.models.checkpoints import began_with, read_checkpoint

    began, keys = began_with(read_checkpoint(file) or {}), {typed_key(option) for option in typed}
    options = []
    groups: dict[str, tuple[type, Sequence[str]]] = {
        "clips": (ClipSpec, [field.name for field in fields(ClipSpec)]),
        "semantics": (Semantics, ALSO_TESTED),
        "class_vectors": (ClassVectorSpec, [*WORDS]),
    }
    for name, (group, known) in groups.items():
        values = began.get(name)
        if not isinstance(values, dict) or {name, "compat"} & keys or values == LATER.get(name):
            continue
        held = {key: values[key] for key in known if key in values}
        parse(group, held, f"{file}: {name}")  # names and numbers, nothing else
        options += [as_option(f"{name}.{key}", value) for key, value in held.items()]
    if options:
        print(f"tested as {file} says: {' '.join(options)}", file=sys.stderr)
    return options


def as_option(key: str, value: Any) -> str:
    """Write an option as Hydra reads it; texts that may hold anything are in quotes."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return f"{key}=[{','.join(map(quoted, value))}]"
    if key in ("class_vectors.model", "class_vectors.descriptions") and value is not None:
        return path_option(key, value)
    return f"{key}={as_typed_value(value)}"


def evaluate(config: DictConfig) -> None:
    """Score saved predictions, or embed the targets with a trained model first."""
    alone = config.ckpt is None and config.get("encoder") is not None
    if (config.predictions is None) == (config.ckpt is None and not alone):
        raise UserError(
            "give either ckpt=RUN or encoder=NAME (embed and score), or predictions=RUN (only "
            "score)"
        )
    experiment, run = Experiment.of(config), Path(HydraConfig.get().runtime.output_dir)
    if config.predictions is None:
        experiment.check_data("target")
    from zsvideo.experiment.folder import in_use, keep_options

    with in_use(run):
        tested(config, experiment, run)
        keep_options(config, run, anew=False)  # a training's own options stay


def tested(config: DictConfig, experiment: Experiment, run: Path) -> None:
    """Score into a run folder; raises UserError."""
    from zsvideo.experiment.scoring import evaluations_of

    scored = config.predictions is not None
    experiment.check_made("evaluation", *(() if scored else ("callbacks", "logger")))
    evaluations = evaluations_of(experiment.evaluation)
    if config.predictions is not None:
        from zsvideo.experiment.rescoring import Scoring, rescore

        options = HydraConfig.get().overrides.task if HydraConfig.initialized() else ()
        targets = experiment.targets if "target" in map(typed_key, options) else {}
        scoring = Scoring(evaluations, experiment.resamples, config.track, targets)
        return rescore(config.predictions, scoring, run)
    from zsvideo.evaluation.protocols import check_lists
    from zsvideo.experiment.build import (
        build_encoder,
        build_targets,
        declared_training,
        load_model,
        read_protocol,
        text_side,
    )
    from zsvideo.experiment.testing import selection_of, test
    from zsvideo.experiment.trainer import lightning_trainer
    from zsvideo.experiment.vectors import TESTED, settle
    from zsvideo.models.files import checkpoint_of

    encoder = build_encoder(experiment)
    if config.ckpt is None and encoder:
        return encoder_tested(experiment, run, evaluations, encoder)
    checkpoint = checkpoint_of(config.ckpt, "ckpt")
    trained = checkpoint.parent.parent
    training = read_protocol(trained)
    experiment = experiment.using(settle(experiment, TESTED, training))
    data = build_targets(experiment, text_side(encoder))
    check_lists(evaluations, data.lists)
    model, imported = load_model(experiment.model, checkpoint, data, encoder)
    if imported is None:
        how = selection_of(trained, checkpoint)
    else:
        typed = {option.partition("=")[0] for option in HydraConfig.get().overrides.task}
        training, how = declared_training(experiment, data, typed), imported.selection or "unknown"
    protocol, beside = data.record(training), imported.describe() if imported else None
    with lightning_trainer(experiment, run) as (trainer, unreadable):
        test(experiment, run, trainer, unreadable, model, data, protocol, checkpoint, how, beside)


def encoder_tested(
    experiment: Experiment, run: Path, evaluations: "Evaluations", encoder: "Encoder"
) -> None:
    """Score an encoder of another library as it is; raises UserError.

    Word vectors only say which classes that it was trained on are near: the embedded ones do.
    """
    from zsvideo.evaluation.protocols import check_lists
    from zsvideo.experiment.build import build_targets, text_side
    from zsvideo.experiment.pretraining import encoder_lineage
    from zsvideo.experiment.testing import test
    from zsvideo.experiment.trainer import lightning_trainer
    from zsvideo.experiment.vectors import settle_names
    from zsvideo.models.module import ZeroShotModule
    from zsvideo.options import plain

    experiment = experiment.using(settle_names(experiment))
    data = build_targets(experiment, text_side(encoder))
    check_lists(evaluations, data.lists)
    model = ZeroShotModule(
        embedding_dim=data.dimension,
        encoder=encoder,
        projection="none",
        **plain(experiment.model),
    )
    protocol = data.record_untrained(encoder_lineage(encoder))
    with lightning_trainer(experiment, run) as (trainer, unreadable):
        test(experiment, run, trainer, unreadable, model, data, protocol, None, PUBLISHED)


def main() -> None:
    """Run the command line."""
    run_command(evaluate, "evaluate", run_options)
