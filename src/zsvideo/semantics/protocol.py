"""Which classes may be trained on: the training protocols (Sec. 3.3 and 4.2).

Shapes: S source classes, K classes kept out.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from zsvideo.errors import UserError
from zsvideo.options import Switch, Text, Whole, between, options
from zsvideo.semantics.class_lists import ClassList, NotListedError
from zsvideo.semantics.class_vectors import ClassVectors, cosine_distances
from zsvideo.semantics.pairs import Pair, find_pairs
from zsvideo.semantics.words import class_names, plain_name

if TYPE_CHECKING:
    from zsvideo.semantics.vectors import WordVectors

log = logging.getLogger(__name__)

TARGETS = "targets"
Grade = Literal["duplicate", "contained", "near", "sibling"]


def leaking_grades() -> list[Grade]:
    """List the grades of pairs that teach a class kept out."""
    return ["duplicate", "contained"]


@options
class Protocol:
    """A training protocol: which classes are kept out of training (Sec. 3.3 and 4.2)."""

    group: ClassVar[str] = "protocol"

    name: Text
    """As in the paper, or the file's."""
    rule: Literal["tau", "identical", "audited", "inside", "manual", "none"]
    """`tau` removes a class nearer than tau to any class kept out, `identical` one with the same
    bag of words, `audited` one that `tau` removes or that leaks by its pairs
    (`zsvideo.semantics.pairs`), `inside` one nearer to a class kept out than the closest pair of
    classes inside that data set (Roitberg et al., 2018), `manual` the classes of a list, `none`
    nothing."""
    tau: Annotated[float, between(0, 2)]
    """Cosine distance (Eq. 3); `inside` computes its own, of each data set kept out."""
    inclusive: Switch
    """Remove also at a distance of exactly tau (Eq. 3); Sec. 4.2 says smaller."""
    keep_out: list[Text]
    """Class tables whose classes are kept out of training, whatever is tested; `targets` stands
    for the classes of the chosen targets."""
    expected: dict[str, Whole] | None = None
    """For a source, the number of classes the paper states, compared with what is computed."""
    grades: list[Grade] = Field(default_factory=leaking_grades)
    """Of pairs, that `audited` removes."""
    remove: list[Text] | Text = Field(default_factory=list)
    """Class names, or a file with one a line, for `manual`."""
    test_only: Text | None = None
    """A table or file with the target classes that alone are tested and kept out, for fixed lists
    such as TruZe's; each of a data set (`zsvideo.semantics.class_lists`)."""
    vectors: Text | None = None
    """The file of word vectors by which classes are kept apart; null takes that of
    `semantics`. The words are always those of the authors' rules, so that an ablation over class
    vectors trains on the same classes."""

    def listed(self) -> set[str]:
        """Give the names to remove by `manual`, spaces and underscores made equal.

        Raises:
            UserError: the file cannot be read.
        """
        names: Sequence[str] = [str(name) for name in self.remove]
        if isinstance(self.remove, str):
            try:
                text = Path(self.remove).expanduser().read_text(encoding="utf-8-sig")
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(
                    f"protocol.remove={self.remove} cannot be read ({error}); give a file with "
                    "one class name a line, or a list: protocol.remove=[NAME,NAME]"
                ) from None
            names = text.splitlines()
        if not (listed := {plain_name(name) for name in names if name.strip()}):
            raise UserError("protocol.remove is empty; name classes to keep out of training")
        return listed

    def check_listed(self, source: ClassVectors) -> None:
        """Check that the names to remove by `manual` are classes of the source.

        Raises:
            UserError: some are not.
        """
        if self.rule != "manual":
            return
        if strangers := self.listed() - {plain_name(name) for name in source.names}:
            raise UserError(
                f"protocol.remove names no class of {source.dataset}: "
                f"{', '.join(sorted(strangers))}; spell them as the data set does"
            )

    def tested(self, dataset: str | None, names: Sequence[str]) -> list[str]:
        """Choose the target classes that are tested; all unless there is a fixed list.

        Raises:
            UserError: the list has none of them.
        """
        if self.test_only is None:
            return list(names)
        try:
            return ClassList.read(self.test_only, None, "protocol.test_only").of(dataset, names)
        except NotListedError as error:
            raise NotListedError(
                f"protocol={self.name} lists no test class of {dataset or 'own videos'} "
                f"(protocol.test_only={self.test_only}: {error}); choose other targets"
            ) from None

    def testable(self, targets: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, list[str]]:
        """Choose what is tested of each target; one that a fixed list is not of is left out, said.

        Args:
            targets: name to data set (class table, else name) and class names.

        Raises:
            UserError: the list is of none of them.
        """
        chosen, reasons = {}, {}
        for name, (dataset, names) in targets.items():
            try:
                chosen[name] = self.tested(dataset, names)
            except NotListedError as error:
                reasons[name] = str(error)
        if not chosen:
            raise UserError("; ".join(reasons.values()))
        for name, reason in reasons.items():
            log.warning("target %s is not tested: %s", name, reason)
        return chosen


