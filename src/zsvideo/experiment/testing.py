"""From a trained network to the predictions of a run."""

import copy
import logging
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import WandbLogger

from zsvideo.data.clips import assemble
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.workers import own_cores
from zsvideo.data.zeroshot import TargetsDataModule, ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import SEEN, Predictions
from zsvideo.evaluation.record import read_record
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.environment import environment, settings
from zsvideo.experiment.heads import score_videos, unit
from zsvideo.experiment.rejection import none_of_these, untrained_videos
from zsvideo.experiment.scoring import evaluations_of, score_run
from zsvideo.experiment.selection import chosen_by, validation_of
from zsvideo.models.callbacks import UnreadableVideos
from zsvideo.models.checkpoints import LAST, began_with, read_checkpoint
from zsvideo.models.loggers import patient
from zsvideo.models.meter import advise
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.parallel import gather_objects
from zsvideo.reporting.panels import log_panels
from zsvideo.semantics.class_vectors import ClassBank
from zsvideo.semantics.records import file_hash

log = logging.getLogger(__name__)


def test(
    experiment: Experiment,
    run: Path,
    trainer: pl.Trainer,
    unreadable: UnreadableVideos,
    model: ZeroShotModule,
    data: TargetsDataModule,
    protocol: dict[str, Any],
    checkpoint: Path | None,
    selection: str,
    beside: dict[str, Any] | None = None,
) -> None:
    """Embed every target video, score it by each evaluation protocol, write and show it all.

    Args:
        experiment: all options.
        run: folder of the run.
        trainer: the one that trained, or a new one.
        unreadable: its callback that collects the videos left out.
        model: with the weights of `checkpoint`.
        data: the targets, and the source if the model was trained here.
        protocol: what `protocol.json` holds.
        checkpoint: the file, for the record; None for an encoder of another library as it is.
        selection: how it was chosen.
        beside: what else the file holds, of weights from elsewhere.
    """
    state, encoder = {}, model.encoder_facts
    if checkpoint is not None:
        if not checkpoint.is_file():
            raise UserError(
                "nothing was trained, so there is no checkpoint to test: see trainer.max_*"
            )
        state = read_checkpoint(checkpoint) or {}
    trains = isinstance(data, ZeroShotDataModule)
    started = time.monotonic()
    bound = advise(trainer, own_cores())
    trained = trained_bank(data, protocol)
    tests = by_clips(data.targets)
    videos = {**tests, **seen_videos(experiment, data, trained)}
    if model.head and SEEN in videos:  # a head gives scores alone, so those of both sides
        videos[SEEN].bank = joined_banks(videos[SEEN].bank, *(t.bank for t in tests.values()))
    process = (trainer.global_rank, trainer.world_size)
    untrained = None if model.head else untrained_videos(data)
    embedded = [*videos.values(), *([untrained] if untrained else [])]
    mine: list[Any] = []
    head, scoring = state.get("head"), 0.0
    if model.head:
        for number, target in enumerate(embedded):
            batch, left, seconds = score_videos(experiment, model, target, trained)
            unreadable.targets[number] = left
            mine.append([batch])
            scoring += seconds
    else:
        if model.pairwise:
            model.tested = [unit(target.bank.vectors) for target in embedded]
        loaders = [target.predict_dataloader(*process) for target in embedded]
        mine = trainer.predict(model, dataloaders=loaders) or []
        mine = mine if len(loaders) > 1 else [mine]
    ranks = gather_objects(trainer, (mine, unreadable.targets, unreadable.source))
    if not trainer.is_global_zero:
        return
    for _, targets, source in ranks:
        unreadable.source |= source
        for number, left_out in targets.items():
            unreadable.targets.setdefault(number, {}).update(left_out)
    outputs = [[b for rank in ranks for b in rank[0][n]] for n in range(len(embedded))]
    predictions, counts, listed = {}, {}, dict(protocol["targets"])
    for number, (name, target) in enumerate(videos.items()):
        main = name.removesuffix(f"_{target.clips.counts[-1]}clip") if name in tests else name
        predictions[name] = gather(outputs[number], target, trained, target.table or main)
        predictions[name].save(run / "predictions" / f"{name}.npz")
        if name in data.targets:
            save_samples(target, predictions[name], run / "samples" / f"{name}.npz")
        count = len(target.videos) + len(target.quarantined)
        counts[name] = {
            "used": len(predictions[name].ids),
            "found": count,
            "expected": target.published or count,
            "unreadable": target.quarantined | unreadable.targets.get(number, {}),
        }
        if name in tests:
            counts[name] |= {"test_clips": target.clips.counts[-1], "target": main}
            listed[name] = protocol["targets"][main]
    strangers = None
    if untrained is not None and any(outputs[-1]):
        strangers = gather(outputs[-1], untrained, None, "")
    threshold = none_of_these(strangers, {name: predictions[name] for name in data.targets})
    if SEEN in predictions:
        seen = predictions[SEEN]
        predictions = {name: replace(own, seen=seen) for name, own in predictions.items()}
    about = {
        "source": source_counts(data, unreadable.source),
        "selection": chosen_by(selection, began_with(state)),
        "validation": validation_of(state),
        "checkpoint": weights_tested(checkpoint, encoder) | (beside or {}),
        "seed": experiment.seed,
        "test_clips": experiment.clips.counts[-1],
        "none_of_these": threshold,
        "steps": state.get("global_step"),
        "trained_steps": trainer.global_step or (0 if model.head and trains else None),
        "head": head and {**head, "seconds": {**head["seconds"], "score": round(scoring, 2)}},
        "bottleneck": bound,
        "seconds": {"test": round(time.monotonic() - started, 1)},
        "encoder": encoder,
        "track": encoder["track"] if encoder else "video",
        "setup": settings(experiment.recorded),
        "environment": environment(accelerators(trainer)),
    }
    protocol = {**protocol, "targets": listed}
    evaluations = evaluations_of(experiment.evaluation)
    options = (evaluations, experiment.resamples)
    shown = score_run(*options, run, protocol, predictions, counts, about)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            patient(log_panels)(shown, logger.experiment)


