"""From a trained network to predictions, metrics and the run's record."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from pytorch_lightning.loggers import WandbLogger

from src.data.clips import assemble
from src.data.datamodule import TargetsDataModule, VideoDataModule, ZeroShotDataModule
from src.errors import UserError
from src.evaluation.predictions import Predictions
from src.experiment.trainer import folder
from src.models.callbacks import UnreadableVideos
from src.models.checkpoints import read_checkpoint
from src.models.module import ZeroShotModule
from src.reporting.panels import log_panels
from src.reporting.show import show


def test(
    config: DictConfig,
    trainer: pl.Trainer,
    unreadable: UnreadableVideos,
    model: ZeroShotModule,
    data: TargetsDataModule,
    protocol: dict[str, Any],
    checkpoint: Path,
) -> None:
    """Embed every target video once, score it by each evaluation protocol, write and show it all.

    Args:
        config: with the group `evaluation`.
        trainer: the one that trained, or a new one.
        unreadable: its callback that collects the videos left out.
        model: with the weights of `checkpoint`.
        data: the targets, and the source if the model was trained here.
        protocol: what `protocol.json` holds.
        checkpoint: the file, for the record.
    """
    run = folder()
    if not checkpoint.is_file():
        raise UserError("nothing was trained, so there is no checkpoint to test: see trainer.max_*")
    state = read_checkpoint(checkpoint) or {}
    write_json(run / "protocol.json", protocol)
    started = time.monotonic()
    outputs: list[Any] = trainer.predict(model, dataloaders=data.predict_dataloader()) or []
    outputs = outputs if len(data.targets) > 1 else [outputs]
    targets = {}
    for number, (name, target) in enumerate(data.targets.items()):
        left_out = target.quarantined | unreadable.targets.get(number, {})
        predictions = gather(outputs[number], target)
        predictions.save(run / "predictions" / f"{name}.npz")
        save_samples(target, run / "samples" / f"{name}.npz")
        targets[name] = {
            **{key: instantiate(e)(predictions) for key, e in config.evaluation.items()},
            "used": len(predictions.ids),
            "found": len(target.videos) + len(target.quarantined),
            "expected": target.published or len(target.videos) + len(target.quarantined),
            "unreadable": left_out,
        }
    metrics = {
        "targets": targets,
        "source": source_counts(data, unreadable.source),
        "selection": "last" if checkpoint.name == "last.ckpt" else "given",
        "protocol": summary(protocol),
        "checkpoint": {"file": str(checkpoint), "sha256": file_hash(checkpoint)},
        "seed": config.seed,
        "test_clips": config.clips.test_clips,
        "steps": state.get("global_step"),
        "seconds": {"test": round(time.monotonic() - started, 1)},
    }
    write_json(run / "metrics.json", metrics)
    shown = show(run)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            log_panels(shown, logger.experiment)


def gather(outputs: list[Any], target: VideoDataModule) -> Predictions:
    """Join the embeddings of one target's batches; the order is that of its videos."""
    batches = [batch for batch in outputs if batch is not None]
    if not batches:
        raise UserError(
            f"none of the {len(target.chosen)} videos of {target.name} under {target.root} "
            "can be decoded; check the files"
        )
    index = torch.cat([batch["index"] for batch in batches]).numpy()
    embeddings = torch.cat([batch["embeddings"] for batch in batches])
    if not embeddings.isfinite().all():
        raise UserError("the network gives embeddings that are not finite; lower model.lr")
    return Predictions(
        ids=np.array([target.chosen[i].id for i in index]),
        labels=torch.cat([batch["label"] for batch in batches]).numpy(),
        embeddings=embeddings.numpy(),
        class_names=np.array(list(target.class_vectors)),
        class_vectors=np.stack(list(target.class_vectors.values())).astype(np.float32),
    )


def save_samples(target: VideoDataModule, file: Path, count: int = 12) -> None:
    """Keep the middle clip of some test videos, spread over the set, as the network saw it."""
    clips = target.decoded(train=False)
    chosen = np.unique(np.linspace(0, len(target.chosen) - 1, count).astype(int))
    samples = [s for s in (clips[(0, int(i))] for i in chosen) if "frames" in s]
    if samples:
        middle = torch.stack([assemble(s)[len(s["places"]) // 2] for s in samples])
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            file,
            ids=np.array([target.chosen[s["index"]].id for s in samples]),
            clips=middle.permute(0, 2, 3, 4, 1).numpy(),
        )


def source_counts(data: TargetsDataModule, unreadable: dict[str, str]) -> dict[str, Any] | None:
    """Count the training videos; None where a checkpoint is only tested."""
    if not isinstance(data, ZeroShotDataModule):
        return None
    found, used = len(data.source.videos), len(data.source.chosen)
    kept = {entry["name"] for entry in data.protocol["source"]["kept"]}
    unknown = set(data.protocol["source"]["without_vector"])
    lost = {v.label for v in data.source.videos} & kept & unknown
    left_out = data.protocol["subset"]["left_out"]
    without = sum(video.label in lost for video in data.source.videos)
    return {
        "dataset": data.source.name,
        "classes": len(data.source.class_vectors),
        "found": found + len(data.source.quarantined),
        "quarantined": data.source.quarantined,
        "kept_out_by_protocol": found - used - without - left_out,
        "left_out_by_subset": left_out,
        "without_vector": sorted(lost),
        "used": used - len(unreadable),
        "unreadable_replaced": unreadable,
    }


def summary(protocol: dict[str, Any]) -> dict[str, Any]:
    """Take from a protocol's record what every number must say."""
    return {
        "name": protocol["name"],
        "counts": protocol.get("counts"),
        "kept_sha256": protocol.get("source", {}).get("kept_sha256"),
        "vectors": protocol["vectors"],
        "leaks": protocol["leaks"] and [leak["name"] for leak in protocol["leaks"]],
        "pretrain": lineage_summary(protocol.get("pretrain")),
        "test_only": protocol["test_only"],
        "same_vector": {
            name: entry["same_vector"]
            for name, entry in protocol["targets"].items()
            if entry["same_vector"]
        },
        "survivors": protocol["survivors"]
        and [f"{p['source']} ~ {p['target']} ({p['grade']})" for p in protocol["survivors"]],
        "coverage": {
            f"{entry['dataset']} ({role})": {
                key: entry[key] for key in ("count", "covered", "percent")
            }
            for role, entries in (
                ("source", [protocol["source"]] if "source" in protocol else []),
                ("kept out", protocol.get("kept_out", [])),
                ("tested", protocol["targets"].values()),
            )
            for entry in entries
        },
    }


def lineage_summary(lineage: dict[str, Any] | None) -> dict[str, Any] | None:
    """Take from first weights what every number must say; `leaks` is None where unknown."""
    return lineage and {
        "name": lineage["name"],
        "sha256": lineage["sha256"],
        "dataset": lineage.get("dataset"),
        "classes": lineage.get("classes") and len(lineage["classes"]),
        "leaks": lineage.get("leaks") and [leak["name"] for leak in lineage["leaks"]],
        "pretrain": lineage_summary(lineage.get("pretrain")),
    }


def file_hash(file: Path) -> str:
    """Hash a file (sha256)."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write plain data so that a reader sees all of it or nothing."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    part.replace(file)
