"""From predictions to a run's record: what a run that embeds and one that only scores share."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from zsvideo.evaluation.integrity import RECORD_HASH, record_hash
from zsvideo.evaluation.predictions import SEEN, Predictions, array_hash, file_hash
from zsvideo.evaluation.scoring import content, score_target, write_diagnosis
from zsvideo.evaluation.uncertainty import check_resamples
from zsvideo.reporting.run import Run
from zsvideo.reporting.show import show


def score_run(
    config: DictConfig,
    run: Path,
    protocol: dict[str, Any],
    predictions: Mapping[str, Predictions],
    counts: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
) -> Run:
    """Score the targets whose predictions lie in a run folder; write and show its record.

    Args:
        config: with `evaluation` and `resamples`.
        run: the folder, with `predictions/`.
        protocol: what `protocol.json` shall hold; the hashes of class vectors are added.
        predictions: of each target, and of seen videos.
        counts: of each of them, what `metrics.json` shall say of its videos.
        about: what else `metrics.json` shall say.
    """
    resamples = check_resamples(config.resamples)
    evaluations = {key: instantiate(e, _convert_="all") for key, e in config.evaluation.items()}
    targets, seen = {}, None
    for name, held in predictions.items():
        noted = {"predictions_sha256": file_hash(run / "predictions" / f"{name}.npz")}
        if name == SEEN:
            seen = {**counts[name], **noted, "hashes": content(held)}
            continue
        scored = score_target(held, evaluations, resamples)
        targets[name] = {**scored, **counts[name], **noted}
        write_diagnosis(held, run / "analysis" / f"{name}.json")
        if listed := protocol["targets"].get(name):
            listed["class_vectors_sha256"] = array_hash(held.class_vectors)
    write_json(run / "protocol.json", protocol)
    metrics = {
        "targets": targets,
        SEEN: seen,
        **about,
        "protocol": summary(protocol),
        "protocol_sha256": file_hash(run / "protocol.json"),
    }
    metrics[RECORD_HASH] = record_hash(metrics)
    write_json(run / "metrics.json", metrics)
    return show(run)


def summary(protocol: dict[str, Any]) -> dict[str, Any]:
    """Take from a protocol's record what every number must say."""
    return {
        "name": protocol["name"],
        "counts": protocol.get("counts"),
        "kept_sha256": protocol.get("source", {}).get("kept_sha256"),
        "vectors": protocol["vectors"],
        "leaks": protocol["leaks"] and [leak["name"] for leak in protocol["leaks"]],
        "pretrain": lineage_summary(protocol.get("pretrain")),
        "declared": protocol.get("declared"),
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
    """Take from pretrained weights what every number must say; `leaks` is None where unknown."""
    return lineage and {
        "name": lineage["name"],
        "sha256": lineage["sha256"],
        "dataset": lineage.get("dataset"),
        "classes": lineage.get("classes") and len(lineage["classes"]),
        "leaks": lineage.get("leaks") and [leak["name"] for leak in lineage["leaks"]],
        "pretrain": lineage_summary(lineage.get("pretrain")),
    }


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write plain data so that a reader sees all of it or nothing."""
    part = file.with_suffix(".part")
    part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    part.replace(file)