@dataclass(frozen=True)
class Decision:
    """What a protocol says of one source class.

    Attributes:
        name: the class.
        kept: it may be trained on.
        nearest: the nearest class kept out, as `data set/class`; None if nothing is kept out.
        distance: cosine distance to it (Eq. 4); None where a word without a vector leaves
            only the words to compare.
        identical: a class kept out has the same bag of words.
        reason: why it was removed, empty for a class kept.
    """

    name: str
    kept: bool
    nearest: str | None
    distance: float | None
    identical: bool
    reason: str


@dataclass(frozen=True)
class Closest:
    """The closest pair of classes inside a data set, which makes the tau of `inside`.

    Attributes:
        tau: their cosine distance.
        pair: their names.
        same: pairs at distance 0, which share their words; no tau is made of them.
    """

    tau: float
    pair: tuple[str, str]
    same: list[tuple[str, str]]


def closest_inside(classes: ClassVectors) -> Closest:
    """Find the closest pair of classes of a data set that have different vectors.

    Raises:
        UserError: there is none.
    """
    rows, columns = np.triu_indices(len(classes.names), k=1)
    distances = cosine_distances(classes.matrix, classes.matrix)[rows, columns]
    pairs = [(classes.names[a], classes.names[b]) for a, b in zip(rows, columns, strict=True)]
    apart = np.where(distances > 0, distances, np.inf)  # neither equal vectors nor none
    if not np.isfinite(apart).any():
        raise UserError(
            f"protocol.rule=inside: {classes.dataset} has no two classes with different vectors, "
            "so there is no distance inside it; take protocol.rule=tau"
        )
    at = int(apart.argmin())
    same = [pairs[place] for place in np.flatnonzero(distances == 0)]
    return Closest(float(apart[at]), pairs[at], same)


def separate(
    protocol: Protocol, source: ClassVectors, kept_out: Sequence[ClassVectors]
) -> list[Decision]:
    """Decide for each source class whether it may be trained on (Eq. 3).

    Classes with the same bag of words have distance 0, also where their words have no vector.
    """
    decisions = [
        replace(d, kept=not reason, reason=reason)
        for d in nearest_kept_out(source, kept_out)
        for reason in [near(protocol, d)]
    ]
    if protocol.rule == "inside":
        for classes in kept_out:
            near_them = too_near(protocol, source, classes)
            decisions = [near_them.get(d.name, d) if d.kept else d for d in decisions]
    if protocol.rule == "audited":
        leaks: dict[str, Pair] = {}
        for pair in find_pairs(source, kept_out):
            if pair.grade in protocol.grades:
                leaks.setdefault(pair.source, pair)
        decisions = [
            replace(d, kept=False, reason=reason_of(leaks[d.name]))
            if d.kept and d.name in leaks
            else d
            for d in decisions
        ]
    if protocol.rule == "manual":
        listed = protocol.listed()
        decisions = [
            replace(d, kept=False, reason="listed by hand") if plain_name(d.name) in listed else d
            for d in decisions
        ]
    return decisions


