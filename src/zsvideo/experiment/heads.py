"""A head in a run: fitted on the features of the source, kept in a checkpoint, asked for scores.

Shapes: V videos, K classes tested, S classes trained on.
"""

import logging
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.features import FeatureTable
from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.features import feature_rows
from zsvideo.models.checkpoints import LAST, AtomicCheckpointIO, read_checkpoint
from zsvideo.models.heads import HEADS, Joined, Training
from zsvideo.models.heads.choice import choose, for_all, make, opened
from zsvideo.models.heads.gate import InformedDemocracy
from zsvideo.models.module import ZeroShotModule
from zsvideo.semantics.class_vectors import ClassBank

log = logging.getLogger(__name__)
GATE = InformedDemocracy.Options()


def fit_head(
    experiment: Experiment,
    run: Path,
    data: ZeroShotDataModule,
    model: ZeroShotModule,
    content: dict[str, Any],
    fitted: Path | None = None,
) -> dict[str, str]:
    """Fit the head of `model` on all videos of the source, and write a checkpoint with it.

    Its open options are chosen first, on classes of the source that are held out for that.

    Args:
        experiment: all options.
        run: folder of the run.
        data: the source; a target only where an option of the head says so.
        model: with a frozen f_v; gets the head.
        content: hashes of what is trained on, for the checkpoint.
        fitted: checkpoint of an interrupted run that has fitted it.

    Returns:
        Of the videos of the source that cannot be read, id to reason.

    Raises:
        UserError: no video can be read, or there are too few classes to choose options.
    """
    spec, kind, times = experiment.head, HEADS[experiment.head.kind], [time.monotonic()]
    clips = experiment.features.clips or data.source.clips.counts[-1]
    table = rows_of(experiment, model, data.source, clips)
    if state := fitted and read_checkpoint(fitted):
        read_head(model, state)
        return reasons_of(table, data.source)
    training = as_training(table, data.source, data.source.bank, kind.needs, experiment.seed)
    training = replace(training, device=device_of_run(experiment))
    uses = make(kind, opened(kind, spec.values), training).uses
    if uses:
        training = with_targets(training, experiment, data, model, uses)
    times.append(time.monotonic())
    choice = choose(kind, spec.options, training, spec.draws, spec.share)
    times.append(time.monotonic())
    head = make(kind, vars(choice.options), training)
    head.fit(training)
    times.append(time.monotonic())
    model.use_head(head)
    made_by: dict[str, Any] = {"kind": spec.kind, "options": dict(vars(choice.options))}
    if spec.gate != "none":
        model.gate = InformedDemocracy(model.feature_dim, len(training.vectors), GATE)
        model.gate.fit(training)
        made_by["gate_classes"] = len(training.vectors)
    model.hparams["head"] = made_by
    seconds = dict(
        zip(("features", "choice", "fit"), np.diff(times).round(2).tolist(), strict=True)
    )
    log.info("head=%s: %s; seconds: %s", spec.kind, made_by["options"], seconds)
    record: dict[str, Any] = {
        "name": spec.kind,
        "substituted": list(kind.substituted),
        "target_class_names_used": "names" in uses,
        "target_videos_used": "videos" in uses,
        "options": made_by["options"],
        "gate": model.gate and {"name": spec.gate, "substituted": list(model.gate.substituted)},
        "choice": {"draws": spec.draws, "share": spec.share, **asdict(choice)},
        "features": {
            "backbone": model.hparams["backbone"],
            "size": model.feature_dim,
            "clips": clips,
            **{key: value for key, value in vars(experiment.features).items() if key != "clips"},
        },
        "videos": len(training),
        "seconds": seconds,
    }
    del record["choice"]["options"]
    options = {"config": experiment.recorded, "content": content}
    write_checkpoint(model, record, options, run / "checkpoints" / LAST)
    return reasons_of(table, data.source)


def write_checkpoint(
    model: ZeroShotModule, record: dict[str, Any], options: dict[str, Any], file: Path
) -> None:
    """Write a checkpoint as those of a training, with what is known of the head."""
    content = {
        "pytorch-lightning_version": "2",
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "epoch": 0,
        "global_step": 0,
        "head": record,
        "callbacks": {"Interruption": options},
    }
    AtomicCheckpointIO().save_checkpoint(content, file)


