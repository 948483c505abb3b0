"""Words to vectors: files of word vectors, and unit class vectors kept in a small cache.

Shapes: K classes, D embedding.
"""

import copy
import gzip
import hashlib
import io
import json
import logging
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from zsvideo.errors import UserError
from zsvideo.names import encoded
from zsvideo.semantics.caches import cached_arrays, write_atomically
from zsvideo.semantics.class_vectors import ClassBank, ClassVectors
from zsvideo.semantics.files import GZIP, WordTable, read_vectors
from zsvideo.semantics.googlenews import embedded_file
from zsvideo.semantics.words import DATASETS, class_names, read_table, words

log = logging.getLogger(__name__)
logging.getLogger("gensim").setLevel(logging.WARNING)

SHA256 = re.compile(r"[0-9a-f]{64}")
LARGE = 1 << 27  # bytes of a file whose hash is worth keeping


class WordVectors:
    """A file of word vectors, loaded only when a class vector is not in the cache."""

    def __init__(
        self,
        path: str,
        cache: str,
        unit_words: bool = True,
        word_rules: str = "legacy",
        oov: str = "error",
        sha256: str | None = None,
        target_length: str = "unit",
    ) -> None:
        """Name the file and how its vectors are used; nothing is read yet.

        Args:
            path: a file that `zsvideo.semantics.files` reads.
            cache: folder for class vectors.
            unit_words: scale word vectors to unit length before the mean, as the authors do.
            word_rules: how names become words, see `zsvideo.semantics.words`.
            oov: what becomes of a class to train on or to tell apart that has a word without a
                vector: `error`; `drop`, which leaves the class out and counts it; `fallback`,
                which first tries other spellings of the word (`spellings`). Words of the published
                lists that GoogleNews has not are no error (`gaps`).
            sha256: hash of the content, where it is known.
            target_length: of what training aims at (Eq. 2): a `unit` vector, the `mean` of the
                vectors of a name's words, or their `sum`. The direction is the same, and so are
                distances and scores, which take unit vectors.

        Raises:
            UserError: there is no such file.
        """
        self.path = Path(path).expanduser()
        self.cache = Path(cache).expanduser()
        self.unit_words, self.word_rules, self.oov = unit_words, word_rules, oov
        self.target_length = target_length
        self.requested: set[str] = set()
        if not self.path.is_file():
            raise UserError(
                f"no word vectors at {path} (semantics.path); give a word2vec file such as "
                "GoogleNews-vectors-negative300.bin, have it found or fetched "
                "(semantics=googlenews), or use the embedded ones (semantics=word2vec_small)"
            )
        if sha256 is not None:
            self.sha256 = sha256

    def with_rules(self, word_rules: str) -> "WordVectors":
        """Give the same vectors for the words of other rules; what was read is shared."""
        other = copy.copy(self)
        other.word_rules, other.requested = word_rules, set(self.requested)
        return other

    def deciding(self, path: str | None) -> "WordVectors":
        """Give the vectors by which a protocol keeps classes apart (Sec. 3.3).

        Args:
            path: of another file; None takes this one, by the words of the authors' rules.

        Raises:
            UserError: there is no such file.
        """
        if path is None:
            if (self.unit_words, self.word_rules, self.target_length) == (True, "legacy", "unit"):
                return self
            other = self.with_rules("legacy")
            other.unit_words, other.target_length = True, "unit"
            return other
        if not Path(path).expanduser().is_file():
            raise UserError(f"no word vectors at {path} (protocol.vectors); give a file, or null")
        return WordVectors(path, str(self.cache), oov=self.oov)

    def again(self, classes: ClassVectors) -> ClassVectors:
        """Give classes that have other vectors those of this file."""
        return self.of(classes.names, classes.dataset, classes.table)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content; a large file's is kept in the cache until its size or times change.

        It is that of the unpacked file, so that `x.bin` and `x.bin.gz` are the same vectors.
        """
        if self.path.stat().st_size < LARGE:
            return unpacked_hash(self.path, self.state)
        note = self.cache / f"sha256-{text_hash(self.state)}.txt"
        try:
            if SHA256.fullmatch(known := note.read_text()):
                return known
            raise ValueError
        except (OSError, ValueError):
            digest = unpacked_hash(self.path, self.state)
            write_atomically(note, digest.encode())
            return digest

    @property
    def state(self) -> str:
        """Name the file as it is now, by its place, size and times."""
        now = self.path.stat()
        return f"{self.path.resolve()} {now.st_size} {now.st_mtime_ns} {now.st_ctime_ns}"

    def of(self, names: Sequence[str], dataset: str, table: str | None) -> ClassVectors:
        """Give the classes' vectors: unit mean of unit word vectors (Sec. 4.4), cached on disk.

        Args:
            names: class names.
            dataset: name of the set, for reports.
            table: the class table that knows the names' words, None for own names.
        """
        bags = tuple(words(name, table, self.word_rules) for name in names)
        gaps = self.gaps(table)
        how = [bags, self.unit_words, self.oov == "fallback", self.sha256, sorted(gaps)]
        file = self.cache / f"class-vectors-{text_hash(json.dumps(how))}.npz"
        shapes = {"matrix": ("f", (len(bags), None)), "lengths": ("f", (len(bags),))}
        cached = cached_arrays(file, **shapes, notes=("U", ()))
        if cached is None or (notes := plain_notes(cached)) is None:
            matrix, lengths, notes = self.compute(bags, gaps)
            content = io.BytesIO()
            text = np.array(json.dumps(notes))
            np.savez(content, matrix=matrix, lengths=lengths, notes=text)
            write_atomically(file, content.getvalue())
        else:
            matrix, lengths = cached["matrix"], cached["lengths"]
        unknown = {word for word, by in notes.items() if not by}
        lost = {  # vectors that cancel out leave no direction either
            name: tuple(word for word in bag if word in unknown) or bag
            for name, bag, row in zip(names, bags, matrix, strict=True)
            if np.isnan(row).any()
        }
        needless = unknown - {word for lacking in lost.values() for word in lacking}
        replaced = {word: tuple(by) for word, by in notes.items() if by or word in needless}
        return ClassVectors(dataset, tuple(names), bags, matrix, lost, table, replaced, lengths)

    def compute(
        self, bags: Sequence[Sequence[str]], gaps: frozenset[str]
    ) -> tuple[np.ndarray, np.ndarray, dict[str, tuple[str, ...]]]:
        """Average the vectors of the words of each class.

        Args:
            bags: words of each class.
            gaps: words that may be passed over, see `gaps`.

        Returns:
            (K, D) unit vectors, (K,) lengths of the means, and what stands for a word where that is
            not itself.
        """
        needed = {word for bag in bags for word in bag}
        keyed = self.find(needed)
        stands_for = {word: self.known(keyed, word) for word in sorted(needed)}
        notes = {w: by for w, by in stands_for.items() if by != (w,)}
        passed = passed_over(gaps, (word for word, by in notes.items() if not by))
        kept = [[w for w in bag if w not in passed] or bag for bag in bags]
        means = np.stack([self.mean(keyed, [stands_for[w] for w in bag]) for bag in kept])
        lengths = np.array([np.linalg.norm(mean) for mean in means])
        with np.errstate(invalid="ignore"):  # vectors that cancel out
            return means / lengths[:, None], lengths, notes

    def gaps(self, table: str | None) -> frozenset[str]:
        """Give the words of a published list that GoogleNews has not, where `oov` is `error`.

        They are passed over where they are all that a file lacks of the list: a class is made of
        its other words, and left out without any (SUN's `barndoor` and `thriftshop`, as in the
        authors' code).
        """
        if table is None or self.oov != "error":
            return frozenset()
        rows = [row for row in read_table("gaps.tsv") if table.startswith(row["dataset"])]
        return frozenset(row["word"] for row in rows)

    def find(self, wanted: set[str]) -> WordTable:
        """Read the wanted words, and those of all class tables with them: the file is read once."""
        if not wanted <= self.requested:
            self.requested |= wanted | {
                word
                for dataset in DATASETS
                for name in class_names(dataset)
                for rules in {self.word_rules, "fixed"}
                for word in words(name, dataset, rules)
            }
            others = {s for w in self.requested for by in spellings(w) for s in by}
            self.keyed = read_once(self.path, self.state, frozenset(self.requested | others))
        return self.keyed

    def known(self, vectors: WordTable, word: str) -> tuple[str, ...]:
        """Give the words whose vectors stand for a word: itself, by `oov` others, or none."""
        tried = [(word,), *(spellings(word) if self.oov == "fallback" else ())]
        return next((by for by in tried if all(has_direction(vectors, w) for w in by)), ())

    def pick(self, classes: ClassVectors, names: Sequence[str]) -> ClassBank:
        """Choose the unit vectors of some of the classes; those to drop are left out.

        Raises:
            UserError: a word of a chosen class has no vector and `oov` is `error`; lists all.
        """
        chosen = set(names)
        lost = {name: lacking for name, lacking in classes.unknown.items() if name in chosen}
        lacking = {word for unknown in classes.unknown.values() for word in unknown}
        allowed = passed_over(self.gaps(classes.table), lacking) and len(lost) < len(chosen)
        if lost and self.oov == "error" and not allowed:
            listed = "; ".join(f"{name} ({' '.join(words)})" for name, words in lost.items())
            raise UserError(
                f"{len(lost)} of {len(names)} class names of {classes.dataset} have words without "
                f"a vector in {self.path.name}: {listed}; take the full file "
                "(semantics=googlenews, or semantics.path=FILE), try other spellings "
                "(semantics.oov=fallback) or leave these classes out (semantics.oov=drop)"
            )
        if lost and self.oov == "error":
            count = len(classes.names)
            say_left_out(f"{classes.dataset}: {count - len(lost)} of {count}", tuple(lost))
        bank = ClassBank(classes.names, classes.matrix, self.describe())
        return bank.of(name for name in names if name not in classes.unknown)

    def targets(self, classes: ClassVectors, names: Sequence[str]) -> ClassBank:
        """Choose what training aims at (Eq. 2) for some of the classes; see `pick`."""
        counts = [
            sum(classes.replaced.get(w) != () for w in bag) or len(bag) for bag in classes.bags
        ]
        factors = {
            name: {"unit": 1.0, "mean": length, "sum": length * count}[self.target_length]
            for name, count, length in zip(classes.names, counts, classes.lengths, strict=True)
        }
        bank = self.pick(classes, names)
        scale = np.array([factors[name] for name in bank.names])
        return replace(bank, vectors=bank.vectors * scale[:, None])

    def mean(self, vectors: WordTable, bag: Sequence[Sequence[str]]) -> np.ndarray:
        """Average the vectors of words (D,) float64; NaN if one is unknown.

        A word is given as the words that stand for it, whose mean counts as one word.
        """
        if not all(bag):
            return np.full(vectors.vector_size, np.nan)
        rows = np.stack(
            [np.stack([vectors[w] for w in by]).astype(np.float64).mean(axis=0) for by in bag]
        )
        if self.unit_words:
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        mean: np.ndarray = rows.mean(axis=0)
        return mean

    def describe(self) -> dict[str, object]:
        """Say which vectors these are, for a run's records."""
        return {
            "file": self.path.name,
            "sha256": self.sha256,
            "unit_words": self.unit_words,
            "word_rules": self.word_rules,
            "oov": self.oov,
            "target_length": self.target_length,
        }


def plain_notes(cached: Mapping[str, np.ndarray]) -> Any:
    """Read the words that stand for others, from the cache; None where they are damaged."""
    try:
        notes = json.loads(str(cached["notes"]))
    except ValueError:
        return None
    lists = isinstance(notes, dict) and all(isinstance(by, list) for by in notes.values())
    return notes if lists else None


@lru_cache(maxsize=2)
def read_once(path: Path, state: str, wanted: frozenset[str]) -> WordTable:
    """Read the wanted words of a file, once in a process while its `state` is the same."""
    log.info("reading word vectors from %s", path)
    return read_vectors(path, wanted)


def has_direction(vectors: WordTable, word: str) -> bool:
    """Tell whether a word has a vector that is finite and not zero."""
    length = np.linalg.norm(vectors[word]) if word in vectors else 0.0
    return bool(0 < length < np.inf)


def spellings(word: str) -> Iterable[tuple[str, ...]]:
    """Try a word in other ways: without 's, in other case, as a compound of two, longest halves."""
    stem = word.removesuffix("'s")
    cases = (stem, stem.lower(), stem.capitalize(), stem.upper())
    yield from ((form,) for form in dict.fromkeys(cases) if form != word)
    cuts = range(4, len(stem) - 3)  # shorter halves make parkour of park and our
    for cut in sorted(cuts, key=lambda cut: abs(2 * cut - len(stem))):
        yield stem[:cut], stem[cut:]


def embedded(**options: Any) -> WordVectors:
    """Give the embedded subset; `options` are those of `WordVectors`, the path aside."""
    return WordVectors(str(embedded_file()), **options)


def passed_over(gaps: frozenset[str], unknown: Iterable[str]) -> frozenset[str]:
    """Give the words to pass over: those without a vector, if GoogleNews has none of them."""
    lacking = frozenset(unknown)
    return lacking if lacking <= gaps else frozenset()


@cache
def say_left_out(counts: str, names: Sequence[str]) -> None:
    """Say once which classes are left out because GoogleNews has none of their words."""
    log.info("%s classes have a vector in GoogleNews; left out: %s", counts, ", ".join(names))


@cache
def unpacked_hash(path: Path, state: str) -> str:
    """Hash what a file holds, gzipped or not (sha256).

    Args:
        path: the file.
        state: its size and times, so that it is hashed anew when it changes.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as plain:
            zipped = plain.read(2) == GZIP
        with cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} (semantics.path) cannot be read ({error})") from None


def text_hash(text: str) -> str:
    """Hash a text to a short name for a cache file."""
    return hashlib.sha256(encoded(text)).hexdigest()[:24]
