"""The classes of a data set with their words and unit vectors, and the distance between classes.

Shapes: K classes, S and T other numbers of classes, D embedding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np


@dataclass(frozen=True)
class ClassBank:
    """The vectors of some classes, whoever made them: what is learned, and what is scored.

    Attributes:
        names: K class names; their order is that of the labels.
        vectors: (K, D), of unit length where embeddings are compared with them, of any length
            where training aims at them (Eq. 2).
        provenance: who made them and how, as plain data for the record.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.rows

    @cached_property
    def rows(self) -> dict[str, int]:
        """Name to row."""
        return {name: row for row, name in enumerate(self.names)}

    def of(self, names: Iterable[str]) -> "ClassBank":
        """Choose classes of the bank, in the order named."""
        chosen = tuple(names)
        return ClassBank(chosen, self.vectors[[self.rows[n] for n in chosen]], self.provenance)


@dataclass(frozen=True)
class ClassVectors:
    """The classes of one data set with their words and vectors.

    Attributes:
        dataset: name of the set, for reports.
        names: K class names, in the order of the rows.
        bags: K tuples of words.
        matrix: (K, D) float64 of unit rows; a row is NaN where a word has no vector.
        unknown: class name to its words without a vector, for the classes that have such words.
        table: the class table that knows the names, None for own names.
        replaced: words without a vector to the words that stand in for them (`oov=fallback`), or
            to none where the other words of the name suffice.
        lengths: (K,) float64, of the means over the words' vectors before they became unit rows;
            empty where nobody asks for them.
    """

    dataset: str
    names: tuple[str, ...]
    bags: tuple[tuple[str, ...], ...]
    matrix: np.ndarray
    unknown: dict[str, tuple[str, ...]]
    table: str | None = None
    replaced: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def coverage(self) -> dict[str, Any]:
        """Report how many classes have a vector, and the words that are missing or replaced."""
        covered = len(self.names) - len(self.unknown)
        return {
            "count": len(self.names),
            "covered": covered,
            "percent": 100.0 * covered / max(len(self.names), 1),
            "without_vector": {name: list(lost) for name, lost in self.unknown.items()},
            "same_vector": self.equal(),
            "replaced": {word: list(by) for word, by in self.replaced.items()},
        }

    def equal(self) -> list[list[str]]:
        """List the classes that share a vector, which no network can tell apart."""
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, bag in zip(self.names, self.bags, strict=True):
            groups.setdefault(tuple(sorted(bag)), []).append(name)
        return [group for group in groups.values() if len(group) > 1]


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute cosine distances (Eq. 4) of unit rows (S, D) and (T, D).

    Returns:
        (S, T) float64 >= 0, rounded to 12 decimals, so that a distance that is a threshold by
        construction compares equal to it; NaN where a row is NaN.
    """
    with np.errstate(invalid="ignore"):
        distances: np.ndarray = np.round(np.clip(1.0 - a @ b.T, 0.0, None), 12)
    return distances
