"""What a run writes down of its protocol, as plain data for `protocol.json` and the audit."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.pairs import Pair, find_pairs
from zsvideo.semantics.protocol import TARGETS, Decision, Protocol, separate

BORDERLINE = 5  # kept classes next to tau that are listed


def record(
    protocol: Protocol,
    source: ClassVectors,
    kept_out: Sequence[ClassVectors],
    decisions: Sequence[Decision],
) -> dict[str, Any]:
    """Write down which classes a protocol keeps and removes, and why, as plain data."""
    kept = [d for d in decisions if d.kept]
    return {
        "name": protocol.name,
        "rule": protocol.rule,
        "tau": protocol.tau,
        "inclusive": protocol.inclusive,
        "counts": {
            "classes": len(decisions),
            "kept": len(kept),
            "removed": len(decisions) - len(kept),
            "identical": sum(d.identical for d in decisions),
            "paper": (protocol.expected or {}).get(source.dataset),
        },
        "borderline": borderline(decisions),
        "source": {
            **describe(source),
            "table": source.table,
            "kept": [plain(d) for d in kept],
            "removed": [plain(d) for d in decisions if not d.kept],
            "kept_sha256": list_hash([d.name for d in kept]),
        },
        "kept_out": [describe(classes) for classes in kept_out],
    }


def record_targets(
    trained: ClassVectors | None, targets: dict[str, ClassVectors], test_only: str | None
) -> dict[str, Any]:
    """Write down the target classes, and those trained on that the paper's rule finds in them.

    The rule is tau = 0.05 (Sec. 3.3), whatever the protocol was: a check, not a filter.
    `survivors` are the pairs that the rule does not find and that still leak, by verdict or by
    signals (`zsvideo.semantics.pairs`). What was trained on may be unknown; so are then the leaks.
    """
    paper = Protocol("paper", "tau", 0.05, False, [TARGETS])
    found = trained and separate(paper, trained, list(targets.values()))
    ruled = {d.name for d in found or [] if not d.kept}
    pairs = trained and find_pairs(trained, list(targets.values()))
    return {
        "test_only": test_only,
        "targets": {
            name: {
                **describe(classes),
                "table": classes.table,
                "classes": list(classes.names),
            }
            for name, classes in targets.items()
        },
        "leaks": found and [plain(d) for d in found if not d.kept],
        "survivors": pairs and [plain_pair(p) for p in pairs if p.leaks and p.source not in ruled],
    }


def borderline(decisions: Sequence[Decision]) -> dict[str, list[dict[str, Any]]]:
    """List the classes that a small change of the rule would keep or remove, nearest first.

    Returns:
        `removed` although no class kept out has the same words, and the first `kept`.
    """
    ordered = sorted(
        (d for d in decisions if d.distance is not None and not (d.identical and not d.kept)),
        key=lambda d: (d.distance, d.name),
    )
    return {
        "removed": [plain(d) for d in ordered if not d.kept],
        "kept": [plain(d) for d in ordered if d.kept][:BORDERLINE],
    }


def describe(classes: ClassVectors) -> dict[str, Any]:
    """Name a class list, its hash, and how far the vectors cover it."""
    return {
        "dataset": classes.dataset,
        "list_sha256": list_hash(classes.names),
        **classes.coverage(),
    }


def plain(decision: Decision) -> dict[str, Any]:
    """Turn a decision into a dict without an empty reason."""
    return {key: value for key, value in asdict(decision).items() if key != "kept" and value != ""}


def plain_pair(pair: Pair) -> dict[str, Any]:
    """Turn a pair into a dict with its grade."""
    return {**asdict(pair), "signals": list(pair.signals), "flag": pair.flag, "grade": pair.grade}


def list_hash(names: Sequence[str]) -> str:
    """Hash a list of names in their order (sha256 of the lines)."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
