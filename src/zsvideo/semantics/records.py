"""What a run writes down of its protocol, in `protocol.json`, and what the audit takes of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from zsvideo.names import encoded
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.pairs import Pair, find_pairs
from zsvideo.semantics.protocol import (
    TARGETS,
    Decision,
    Protocol,
    closest_inside,
    separate,
)

UNKNOWN = "not recorded"
LEAKS = AliasChoices("leaks", "overlap")  # the latter before there were versions
BORDERLINE = 5  # kept classes next to tau that are listed


class RecordPart(BaseModel):
    """A part of a record, typed; keys that are not known here are kept and written again."""

    model_config = ConfigDict(extra="allow", frozen=True)

    def plain(self) -> dict[str, Any]:
        """Return what was set as plain data, as it is written."""
        return self.model_dump(exclude_unset=True)


class DecidedClass(RecordPart):
    """A class that a protocol kept or removed, its nearest class kept out and the distance."""

    name: str
    nearest: str | None = None
    distance: float | None = None
    reason: str = ""


class ListedClasses(RecordPart):
    """A list of classes: its hash, how many have a word vector, and the names where tested."""

    dataset: str
    list_sha256: str = UNKNOWN
    count: int
    covered: int
    percent: float
    without_vector: dict[str, list[str]] = {}
    same_vector: list[list[str]] = []
    table: str | None = None
    classes: list[str] = []
    class_vectors_sha256: str | None = None


class SourceClasses(ListedClasses):
    """The classes of the source, and what the protocol decided of each."""

    kept: list[DecidedClass] = []
    removed: list[DecidedClass] = []
    kept_sha256: str = UNKNOWN


class Counts(RecordPart):
    """How many classes a protocol keeps, beside the count that the paper states."""

    classes: int
    kept: int
    paper: int | None = None


class Subset(RecordPart):
    """What was trained on: classes with their videos, and how far apart the classes are."""

    classes: dict[str, int] = {}
    videos: int = 0
    diversity: float | None = None


class Survivor(RecordPart):
    """A class trained on that passes the paper's rule and still teaches a class tested."""

    source: str
    target: str
    grade: str

    def __str__(self) -> str:
        return f"{self.source} ~ {self.target} ({self.grade})"


class ClosestPair(RecordPart):
    """The tau of a data set by the rule `inside`: the distance of its closest pair of classes.

    Attributes:
        same: pairs at distance 0, of which no tau is made.
    """

    tau: float
    pair: list[str]
    same: list[list[str]] = []


