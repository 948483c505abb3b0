"""Which classes may be trained on: the training protocols (Sec. 3.3 and 4.2).

Shapes: S source classes, K classes kept out.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from src.errors import UserError
from src.semantics.vectors import ClassVectors

RULES = ("tau", "identical", "none")
TARGETS = "targets"


@dataclass(frozen=True)
class Protocol:
    """A training protocol: the config group `protocol`.

    Attributes:
        name: as in the paper, or the file's.
        rule: `tau` removes a class nearer than tau to any class kept out, `identical` one with the
            same bag of words, `none` nothing.
        tau: cosine distance (Eq. 3).
        inclusive: remove also at a distance of exactly tau (Eq. 3); Sec. 4.2 says smaller.
        keep_out: class tables whose classes are kept out of training, whatever is tested;
            `targets` stands for the classes of the chosen targets.
        expected: for a source, the number of classes the paper states, to be compared with what
            is computed.
    """

    name: str
    rule: str
    tau: float
    inclusive: bool
    keep_out: Sequence[str]
    expected: Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.tau, (int, float)) or self.tau < 0:
            raise UserError(f"protocol.tau={self.tau} must be a number, at least 0")
        if self.rule not in RULES:
            raise UserError(f"protocol.rule={self.rule} is unknown; allowed: {', '.join(RULES)}")


@dataclass(frozen=True)
class Verdict:
    """What a protocol says of one source class.

    Attributes:
        name: the class.
        kept: it may be trained on.
        nearest: the nearest class kept out, as `data set/class`; None if nothing is kept out.
        distance: cosine distance to it (Eq. 4); None where a word without a vector leaves
            only the words to compare.
        reason: why it was removed, empty for a class kept.
    """

    name: str
    kept: bool
    nearest: str | None
    distance: float | None
    reason: str


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute cosine distances (Eq. 4) of unit rows (S, D) and (K, D).

    Returns:
        (S, K) float64 >= 0, rounded to 12 decimals, so that a distance that is a threshold by
        construction compares equal to it; NaN where a row is NaN.
    """
    with np.errstate(invalid="ignore"):
        return np.round(np.clip(1.0 - a @ b.T, 0.0, None), 12)


def separate(
    protocol: Protocol, source: ClassVectors, kept_out: Sequence[ClassVectors]
) -> list[Verdict]:
    """Decide for each source class whether it may be trained on (Eq. 3).

    Classes with the same bag of words have distance 0, also where their words have no vector.
    """
    others = [(c.dataset, n, b) for c in kept_out for n, b in zip(c.names, c.bags, strict=True)]
    if not others:
        return [Verdict(name, True, None, None, "") for name in source.names]
    distances = cosine_distances(source.matrix, np.concatenate([c.matrix for c in kept_out]))
    bags = [tuple(sorted(bag)) for _, _, bag in others]
    verdicts = []
    for name, bag, row in zip(source.names, source.bags, distances, strict=True):
        same = np.array([tuple(sorted(bag)) == other for other in bags])
        row = np.where(same, 0.0, row)
        known = not np.isnan(row).all()
        at = int(np.nanargmin(row)) if known else -1
        distance = float(row[at]) if known else None
        nearest = f"{others[at][0]}/{others[at][1]}" if known else None
        reason = removal(protocol, bool(same.any()), distance)
        verdicts.append(Verdict(name, not reason, nearest, distance, reason))
    return verdicts


def removal(protocol: Protocol, same_words: bool, distance: float | None) -> str:
    """Give the reason why a class is removed, or an empty text."""
    if protocol.rule == "identical" and same_words:
        return "identical words"
    if protocol.rule == "tau" and distance is not None:
        near = distance <= protocol.tau if protocol.inclusive else distance < protocol.tau
        sign = "<=" if protocol.inclusive else "<"
        if near:
            return f"distance {distance:.4f} {sign} {protocol.tau}"
    return ""


def record(
    protocol: Protocol,
    source: ClassVectors,
    kept_out: Sequence[ClassVectors],
    verdicts: Sequence[Verdict],
) -> dict[str, Any]:
    """Write down which classes a protocol keeps and removes, and why, as plain data."""
    kept = [v for v in verdicts if v.kept]
    return {
        "name": protocol.name,
        "rule": protocol.rule,
        "tau": protocol.tau,
        "inclusive": protocol.inclusive,
        "counts": {
            "classes": len(verdicts),
            "kept": len(kept),
            "removed": len(verdicts) - len(kept),
            "paper": (protocol.expected or {}).get(source.dataset),
        },
        "source": {
            **describe(source),
            "kept": [plain(v) for v in kept],
            "removed": [plain(v) for v in verdicts if not v.kept],
            "kept_sha256": list_hash([v.name for v in kept]),
        },
        "kept_out": [describe(classes) for classes in kept_out],
    }


def record_targets(
    trained: ClassVectors | None, targets: dict[str, ClassVectors]
) -> dict[str, Any]:
    """Write down the target classes, and those trained on that the paper's rule finds in them.

    The rule is tau = 0.05 (Sec. 3.3), whatever the protocol was: a check, not a filter. What was
    trained on may be unknown; so are then the leaks.
    """
    paper = Protocol("paper", "tau", 0.05, False, [TARGETS])
    found = trained and separate(paper, trained, list(targets.values()))
    return {
        "targets": {
            name: {**describe(classes), "classes": list(classes.names)}
            for name, classes in targets.items()
        },
        "leaks": found and [plain(verdict) for verdict in found if not verdict.kept],
    }


def describe(classes: ClassVectors) -> dict[str, Any]:
    """Name a class list, its hash, and which of its names the vectors do not cover."""
    return {
        "dataset": classes.dataset,
        "count": len(classes.names),
        "list_sha256": list_hash(classes.names),
        "without_vector": {name: list(lost) for name, lost in classes.unknown.items()},
    }


def plain(verdict: Verdict) -> dict[str, Any]:
    """Turn a verdict into a dict without an empty reason."""
    return {key: value for key, value in asdict(verdict).items() if key != "kept" and value != ""}


def list_hash(names: Sequence[str]) -> str:
    """Hash a list of names in their order (sha256 of the lines)."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
