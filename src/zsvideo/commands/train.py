"""Train on a source, test zero-shot on the targets: `python -m src.train protocol=605`.

`resume=auto` continues what is in the run's folder; `resume=RUN` continues that run, with its
options.
"""

import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from zsvideo.cli import run_command, stored_options
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.usage import typed


def train(config: DictConfig) -> None:
    """Train a model and score it, in the run folder that Hydra has made."""
    if config.resume is None:  # said before anything heavy is loaded
        Experiment.of(config).check_data("source", "target")
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from zsvideo.experiment import training
    from zsvideo.models.checkpoints import SIGTERM_STATUS

    run = Path(HydraConfig.get().runtime.output_dir)
    try:
        training.train(config, run)
    except SIGTERMException:
        print(f"stopped; continue with: {typed('train')} resume={run}", file=sys.stderr)
        sys.exit(SIGTERM_STATUS)


def resumed_options(arguments: list[str]) -> list[str]:
    """List the options of the run that `resume=RUN` continues, in its own folder.

    Raises:
        UserError: there is no such run.
    """
    values = [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]
    if not values or values[-1] in ("auto", "null", ""):
        return []
    run = Path(values[-1]).expanduser()
    if (options := stored_options(run, "resume")) is None:
        raise UserError(f"no run at {run} (resume); give a run folder, or resume=auto")
    return [*options, f"hydra.run.dir={run}"]


def main() -> None:
    """Run the command line."""
    run_command(train, "train", resumed_options)