def weights_tested(checkpoint: Path | None, encoder: dict[str, Any] | None) -> dict[str, Any]:
    """Name the weights that are tested: a checkpoint, or those of an encoder as published."""
    if checkpoint is not None:
        return {"file": str(checkpoint), "sha256": file_hash(checkpoint)}
    assert encoder is not None
    return {"file": encoder["id"], "sha256": encoder["sha256"]}


def by_clips(targets: dict[str, VideoDataModule]) -> dict[str, VideoDataModule]:
    """Return each target once for each number of test clips, which all but the last name.

    Cached features are those of the last.
    """
    tests = dict(targets)
    for name, target in targets.items():
        for count in target.clips.counts[:-1]:
            tests[f"{name}_{count}clip"] = other = copy.copy(target)
            other.clips, other.features = replace(target.clips, test_clips=count), {}
    return tests


def selection_of(run: Path, checkpoint: Path) -> str:
    """Say how a checkpoint was chosen, if it is the one that its run has tested; else `given`.

    One of a run that selects on the targets is a leak whatever it is called, but for the last one.
    """
    try:
        record = read_record(run, complete=False)
        if record.checkpoint.sha256 == file_hash(checkpoint):
            return record.selection
    except UserError:
        pass
    began = began_with(read_checkpoint(checkpoint) or {})
    name = (began.get("selection") or {}).get("name")
    return "test_best" if name == "test_best" and checkpoint.name != LAST else "given"


def accelerators(trainer: pl.Trainer) -> list[str]:
    """Name the devices of a trainer that are no CPU."""
    if trainer.strategy.root_device.type != "cuda":
        return []
    return [torch.cuda.get_device_name(device) for device in trainer.device_ids]


def trained_bank(data: TargetsDataModule, protocol: dict[str, Any]) -> ClassBank | None:
    """Return the classes that the model was trained on; None if they are unknown.

    Of classes that are only declared, those without a vector are left out; the record counts them.
    """
    if not (names := protocol.get("trained_classes")):
        return None
    source = protocol["source"]
    classes = data.vectors.of(names, source["dataset"], source["table"])
    if protocol.get("declared"):
        names = [name for name in names if name not in classes.unknown]
    bank = data.pick(classes, names)
    return bank if len(bank) else None


def seen_videos(
    experiment: Experiment, data: TargetsDataModule, trained: ClassBank | None
) -> dict[str, VideoDataModule]:
    """Build the held-out videos of classes trained on that `source@seen` names, if it does.

    Raises:
        UserError: the classes trained on are unknown, the set has none of them, or it holds videos
            that were trained on.
    """
    if experiment.seen is None:
        return {}
    if trained is None:
        raise UserError(
            "source@seen: what the model was trained on is unknown; give its run folder"
        )
    clips, loader, seed = experiment.clips, experiment.loader, experiment.seed
    seen = VideoDataModule(experiment.seen, clips, loader, seed)
    seen.restrict([name for name in trained.names if name in seen.classes])
    if not seen.videos:
        raise UserError(f"seen.root={seen.root} holds no class that was trained on")
    if isinstance(data, ZeroShotDataModule):
        both = set(seen.videos.paths).intersection(data.source.chosen.paths)
        if both:
            raise UserError(
                f"seen.root={seen.root}: {len(both)} of its videos were trained on, such as "
                f"{min(both)}; give held-out videos, such as the validation part"
            )
    seen.use(trained.of(seen.classes))
    return {SEEN: seen}


