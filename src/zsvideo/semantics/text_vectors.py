"""Texts of classes to class vectors, by whatever encodes texts; kept in a small cache.

Shapes: K classes, N texts, D embedding.
"""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zsvideo.errors import UserError
from zsvideo.semantics.caches import cached_arrays, write_atomically
from zsvideo.semantics.class_texts import ClassTexts, ClassVectorSpec, text_hash
from zsvideo.semantics.class_vectors import ClassBank

DECIDING = ("kind", "prompts_sha256", "descriptions_sha256")  # with the weights of the encoder


@dataclass(frozen=True)
class TextEncoder:
    """What encodes texts.

    Attributes:
        encode: texts to (N, D); rows of any length, on the CPU.
        facts: who encodes, as plain data for records: at least `sha256` of the weights, beside
            library, version, id and revision.
    """

    encode: Callable[[Sequence[str]], np.ndarray]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class TextVectors:
    """Class vectors from texts: of each class the unit mean of the unit vectors of its texts.

    Attributes:
        kind: as `ClassVectorSpec` says.
        texts: what is said of classes.
        encoder: of texts.
        cache: folder for class vectors.
    """

    kind: str
    texts: ClassTexts
    encoder: TextEncoder
    cache: Path
    rows: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(spec: ClassVectorSpec, encoder: TextEncoder, cache: Path) -> "TextVectors":
        """Read the texts that `class_vectors` names; raises UserError as `ClassTexts.read`."""
        return TextVectors(spec.kind, ClassTexts.read(spec), encoder, cache.expanduser())

    def bank(self, names: Sequence[str]) -> ClassBank:
        """Give classes their vectors, (K, D) float64 unit rows, cached on disk.

        The texts of a class are encoded apart from those of others, so that its vector does not
        depend on which classes there are.

        Raises:
            UserError: the encoder gives no direction for a class; or the cache cannot be written.
        """
        texts = [self.texts.of(name) for name in names]
        how = json.dumps([texts, dict(self.encoder.facts)], sort_keys=True, default=str)
        file = self.cache / f"class-texts-{text_hash(how)[:24]}.npz"
        cached = cached_arrays(file, matrix=("f", (len(texts), None)))
        if cached is None:
            for own in texts:
                if own not in self.rows:
                    self.rows[own] = unit_mean(self.encoder.encode(own))
            matrix = np.array([self.rows[own] for own in texts])
            content = io.BytesIO()
            np.savez(content, matrix=matrix)
            write_atomically(file, content.getvalue())
        else:
            matrix = cached["matrix"]
        lost = [name for name, row in zip(names, matrix, strict=True) if not np.isfinite(row).all()]
        if lost:
            raise UserError(
                f"class_vectors={self.kind}: the texts of {', '.join(lost[:3])} have no direction; "
                "give others by class_vectors.descriptions=FILE"
            )
        return ClassBank(tuple(names), matrix, self.describe())

    @property
    def sha256(self) -> str:
        """Hash of what decides the vectors: the texts and the weights."""
        return text_hash(json.dumps(deciding(self.describe()), sort_keys=True))

    def describe(self) -> dict[str, Any]:
        """Say which class vectors these are, for a run's records."""
        return {"kind": self.kind, **self.texts.hashes, "encoder": dict(self.encoder.facts)}


def deciding(described: Mapping[str, Any] | None) -> dict[str, Any]:
    """Choose what decides class vectors, as `TextVectors.describe` says them; None is words."""
    own = described or {"kind": "words", "encoder": {}}
    return {key: own.get(key) for key in DECIDING} | {"encoder": own["encoder"].get("sha256")}


def differing(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> list[str]:
    """List in what two class vectors differ, see `deciding`."""
    first, second = deciding(one), deciding(other)
    return [key for key, value in first.items() if value != second[key]]


def unit_mean(rows: np.ndarray) -> np.ndarray:
    """Average vectors (N, D) of any length, each by its direction; (D,) float64 of unit length.

    NaN where there is no direction.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = rows.astype(np.float64)
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
        row: np.ndarray = mean / np.linalg.norm(mean)
    return row
