"""What a number is a number of: the fields two rows must share, and the stamps a row must carry."""

import hashlib
import json
from typing import Any

from zsvideo.evaluation.scoring import content
from zsvideo.reporting.run import Run
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
UNKNOWN = "not recorded"


def fields(run: Run, target: str, evaluation: str) -> dict[str, Any]:
    """List all that must be equal for two rows to stand in one table.

    The network, its training data within the protocol, its seed and its pretrained weights are
    what is compared, and no part of it.
    """
    entry, protocol = run.metrics["targets"][target], run.protocol
    numbers = entry[evaluation]
    setup = run.metrics.get("setup", {})
    clips = {"test_clips": run.metrics.get("test_clips", UNKNOWN), **setup.get("clips", {})}
    hashes = entry.get("hashes") or content(run.predictions(target))
    return {
        "track": run.metrics.get("track", "video"),
        "target": target,
        "test classes": hashes["classes"],
        "class vectors": hashes["vectors"],
        "test videos": hashes["videos"],
        "evaluation": evaluation,
        **{f"evaluation.{key}": value for key, value in numbers.get("options", {}).items()},
        "classes drawn": numbers.get("list_sha256", UNKNOWN),
        **{f"clips.{key}": clips.get(key, UNKNOWN) for key in CLIPS},
        "training rule": [protocol.get(key) for key in ("rule", "tau", "inclusive")],
        "classes kept out": [entry["list_sha256"] for entry in protocol.get("kept_out", [])],
        "training classes": protocol.get("source", {}).get("kept_sha256", UNKNOWN),
        "selection": run.metrics.get("selection", UNKNOWN),
    }


def protocol_hash(content: dict[str, Any]) -> str:
    """Hash the fields of a row."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def stamps(run: Run) -> list[str]:
    """List what a reader must see beside every number of a run."""
    found = []
    if "test" in str(run.metrics.get("selection", "")):
        found.append("LEAK: selected on test")
    lineage = run.protocol.get("pretrain") or run.metrics.get("pretrain")
    chain = []
    while lineage:
        chain.append(lineage)
        lineage = lineage.get("pretrain")
    if any("test" in str(link.get("selection", "")) for link in chain):
        found.append("LEAK: pretrained weights selected on test")
    if any(link.get("leaks") or link.get("overlap") for link in chain):
        found.append("LEAK: pre-training classes overlap")
    if any(link.get("leaks", link.get("overlap")) is None for link in chain):
        found.append("UNKNOWN: pre-training classes")
    if run.protocol.get("declared"):
        found.append("DECLARED: training classes")
    if run.protocol.get("leaks"):
        found.append("LEAK: training classes overlap")
    if run.protocol.get("leaks", None) is None:
        found.append("UNKNOWN: training classes")
    both = run.protocol.get("videos_tested_too", {})
    found += [f"LEAK: {both[t]} training videos are tested" for t in run.targets if both.get(t)]
    found += [f"NOT ZERO-SHOT: the classes of {t} were trained on" for t in seen_targets(run)]
    if any(missing_videos(entry) for entry in run.metrics["targets"].values()):
        found.append("INCOMPLETE: videos missing")
    if any(missing_classes(run, target) for target in run.targets):
        found.append("INCOMPLETE: classes missing")
    return found


def seen_targets(run: Run) -> list[str]:
    """List the targets all of whose classes were trained on, which is no zero-shot."""
    trained = set(run.protocol.get("trained_classes") or ())
    tested = {t: run.protocol["targets"].get(t, {}).get("classes") for t in run.targets}
    return [target for target, names in tested.items() if names and set(names) <= trained]


def missing_videos(entry: dict[str, Any]) -> int:
    """Count the videos of a target that were not used; 0 where their number is unknown."""
    return max(int(entry["expected"] or 0) - int(entry["used"]), len(entry["unreadable"]))


def missing_classes(run: Run, target: str) -> list[str]:
    """List the classes of a published set that were no candidates, unless a fixed list says so."""
    listed = run.protocol["targets"].get(target)
    if not listed or run.protocol.get("test_only") or listed["dataset"] not in DATASETS:
        return []
    tested = set(listed["classes"]) - set(listed["without_vector"])
    return [name for name in class_names(listed["dataset"]) if name not in tested]