def read_head(model: ZeroShotModule, state: dict[str, Any]) -> None:
    """Give a model the head of a checkpoint."""
    model.hparams["head"] = state["hyper_parameters"]["head"]
    model.make_head(model.hparams["head"])
    model.load_state_dict(state["state_dict"])


def rows_of(
    experiment: Experiment,
    model: ZeroShotModule,
    videos: VideoDataModule,
    clips: int | None = None,
) -> FeatureTable:
    """Read the features of a data set, or extract them; of as many clips as it is tested with.

    Raises:
        UserError: none of its videos can be read.
    """
    table = feature_rows(
        experiment.trainer,
        experiment.cache,
        model,
        videos,
        clips or videos.clips.counts[-1],
        experiment.features.dtype,
    )
    if not len(table.readable):
        raise UserError(
            f"none of the {len(videos.chosen)} videos of {videos.name} under {videos.root} "
            "can be decoded; check the files"
        )
    return table


def as_training(
    table: FeatureTable, videos: VideoDataModule, bank: ClassBank, needs: str, seed: int
) -> Training:
    """Give the features of the readable videos as a head reads them."""
    labels = videos.chosen.numbered(bank.rows)[table.readable]
    return Training(table, labels, unit(bank.vectors), needs == "sequence", seed, table.readable)


def device_of_run(experiment: Experiment) -> torch.device:
    """Return where mini-batches are learned: the GPU, if the trainer may take one."""
    accelerator = getattr(experiment.trainer, "accelerator", "auto")
    gpu = torch.cuda.is_available() and accelerator in ("auto", "gpu", "cuda")
    return torch.device("cuda" if gpu else "cpu")


def unit(vectors: np.ndarray) -> Tensor:
    """Scale class vectors (K, D) to length 1, in single precision."""
    return torch.nn.functional.normalize(torch.from_numpy(vectors).float(), dim=1)


def with_targets(
    training: Training,
    experiment: Experiment,
    data: ZeroShotDataModule,
    model: ZeroShotModule,
    uses: frozenset[str],
) -> Training:
    """Add what an option of the head asks for of all targets: the names, or the videos too."""
    vectors = torch.cat([unit(target.bank.vectors) for target in data.targets.values()])
    training = replace(training, target_vectors=vectors)
    if "videos" in uses:
        tables = [rows_of(experiment, model, target) for target in data.targets.values()]
        training = replace(training, target_rows=Joined([(t, t.readable) for t in tables]))
    return training


def reasons_of(table: FeatureTable, videos: VideoDataModule) -> dict[str, str]:
    """Name the videos that cannot be read: id to reason."""
    chosen = videos.chosen
    return {chosen[row].id: reason for row, reason in table.reasons.items()}


def score_videos(
    experiment: Experiment,
    model: ZeroShotModule,
    videos: VideoDataModule,
    trained: ClassBank | None,
) -> tuple[dict[str, Any], dict[str, str], float]:
    """Score the classes of a data set for all its videos, as one batch of predictions.

    Returns:
        `index` (V,), `label` (V,), `embeddings` (V, 0), `scores` (V, K), and `trained_scores`
        (V, S) where the classes trained on are known, `novelty` (V,) and its
        `threshold` with a gate; id to reason of the unreadable videos;
        and the seconds that scoring took.
    """
    head = model.head
    assert head is not None
    table = rows_of(experiment, model, videos)
    training = as_training(table, videos, videos.bank, head.needs, experiment.seed)
    if list(head.parameters()):
        head.to(device_of_run(experiment))
    started = time.monotonic()
    batch: dict[str, Any] = {
        "index": torch.from_numpy(table.readable),
        "label": torch.from_numpy(training.labels),
        "embeddings": torch.zeros(len(training), 0),
        "scores": torch.from_numpy(for_all(training, head, "scores", training.vectors)),
    }
    if trained is not None:
        batch["trained_scores"] = torch.from_numpy(
            for_all(training, head, "scores", unit(trained.vectors))
        )
    if model.gate is not None:
        batch["novelty"] = torch.from_numpy(for_all(training, model.gate, "novelty"))
        batch["threshold"] = float(model.gate.threshold)
    return batch, reasons_of(table, videos), time.monotonic() - started
