"""One experiment from its config to its run folder: train on a source, test on the targets."""

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from zsvideo.errors import UserError
from zsvideo.evaluation.protocols import check_lists
from zsvideo.experiment import testing
from zsvideo.experiment.build import build_data, build_encoder, build_model, text_side
from zsvideo.experiment.classification import record_training
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.features import cache_features, fit_reduction
from zsvideo.experiment.folder import in_use, keep_options
from zsvideo.experiment.heads import fit_head
from zsvideo.experiment.jobs import first_stage, training_hash
from zsvideo.experiment.pretraining import encoder_lineage, pretrain
from zsvideo.experiment.resume import check_same_content, content_of, resume
from zsvideo.experiment.scoring import evaluations_of
from zsvideo.experiment.selection import select, selecting
from zsvideo.experiment.trainer import lightning_trainer
from zsvideo.experiment.vectors import settle
from zsvideo.locks import lock
from zsvideo.models.checkpoints import LAST
from zsvideo.reporting.run import Run


def train(config: DictConfig, run: Path) -> Run:
    """Train a model and score it; `zsvideo.experiment` says what the run folder then holds.

    Args:
        config: composed, as by `zsvideo.compose`; it is not changed.
        run: folder of the run; `resume=auto` goes on with what is there.

    Returns:
        The finished run, read from its folder.

    Raises:
        UserError: data, vectors or an option are not as they have to be; the text says what to do.
    """
    experiment = Experiment.of(config)
    experiment.check_made("evaluation", "callbacks", "logger")
    if experiment.resume is None:  # a finished run is shown without its data
        experiment.check_data("source", "target")
    with in_use(run):
        carry_out(experiment, run)
    return Run(run)


def carry_out(experiment: Experiment, run: Path, tested: bool = True) -> None:
    """Train and test, or go on; a run that makes pretrained weights alone is not tested."""
    start = resume(experiment, run)
    if start.finished:
        return
    experiment.check_training()
    config, experiment = experiment.config, experiment.using(settle(experiment))
    encoder = build_encoder(experiment)
    if encoder and encoder.vision.pairwise:
        raise UserError(
            f"encoder={encoder.spec.name} changes its texts by each video, so that its features "
            "are no vectors to train on: test it as it is by `evaluate encoder=...`"
        )
    data = build_data(experiment, text_side(encoder))
    check_lists(evaluations_of(experiment.evaluation), data.lists)
    classify = experiment.method.classify
    pca = experiment.features.pca
    model = build_model(
        experiment.network, experiment.seed, data, classify, pca, encoder, experiment.projection
    )
    if encoder is None:
        first = train_first(experiment)
        lineage = pretrain(experiment.pretrain, experiment.cache, data, model, first)
    else:
        lineage = encoder_lineage(encoder)
    protocol = data.protocol | {"pretrain": lineage and data.audit_lineage(lineage)}
    if pca is not None:
        fit_reduction(experiment.trainer, experiment.cache, data.source, model)
    if not experiment.head.fitted:
        dtype = experiment.features.dtype
        cache_features(experiment.method, experiment.trainer, experiment.cache, data, model, dtype)
    content = content_of(experiment, data, lineage)
    check_same_content(start, content)
    callbacks = selecting(experiment.selection, data, run)
    parts = (experiment, run, start.step, callbacks, content)
    with lightning_trainer(*parts) as (trainer, unreadable):
        if trainer.is_global_zero:
            keep_options(config, run)
        results = (experiment, run, trainer, unreadable, model, data, protocol)
        if experiment.head.fitted:
            unreadable.source = fit_head(experiment, run, data, model, content, start.checkpoint)
            return testing.test(*results, run / "checkpoints" / LAST, experiment.selection.name)
        trainer.fit(model, data, ckpt_path=start.checkpoint, weights_only=True)
        if classify or not tested:
            record_training(*results, shown=tested)
        else:
            checkpoint = select(experiment.selection, model, run)
            testing.test(*results, checkpoint, experiment.selection.name)


def train_first(experiment: Experiment) -> Path | None:
    """Train on the source of `pretrain`, if any, unless that was done; give the checkpoint.

    It is a run of its own under `paths.pretrained`, known by what it computes; runs of a sweep
    that need the same one wait for the first to make it. The protocol removes classes of that
    source too, unless `pretrain.filter` is false.
    """
    source, config = experiment.pretrain.first, first_stage(experiment.config)
    if source is None or config is None:
        return None
    name = f"{experiment.pretrain.name}-seed{experiment.seed}-{training_hash(config)[:12]}"
    run = Path(experiment.config.paths.pretrained).expanduser() / name
    config.paths.run = str(run)
    run.mkdir(parents=True, exist_ok=True)
    with (run / "lock").open("w") as own:
        if not getattr(rank_zero_only, "rank", 0):  # the other processes of a run train beside it
            lock(own)
        carry_out(replace(Experiment.of(config), source=source), run, tested=False)
    return run / "checkpoints" / LAST