def joined_banks(first: ClassBank, *others: ClassBank) -> ClassBank:
    """Add the classes of other banks; one of the same name has the same vector."""
    rows = dict(zip(first.names, first.vectors, strict=True))
    for bank in others:
        own = zip(bank.names, bank.vectors, strict=True)
        rows |= {name: vector for name, vector in own if name not in rows}
    return ClassBank(tuple(rows), np.stack([*rows.values()]), first.provenance)


def gather(
    outputs: list[Any],
    target: VideoDataModule,
    trained: ClassBank | None,
    dataset: str,
) -> Predictions:
    """Join the embeddings of one target's batches; the order is that of its videos."""
    batches = [batch for batch in outputs if batch is not None]
    if not batches:
        raise UserError(
            f"none of the {len(target.chosen)} videos of {target.name} under {target.root} "
            "can be decoded; check the files"
        )
    index = torch.cat([batch["index"] for batch in batches])
    order = index.argsort()  # of several processes
    joined = {
        key: torch.cat([batch[key] for batch in batches])[order]
        for key in ("embeddings", "label", "scores", "trained_scores", "novelty")
        if key in batches[0]
    }
    embeddings, scores = joined["embeddings"], joined.get("scores")
    of_head: dict[str, Any] = {
        name: joined[key].numpy()
        for name, key in (
            ("head_scores", "scores"),
            ("trained_scores", "trained_scores"),
            ("novelty", "novelty"),
        )
        if key in joined
    }
    if not embeddings.isfinite().all():
        raise UserError("the network gives embeddings that are not finite; lower model.lr")
    if scores is not None and not scores.isfinite().all():
        raise UserError("the head gives scores that are not finite; choose other options of head")
    ids = [*target.chosen.take(index[order].numpy()).ids]
    names = [video.rsplit("/", 1)[-1] for video in ids]
    splits = target.set.test_splits()
    return Predictions(
        ids=np.array(ids),
        labels=joined["label"].numpy(),
        embeddings=embeddings.numpy(),
        class_names=np.array(target.bank.names),
        class_vectors=target.bank.vectors.astype(np.float32),
        splits=None if splits is None else np.array([[n in s for s in splits] for n in names]),
        trained_names=None if trained is None else np.array(trained.names),
        trained_vectors=None if trained is None else trained.vectors.astype(np.float32),
        dataset=dataset,
        novelty_threshold=batches[0].get("threshold"),
        **of_head,
    )


def save_samples(
    target: VideoDataModule, predictions: Predictions, file: Path, count: int = 12
) -> None:
    """Keep the middle clip of some tested videos, spread over the set, as the network saw it."""
    clips, ids = target.decoded(train=False), set(predictions.ids)
    tested = np.array([i for i, name in enumerate(target.chosen.ids) if name in ids])
    numbers = tested[np.unique(np.linspace(0, len(tested) - 1, count).astype(int))]
    samples = [s for s in (clips[(0, int(i))] for i in numbers) if s["ok"]]
    if samples:
        middle = torch.stack([assemble(s)[len(s["frame_indices"]) // 2] for s in samples])
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            file,
            ids=np.array([clips.videos[s["index"]].id for s in samples]),
            clips=middle.permute(0, 2, 3, 4, 1).numpy(),
        )


def source_counts(data: TargetsDataModule, unreadable: dict[str, str]) -> dict[str, Any] | None:
    """Count the training videos; None where a checkpoint is only tested."""
    if not isinstance(data, ZeroShotDataModule):
        return None
    count, used = len(data.source.videos), len(data.source.chosen)
    kept = {entry["name"] for entry in data.protocol["source"]["kept"]}
    unknown = set(data.protocol["source"]["without_vector"])
    lost = set(data.source.videos.classes) & kept & unknown
    left_out = data.protocol["subset"]["left_out"]
    without = len(data.source.videos.within(lost))
    own = data.validation.values() if data.hold_out_share else ()
    held_out = sum(len(videos.chosen) for videos in own)
    return {
        "dataset": data.source.name,
        "classes": len(data.source.bank),
        "found": count + len(data.source.quarantined),
        "quarantined": data.source.quarantined,
        "kept_out_by_protocol": count - used - without - left_out - held_out,
        "held_out_to_select": held_out,
        "left_out_by_subset": left_out,
        "without_vector": sorted(lost),
        "used": used - len(unreadable),
        "unreadable_replaced": unreadable,
    }
