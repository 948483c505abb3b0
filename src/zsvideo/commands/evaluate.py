"""Score zero-shot: `python -m src.evaluate ckpt=RUN`, or `predictions=RUN` without a network.

A checkpoint is tested with the options of its run; what is given on the command line comes on top.
Saved predictions need neither videos nor network.
"""

from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zsvideo.cli import run_command, stored_options
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment


def run_options(arguments: list[str]) -> list[str]:
    """List the options that the run of `ckpt=` was started with."""
    from zsvideo.models.files import checkpoint_of

    values = [a.removeprefix("ckpt=") for a in arguments if a.startswith("ckpt=")]
    if not values:
        return []
    return stored_options(checkpoint_of(values[-1], "ckpt").parent.parent, "ckpt") or []


def evaluate(config: DictConfig) -> None:
    """Score saved predictions, or embed the targets with a trained model first."""
    if (config.ckpt is None) == (config.predictions is None):
        raise UserError("give either ckpt=RUN (embed and score) or predictions=RUN (only score)")
    experiment, run = Experiment.of(config), Path(HydraConfig.get().runtime.output_dir)
    if config.predictions is None:
        experiment.check_data("target")
    from zsvideo.experiment.scoring import evaluations_of

    evaluations = evaluations_of(experiment.evaluation)
    if config.predictions is not None:
        from zsvideo.experiment.rescoring import rescore

        return rescore(config.predictions, evaluations, experiment.resamples, config.track, run)
    from zsvideo.evaluation.protocols import check_lists
    from zsvideo.experiment.build import build_targets, declared_training, load_model, read_protocol
    from zsvideo.experiment.testing import selection_of, test
    from zsvideo.experiment.trainer import lightning_trainer
    from zsvideo.experiment.vectors import TESTED, settle
    from zsvideo.models.files import checkpoint_of

    checkpoint = checkpoint_of(config.ckpt, "ckpt")
    trained = checkpoint.parent.parent
    training = read_protocol(trained)
    experiment = experiment.using(settle(experiment, TESTED, training))
    data = build_targets(experiment)
    check_lists(evaluations, data.lists)
    model, imported = load_model(experiment.model, checkpoint, data)
    if imported is None:
        how = selection_of(trained, checkpoint)
    else:
        typed = {option.partition("=")[0] for option in HydraConfig.get().overrides.task}
        training, how = declared_training(experiment, data, typed), imported.selection or "unknown"
    protocol, beside = data.record(training), imported.describe() if imported else None
    with lightning_trainer(experiment, run) as (trainer, unreadable):
        test(experiment, run, trainer, unreadable, model, data, protocol, checkpoint, how, beside)


def main() -> None:
    """Run the command line."""
    run_command(evaluate, "evaluate", run_options)
