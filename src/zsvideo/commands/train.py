"""Train on a source, test zero-shot on the targets: `python -m src.train protocol=605`.

`resume=auto` continues what is in the run's folder; `resume=RUN` continues that run, with its
options.
"""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zsvideo.cli import is_optimised, run_command, stored_options
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.options import VALIDATION
from zsvideo.overrides import path_option, typed_path
from zsvideo.usage import typed, typed_option


def train(config: DictConfig) -> float | None:
    """Train a model and score it, in the run folder that Hydra has made.

    Returns:
        `optimized_metric`, for a sweeper that optimises; None where the run has none, and in all
        processes but the first.

    Raises:
        UserError: data or an option are not as they have to be, or such a sweeper would get None.
    """
    experiment = Experiment.of(config)
    if is_optimised():
        check_optimised(experiment)
    if config.resume is None:  # said before anything heavy is loaded
        experiment.check_data("source", "target")
    from zsvideo.experiment import training
    from zsvideo.experiment.folder import OPTIONS, rank
    from zsvideo.experiment.selection import metric_of
    from zsvideo.models.checkpoints import SIGTERM_STATUS

    run = Path(HydraConfig.get().runtime.output_dir)
    try:
        finished = training.train(config, run)
    except (SystemExit, KeyboardInterrupt):  # SIGTERM, or Ctrl-C
        begun = (run / OPTIONS).is_file()
        how = (
            f"continue with: {typed('train')} {typed_option('resume', run)}"
            if begun
            else "start it again"
        )
        print(f"stopped; {how}", file=sys.stderr)
        sys.exit(SIGTERM_STATUS)
    value = None if rank() else metric_of(finished, experiment.optimized_metric)
    if value is None and is_optimised() and not rank():
        raise no_metric(experiment.optimized_metric)
    return value


def check_optimised(experiment: Experiment) -> None:
    """Check that a sweeper gets what it optimises, and in the right direction; raises UserError."""
    chosen = experiment.selection.name != "last" or experiment.head.fitted
    if experiment.optimized_metric == VALIDATION and not chosen:
        raise no_metric(VALIDATION)
    direction = HydraConfig.get().sweeper.get("direction")
    if getattr(direction, "name", direction) == "minimize":
        raise UserError(
            "hydra.sweeper.direction=minimize would look for the lowest "
            f"{experiment.optimized_metric}; give hydra.sweeper.direction=maximize"
        )


def no_metric(name: str) -> UserError:
    """Say that a run does not give what a sweeper optimises, and what would."""
    return UserError(
        f"optimized_metric={name}: this run has none; hold out classes of the source by "
        "selection=val, or name a number of the test, which is then recorded as a leak: "
        "optimized_metric=TARGET/EVALUATION/top1"
    )


def resumed_options(arguments: list[str]) -> list[str]:
    """List the options of the run that `resume=RUN` continues, in its own folder.

    Raises:
        UserError: there is no such run.
    """
    path = typed_path(arguments, "resume")
    if path in (None, "auto"):
        return []
    run = Path(path).expanduser()
    if (options := stored_options(run, "resume")) is None:
        raise UserError(f"no run at {run} (resume); give a run folder, or resume=auto")
    return [*options, path_option("hydra.run.dir", run)]


def main() -> None:
    """Run the command line."""
    run_command(train, "train", resumed_options)
