"""The record of a training without a zero-shot test: pretrained weights, and classifiers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import SEEN
from zsvideo.evaluation.record import VERSION, RunRecord, write_record
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.environment import environment, settings
from zsvideo.experiment.testing import accelerators, seen_videos, source_counts, trained_bank
from zsvideo.models.callbacks import UnreadableVideos
from zsvideo.models.checkpoints import LAST
from zsvideo.models.classifier import Classifier
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.parallel import gather_objects
from zsvideo.reporting.run import Run
from zsvideo.reporting.show import show_run
from zsvideo.semantics.records import file_hash


def record_training(
    experiment: Experiment,
    run: Path,
    trainer: pl.Trainer,
    unreadable: UnreadableVideos,
    model: ZeroShotModule,
    data: ZeroShotDataModule,
    protocol: dict[str, Any],
    shown: bool,
) -> None:
    """Write the record of a training that has no zero-shot test.

    A classifier is tried on its training videos and, where `source@seen` names some, on held-out
    videos of the same classes: one clip each, never on a target.

    Args:
        experiment: all options.
        run: folder.
        trainer: the one that trained.
        unreadable: its callback.
        model: as trained.
        data: of the run.
        protocol: what `protocol.json` holds.
        shown: it is a run of its own, not the first part of another.

    Raises:
        UserError: nothing was trained.
    """
    checkpoint = run / "checkpoints" / LAST
    if not checkpoint.is_file():
        raise UserError("nothing was trained, so there is no checkpoint: see trainer.max_*")
    known = {
        "version": VERSION,
        "targets": {},
        "source": source_counts(data, unreadable.source),
        "protocol": protocol,
        "trained_steps": trainer.global_step,
    }
    if shown:
        known |= {
            "selection": experiment.selection.name,
            "checkpoint": {"file": str(checkpoint), "sha256": file_hash(checkpoint)},
            "seed": experiment.seed,
            "steps": trainer.global_step,
            "setup": settings(experiment.recorded),
            "environment": environment(accelerators(trainer)),
        }
    if isinstance(model, Classifier):
        videos = {"training": data.source}
        videos |= seen_videos(experiment, data, trained_bank(data, protocol))
        known["classification"] = classify(trainer, model, videos)
    if trainer.is_global_zero:
        write_record(RunRecord.model_validate(known), run)
        if shown:
            show_run(Run(run))
    trainer.strategy.barrier("the training is written")


def classify(
    trainer: pl.Trainer, model: Classifier, videos: Mapping[str, VideoDataModule]
) -> dict[str, dict[str, Any]]:
    """Measure a classifier on the centre clip of each video.

    Args:
        trainer: to predict with.
        model: the classifier.
        videos: `training`, whose classes are those of the classifier, and sets with some of them.

    Returns:
        Of each set its `top1` and `top5` in percent, its `videos`, and how many more could not be
        read.

    Raises:
        UserError: a set has no video that can be read.
    """
    process = (trainer.global_rank, trainer.world_size)
    loaders = [own.validation_dataloader(*process) for own in videos.values()]
    mine: list[Any] = trainer.predict(model, dataloaders=loaders) or []
    ranks = gather_objects(trainer, mine if len(loaders) > 1 else [mine])
    order = list(videos["training"].bank.names)
    accuracies = {}
    for number, (name, own) in enumerate(videos.items()):
        batches = [batch for rank in ranks for batch in rank[number] if batch is not None]
        if not batches:
            raise UserError(f"no video under {own.root} ({own.option}) can be decoded")
        columns = torch.tensor([order.index(label) for label in own.bank.names])
        labels = columns[torch.cat([batch["label"].cpu() for batch in batches])]
        best = torch.cat([b["embeddings"] for b in batches]).topk(min(5, len(order))).indices
        right = (best == labels[:, None]).numpy()
        accuracies["held out" if name == SEEN else name] = {
            "top1": 100 * float(np.mean(right[:, 0])),
            "top5": 100 * float(np.mean(right.any(axis=1))),
            "videos": len(right),
            "unreadable": len(own.chosen) - len(right),
        }
    return accuracies
