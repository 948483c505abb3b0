"""What a number is a number of: the fields two rows must share, and the warnings it must carry."""

import hashlib
import json
from typing import Any

from zsvideo.evaluation.scoring import content
from zsvideo.reporting.run import Run
from zsvideo.semantics.records import UNKNOWN
from zsvideo.semantics.text_vectors import deciding
from zsvideo.semantics.words import DATASETS, class_names

CLIPS = (
    "frames",
    "test_clips",
    "short_side",
    "crop",
    "short_videos",
    "test_rule",
    "single_clip",
    "segment_cap",
    "resize",
    "length",
    "antialias",
)
LATER = {  # before there was a choice
    "sampling": "consecutive",
    "interpolation": "bilinear",
    "centre": "round",
}


def fields(run: Run, target: str, evaluation: str) -> dict[str, Any]:
    """List all that must be equal for two rows to stand in one table.

    The network, its training data within the protocol, its seed and its pretrained weights are
    what is compared, and no part of it.
    """
    record = run.record
    entry, protocol, source = record.targets[target], record.protocol, record.protocol.source
    numbers = entry.evaluations[evaluation]
    own, made = record.setup.get("clips"), protocol.class_vectors
    clips = {"test_clips": record.test_clips, **(own if isinstance(own, dict) else {})}
    if entry.test_clips is not None:
        clips["test_clips"] = entry.test_clips
    hashes = entry.hashes or content(run.predictions(target))
    return {
        "track": record.track,
        **({"transductive": True} if record.transductive else {}),
        "target": target,
        "test classes": hashes["classes"],
        **({} if made is None else {"class vectors made of": [*deciding(made).values()]}),
        "class vectors": hashes["vectors"],
        "test videos": hashes["videos"],
        "evaluation": evaluation,
        **{f"evaluation.{key}": value for key, value in numbers.options.items()},
        "classes drawn": numbers.list_sha256,
        **{f"clips.{key}": clips.get(key, UNKNOWN) for key in CLIPS},
        **{f"clips.{k}": clips[k] for k, first in LATER.items() if clips.get(k, first) != first},
        "training rule": [protocol.rule, protocol.tau, protocol.inclusive],
        "classes kept out": [classes.list_sha256 for classes in protocol.kept_out],
        "training classes": source.kept_sha256 if source else UNKNOWN,
        "selection": record.selection,
    }


def protocol_hash(content: dict[str, Any]) -> str:
    """Hash the fields of a row."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def warnings_of(run: Run) -> list[str]:
    """List what a reader must see beside every number of a run."""
    record, protocol = run.record, run.record.protocol
    chain, both = protocol.lineages, protocol.videos_tested_too
    warnings = {
        "LEAK: selected on test": "test" in record.selection,
        "LEAK: pretrained weights selected on test": any("test" in w.selection for w in chain),
        "LEAK: pre-training classes overlap": any(weights.leaks for weights in chain),
        "UNKNOWN: pre-training classes": any(weights.leaks is None for weights in chain),
        "TRANSDUCTIVE: target videos used in training": record.transductive,
        "DECLARED: training classes": protocol.declared,
        "LEAK: training classes overlap": protocol.leaks,
        "UNKNOWN: training classes": protocol.leaks is None,
        **{f"LEAK: {both.get(t)} training videos are tested": both.get(t) for t in run.targets},
        **{f"NOT ZERO-SHOT: the classes of {t} were trained on": True for t in seen_targets(run)},
        "INCOMPLETE: videos missing": any(target.missing for target in record.targets.values()),
        "INCOMPLETE: classes missing": any(missing_classes(run, t) for t in run.targets),
    }
    return [warning for warning, applies in warnings.items() if applies]


def seen_targets(run: Run) -> list[str]:
    """List the targets all of whose classes were trained on, which is no zero-shot."""
    protocol = run.record.protocol
    trained = set(protocol.trained_classes or ())
    listed = {name: classes.classes for name, classes in protocol.targets.items()}
    return [name for name in run.targets if listed.get(name) and trained.issuperset(listed[name])]


def missing_classes(run: Run, target: str) -> list[str]:
    """List the classes of a published set that were no candidates, unless a fixed list says so."""
    protocol = run.record.protocol
    listed = protocol.targets.get(target)
    if not listed or protocol.test_only or listed.dataset not in DATASETS:
        return []
    lost = () if protocol.class_vectors else listed.without_vector  # texts need no word vectors
    tested = set(listed.classes) - set(lost)
    return [name for name in class_names(listed.dataset) if name not in tested]