class Lineage(RecordPart):
    """Where pretrained weights come from; `leaks` is None where their classes are unknown."""

    name: str = "unknown"
    sha256: str | None = None
    dataset: str | None = None
    classes: list[str] | None = None
    leaks: list[DecidedClass] | None = Field(None, validation_alias=LEAKS)
    selection: str = ""
    pretrain: "Lineage | None" = None

    def summary(self) -> dict[str, Any]:
        """Return what every number must say of the weights."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "dataset": self.dataset,
            "classes": self.classes and len(self.classes),
            "leaks": self.leaks and [leak.name for leak in self.leaks],
            "pretrain": self.pretrain and self.pretrain.summary(),
        }


class ProtocolRecord(RecordPart):
    """What `protocol.json` holds: which classes were trained on and tested, and why.

    Attributes:
        name: of the protocol; None where what was trained on is unknown.
        tau: of the rule; where it is `inside`, `taus` are, by data set.
        declared: says that what was trained on is not known but declared, and how.
        leaks: classes trained on that the paper's rule finds in the targets; None if unknown.
        vectors: of the words.
        class_vectors: that are learned and scored, where texts make them; None for the words'.
        class_texts: what the audit finds in them, see `zsvideo.semantics.text_audit`.
        videos_tested_too: how many training videos each target holds.
    """

    name: str | None = None
    rule: str | None = None
    tau: float | None = None
    taus: dict[str, ClosestPair] = {}
    inclusive: bool | None = None
    counts: Counts | None = None
    borderline: dict[str, list[DecidedClass]] = {}
    source: SourceClasses | None = None
    kept_out: list[ListedClasses] = []
    vectors: dict[str, Any] | None = None
    deciding_vectors: dict[str, Any] | str = UNKNOWN
    class_vectors: dict[str, Any] | None = None
    class_texts: dict[str, Any] | None = None
    trained_classes: list[str] | None = None
    subset: Subset | None = None
    videos_tested_too: dict[str, int] = {}
    declared: str | None = None
    test_only: str | list[str] | None = None
    targets: dict[str, ListedClasses] = {}
    leaks: list[DecidedClass] | None = None
    survivors: list[Survivor] | None = None
    pretrain: Lineage | None = None

    @property
    def thresholds(self) -> str:
        """The tau, or those of the data sets kept out."""
        own = [f"{dataset} {pair.tau:.4f}" for dataset, pair in self.taus.items()]
        return ", ".join(own) or str(self.tau)

    @property
    def lineages(self) -> list[Lineage]:
        """The pretrained weights, and those that they began with, and so on."""
        chain, link = [], self.pretrain
        while link:
            chain.append(link)
            link = link.pretrain
        return chain

    @property
    def coverage(self) -> dict[str, ListedClasses]:
        """Each list of classes by its data set and what it was for."""
        return {
            f"{classes.dataset} ({role})": classes
            for role, lists in (
                ("source", [self.source] if self.source else []),
                ("kept out", self.kept_out),
                ("tested", self.targets.values()),
            )
            for classes in lists
        }

    def summary(self) -> dict[str, Any]:
        """Return what every number must say of the protocol, for `metrics.json`."""
        return {
            "name": self.name,
            "counts": self.counts and self.counts.plain(),
            "kept_sha256": self.source and self.source.kept_sha256,
            "vectors": self.vectors,
            **({} if self.class_vectors is None else {"class_vectors": self.class_vectors}),
            "leaks": self.leaks and [leak.name for leak in self.leaks],
            "pretrain": self.pretrain and self.pretrain.summary(),
            "declared": self.declared,
            "test_only": self.test_only,
            "same_vector": {n: t.same_vector for n, t in self.targets.items() if t.same_vector},
            "survivors": self.survivors and list(map(str, self.survivors)),
            "coverage": {
                name: {"count": c.count, "covered": c.covered, "percent": c.percent}
                for name, c in self.coverage.items()
            },
        }


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
        **inside(protocol, kept_out),
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
            "kept": [decision_entry(d) for d in kept],
            "removed": [decision_entry(d) for d in decisions if not d.kept],
            "kept_sha256": lines_hash([d.name for d in kept]),
        },
        "kept_out": [describe(classes) for classes in kept_out],
    }


def inside(protocol: Protocol, kept_out: Sequence[ClassVectors]) -> dict[str, Any]:
    """Write down the `taus` of the rule `inside`, by data set; nothing for another rule."""
    if protocol.rule != "inside":
        return {}
    return {"taus": {classes.dataset: asdict(closest_inside(classes)) for classes in kept_out}}


def record_targets(
    trained: ClassVectors | None, targets: dict[str, ClassVectors], test_only: str | None
) -> dict[str, Any]:
    """Write down the target classes, and those trained on that the paper's rule finds in them.

    The rule is tau = 0.05 (Sec. 3.3), whatever the protocol was: a check, not a filter.
    `survivors` are the pairs that the rule does not find and that still leak, by verdict or by
    signals (`zsvideo.semantics.pairs`). What was trained on may be unknown; so are then the leaks.
    """
    paper = Protocol("paper", "tau", 0.05, False, [TARGETS])
    decisions = trained and separate(paper, trained, list(targets.values()))
    ruled = {d.name for d in decisions or [] if not d.kept}
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
        "leaks": decisions and [decision_entry(d) for d in decisions if not d.kept],
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
        "removed": [decision_entry(d) for d in ordered if not d.kept],
        "kept": [decision_entry(d) for d in ordered if d.kept][:BORDERLINE],
    }


def describe(classes: ClassVectors) -> dict[str, Any]:
    """Name a class list, its hash, and how far the vectors cover it."""
    return {
        "dataset": classes.dataset,
        "list_sha256": lines_hash(classes.names),
        **classes.coverage(),
    }


def decision_entry(decision: Decision) -> dict[str, Any]:
    """Turn a decision into a dict without an empty reason."""
    return {key: value for key, value in asdict(decision).items() if key != "kept" and value != ""}


def plain_pair(pair: Pair) -> dict[str, Any]:
    """Turn a pair into a dict with its grade."""
    return {**asdict(pair), "signals": list(pair.signals), "flag": pair.flag, "grade": pair.grade}


def lines_hash(lines: Sequence[str]) -> str:
    """Hash lines of text, such as names, in their order (sha256)."""
    return hashlib.sha256(encoded("\n".join(lines))).hexdigest()


def file_hash(file: Path) -> str:
    """Hash a file (sha256)."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
