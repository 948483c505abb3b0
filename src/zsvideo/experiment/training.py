"""One experiment from its config to its run folder: train on a source, test on the targets."""

from pathlib import Path

from omegaconf import DictConfig

from zsvideo.data.datasets import check_data
from zsvideo.experiment import testing
from zsvideo.experiment.build import build_data, build_model
from zsvideo.experiment.classification import show_classifier
from zsvideo.experiment.features import cache_features
from zsvideo.experiment.pretraining import pretrain
from zsvideo.experiment.resume import resume
from zsvideo.experiment.selection import select, selecting
from zsvideo.experiment.sharing import shared_training
from zsvideo.experiment.trainer import lightning_trainer
from zsvideo.experiment.vectors import settle
from zsvideo.reporting.run import Run


def train(config: DictConfig, run: Path) -> Run:
    """Train a model and score it; `zsvideo.experiment` says what the run folder then holds.

    Args:
        config: composed, as by `zsvideo.compose`.
        run: folder of the run; `resume=auto` goes on with what is there.

    Returns:
        The finished run, read from its folder.

    Raises:
        UserError: data, vectors or an option are not as they have to be; the text says what to do.
    """
    if config.resume is None:  # a finished run is shown without its data
        check_data(config)
    with shared_training(config, run):
        begun = resume(config, run)
        if begun.finished:
            return Run(run)
        settle(config)
        data = build_data(config)
        model = build_model(config, data)
        lineage = pretrain(config, data, model, run)
        protocol = data.protocol | {"pretrain": lineage and data.audit_lineage(lineage)}
        cache_features(config, data, model)
        by = selecting(config, data, run)
        with lightning_trainer(config, run, begun.step, by) as (trainer, unreadable):
            trainer.fit(model, data, ckpt_path=begun.checkpoint, weights_only=True)
            if config.method.classify:
                show_classifier(config, run, trainer, unreadable, model, data, protocol)
            else:
                chosen, how = select(config, model, run), config.selection.name
                testing.test(config, run, trainer, unreadable, model, data, protocol, chosen, how)
    return Run(run)
