"""Train on a source, test zero-shot on the targets: `python -m src.train protocol=605`.

`resume=auto` continues what is in the run's folder; `resume=RUN` continues that run, with its
options.
"""

import sys
from pathlib import Path

from omegaconf import DictConfig

from zsvideo.cli import run_command, stored_options
from zsvideo.data.datasets import check_data
from zsvideo.errors import UserError
from zsvideo.usage import typed


def train(config: DictConfig) -> None:
    """Train a model and score it; `zsvideo.experiment` says what the run folder then holds."""
    if config.resume is None:  # a finished run is shown without its data
        check_data(config)
    from pytorch_lightning.utilities.exceptions import SIGTERMException

    from zsvideo.experiment.build import build_data, build_model
    from zsvideo.experiment.classification import show_classifier
    from zsvideo.experiment.features import cache_features
    from zsvideo.experiment.pretraining import pretrain
    from zsvideo.experiment.resume import resume
    from zsvideo.experiment.selection import select, selecting
    from zsvideo.experiment.sharing import shared_training
    from zsvideo.experiment.testing import test
    from zsvideo.experiment.trainer import folder, lightning_trainer
    from zsvideo.experiment.vectors import settle
    from zsvideo.models.checkpoints import SIGTERM_STATUS

    run = folder()
    try:
        with shared_training(config, run):
            begun = resume(config, run)
            if begun.finished:
                return
            settle(config)
            data = build_data(config)
            model = build_model(config, data)
            lineage = pretrain(config, data, model, run)
            protocol = data.record(data.protocol | {"pretrain": lineage})
            cache_features(config, data, model)
            by = selecting(config, data, run)
            with lightning_trainer(config, run, begun.step, by) as (trainer, unreadable):
                trainer.fit(model, data, ckpt_path=begun.checkpoint, weights_only=True)
                if config.method.classify:
                    show_classifier(config, trainer, unreadable, model, data, protocol)
                    return
                chosen, how = select(config, model, run), config.selection.name
                test(config, trainer, unreadable, model, data, protocol, chosen, how)
    except SIGTERMException:
        print(f"stopped; continue with: {typed('train')} resume={run}", file=sys.stderr)
        sys.exit(SIGTERM_STATUS)


def resumed_options(arguments: list[str]) -> list[str]:
    """List the options of the run that `resume=RUN` continues, in its own folder.

    Raises:
        UserError: there is no such run.
    """
    given = [a.removeprefix("resume=") for a in arguments if a.startswith("resume=")]
    if not given or given[-1] in ("auto", "null", ""):
        return []
    run = Path(given[-1]).expanduser()
    if (options := stored_options(run, "resume")) is None:
        raise UserError(f"no run at {run} (resume); give a run folder, or resume=auto")
    return [*options, f"hydra.run.dir={run}"]


def main() -> None:
    """Run the command line."""
    run_command(train, "train", resumed_options)