def too_near(
    protocol: Protocol, source: ClassVectors, classes: ClassVectors
) -> dict[str, Decision]:
    """Find the source classes nearer to a data set than its closest pair: name to decision."""
    own = replace(protocol, rule="tau", tau=closest_inside(classes).tau)
    return {
        d.name: replace(
            d,
            kept=False,
            reason=f"distance {d.distance:.4f}, inside {classes.dataset} {own.tau:.4f}",
        )
        for d in nearest_kept_out(source, [classes])
        if near(own, d)
    }


def nearest_kept_out(source: ClassVectors, kept_out: Sequence[ClassVectors]) -> list[Decision]:
    """Find for each source class the nearest class kept out; all are kept so far."""
    others = [(c.dataset, n, b) for c in kept_out for n, b in zip(c.names, c.bags, strict=True)]
    if not others:
        return [Decision(name, True, None, None, False, "") for name in source.names]
    distances = cosine_distances(source.matrix, np.concatenate([c.matrix for c in kept_out]))
    bags = [tuple(sorted(bag)) for _, _, bag in others]
    decisions = []
    for name, bag, row in zip(source.names, source.bags, distances, strict=True):
        same = np.array([tuple(sorted(bag)) == other for other in bags])
        row = np.where(same, 0.0, row)
        known = not np.isnan(row).all()
        at = int(np.nanargmin(row)) if known else -1
        distance = float(row[at]) if known else None
        nearest = f"{others[at][0]}/{others[at][1]}" if known else None
        decisions.append(Decision(name, True, nearest, distance, bool(same.any()), ""))
    return decisions


def near(protocol: Protocol, decision: Decision) -> str:
    """Give the reason why words or distance remove a class, or an empty text."""
    if protocol.rule in ("identical", "audited") and decision.identical:
        return "identical words"
    if protocol.rule in ("tau", "audited") and decision.distance is not None:
        distance, tau = decision.distance, protocol.tau
        if distance < tau or (protocol.inclusive and distance == tau):
            return f"distance {distance:.4f} {'<=' if protocol.inclusive else '<'} {tau}"
    return ""


def reason_of(pair: Pair) -> str:
    """Say why `audited` removes a class."""
    by = "verdict" if pair.verdict else f"unjudged; signals: {', '.join(pair.signals)}"
    return f"{pair.grade} of {pair.target} ({by})"


def kept_out_classes(
    protocol: Protocol, tested: Mapping[str, ClassVectors], vectors: "WordVectors"
) -> list[ClassVectors]:
    """List the classes that a protocol keeps out of training, by data set.

    Args:
        protocol: with tables, or `targets`, in `keep_out`.
        tested: the chosen targets by name.
        vectors: of the words.
    """
    listed: list[ClassVectors] = []
    for entry in dict.fromkeys(protocol.keep_out):
        if entry == TARGETS:
            listed += tested.values()
        else:
            names = protocol.tested(entry, class_names(entry))
            listed.append(vectors.of(names, entry, entry))
    return listed


def decide(
    protocol: Protocol,
    source: ClassVectors,
    tested: Mapping[str, ClassVectors],
    vectors: "WordVectors",
) -> tuple[list[Decision], list[ClassVectors], "WordVectors"]:
    """Decide for each source class whether it may be trained on, by the protocol's own vectors.

    Args:
        protocol: that keeps classes apart.
        source: the classes that might be trained on.
        tested: the chosen targets by name.
        vectors: the class vectors that are learned and scored.

    Returns:
        The decisions, the classes kept out by data set, and the vectors that decided.
    """
    deciding = vectors.deciding(protocol.vectors)
    others = {name: deciding.again(classes) for name, classes in tested.items()}
    kept_out = kept_out_classes(protocol, others, deciding)
    return separate(protocol, deciding.again(source), kept_out), kept_out, deciding
