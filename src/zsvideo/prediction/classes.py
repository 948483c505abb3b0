"""Class names as a user writes them, and their vectors; nothing is guessed in silence.

Shapes: K names, S classes trained on, D embedding.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_lowercase

import numpy as np
from rapidfuzz.distance import JaroWinkler

from zsvideo.data.layouts import first_few
from zsvideo.errors import UserError
from zsvideo.prediction.answers import TrainedClass
from zsvideo.semantics.class_texts import ClassTexts, NamedClass
from zsvideo.semantics.class_vectors import ClassBank, ClassVectors, cosine_distances
from zsvideo.semantics.files import WordTable, read_vectors
from zsvideo.semantics.pairs import find_pairs
from zsvideo.semantics.text_audit import audit_texts, text_remarks
from zsvideo.semantics.text_vectors import TextVectors
from zsvideo.semantics.vectors import WordVectors, has_direction, spellings
from zsvideo.semantics.words import words

OOV = ("drop", "fallback", "error")
NEAREST = 3  # trained classes and spellings that are named
SAME = 1e-9  # cosine distance of vectors that are one
TWO_AWAY = range(6, 15)  # letters of words for which spellings two letters away are tried


@dataclass(frozen=True)
class TrainedOn:
    """The classes that a model was trained on.

    Attributes:
        dataset: name of the set.
        table: the class table that knows the names' words, None for own names.
        names: the classes.
    """

    dataset: str
    table: str | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Candidates:
    """The names that a video is compared with.

    Attributes:
        bank: K names and their vectors (K, D), float32 unit rows.
        notes: name to what is to be said of it beside an answer.
        nearest: name to the nearest classes trained on.
        warnings: lines on names left out or changed, for the user.
        oov: what became of words without a vector.
    """

    bank: ClassBank
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nearest: Mapping[str, tuple[TrainedClass, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    oov: str = OOV[0]


def candidates(
    listed: Sequence[NamedClass],
    vectors: WordVectors | TextVectors,
    trained: ClassVectors | None,
    oov: str = OOV[0],
) -> Candidates:
    """Give names their vectors, and say what is to know of them.

    Args:
        listed: the names, with texts in their place where there are some. A text's words
            without a vector are passed over.
        vectors: those that the model was trained with, or what makes them from texts.
        trained: the classes trained on; None if unknown.
        oov: what becomes of a name with words without a vector: `drop` leaves it out, `fallback`
            tries other spellings first, `error` stops. All say so.

    Raises:
        UserError: `oov` is unknown; no name has a vector; or one has none and `oov` is `error`.
    """
    if oov not in OOV:
        raise UserError(f"oov={oov} is unknown; allowed: {', '.join(OOV)}")
    warnings: list[str] = []
    unique: dict[str, NamedClass] = {}
    for entry in listed:
        unique.setdefault(entry.name, entry)
    counts = Counter(entry.name for entry in listed)
    if doubles := [name for name in unique if counts[name] > 1]:
        warnings.append(f"listed twice, taken once: {', '.join(map(repr, doubles))}")
    rows: dict[str, np.ndarray] = {}
    missing: list[str] = []
    entries = [*unique.values()]
    rows_by_name = (
        text_rows(entries, vectors)
        if isinstance(vectors, TextVectors)
        else rows_of(entries, vectors)
    )
    for name, row, remark in rows_by_name:
        if row is None:
            missing.append(f"{name!r} is left out: {remark}")
        else:
            rows[name] = row
            warnings += [f"{name!r}: {remark}"] if remark else []
    if missing and (oov == "error" or not rows):
        raise UserError("; ".join(missing).replace("is left out: ", "has "))
    if len(rows) == 1:
        warnings.append("one class alone: every video gets it, unless none of these is said")
    matrix = np.stack(list(rows.values()))
    names = tuple(rows)
    notes: dict[str, list[str]] = {name: [] for name in names}
    for first, second in same_vectors(names, matrix):
        warnings.append(f"{first!r} and {second!r} share a vector: no video tells them apart")
        notes[first].append(f"same vector as {second!r}")
        notes[second].append(f"same vector as {first!r}")
    own = ClassVectors("classes", names, tuple(words(n, None, "fixed") for n in names), matrix, {})
    if isinstance(vectors, TextVectors):
        texts = ClassTexts(vectors.texts.prompts).with_own(e for e in entries if e.name in rows)
        warnings += text_remarks(audit_texts(texts, [own]))
    nearest: dict[str, tuple[TrainedClass, ...]] = {}
    if trained is not None:
        nearest = nearest_trained(own, trained)
        warnings += far_names(nearest, trained)
        for name, remark in leaks(own, trained).items():
            notes[name].append(remark)
    return Candidates(
        ClassBank(names, matrix.astype(np.float32), vectors.describe()),
        {name: tuple(own_notes) for name, own_notes in notes.items() if own_notes},
        nearest,
        (*missing, *warnings),
        oov,
    )


def text_rows(
    listed: Sequence[NamedClass], vectors: TextVectors
) -> Iterator[tuple[str, np.ndarray | None, str]]:
    """Give each name, the unit vector (D,) of its texts or None, and what is to be said of it."""
    made = replace(vectors, texts=vectors.texts.with_own(listed))
    names = [entry.name for entry in listed if words_or_none(entry.name, "fixed")]
    rows = dict(zip(names, made.bank(names).vectors if names else [], strict=True))
    for entry in listed:
        row = rows.get(entry.name)
        yield entry.name, row, "no words; write it in words" if row is None else ""


def rows_of(
    listed: Sequence[NamedClass], vectors: WordVectors
) -> Iterator[tuple[str, np.ndarray | None, str]]:
    """Give each name, its unit vector (D,) or None, and what is to be said of it.

    The file of vectors is read once for all of them.
    """
    described = {
        entry.name: bags_of(entry.texts, vectors.word_rules) for entry in listed if entry.texts
    }
    plain = [e.name for e in listed if not e.texts and words_or_none(e.name, vectors.word_rules)]
    if described:
        asked = {word for bags in described.values() for bag in bags for word in bag}
        keyed = vectors.find(asked | {w for n in plain for w in words(n, None, vectors.word_rules)})
    classes = vectors.of(plain, "classes", None) if plain else None
    for entry in listed:
        if entry.name in described:
            yield (entry.name, *described_row(described[entry.name], vectors, keyed))
        elif classes is None or entry.name not in classes.names:
            yield entry.name, None, "no words; write it in words"
        else:
            place = classes.names.index(entry.name)
            if lost := classes.unknown.get(entry.name):
                remark = "; ".join(without_vector(word, vectors) for word in dict.fromkeys(lost))
                yield entry.name, None, remark
                continue
            bag = classes.bags[place]
            others = [(word, classes.replaced[word]) for word in bag if word in classes.replaced]
            remark = "; ".join(f"{' '.join(by) or 'nothing'} stands for {w!r}" for w, by in others)
            yield entry.name, classes.matrix[place], remark


def bags_of(texts: Sequence[str], rules: str) -> list[tuple[str, ...]]:
    """Give the words of each text that has some."""
    return [bag for text in texts if (bag := words_or_none(text, rules))]


def described_row(
    bags: Sequence[tuple[str, ...]], vectors: WordVectors, keyed: WordTable
) -> tuple[np.ndarray | None, str]:
    """Average the unit vectors of texts (D,), without the words that have no vector."""
    lost = {word for bag in bags for word in bag if not has_direction(keyed, word)}
    usable = [[word for word in bag if word not in lost] for bag in bags]
    means = [vectors.mean(keyed, [(word,) for word in bag]) for bag in usable if bag]
    if not means:
        return None, "no word with a vector in its texts"
    mean = np.mean([row / np.linalg.norm(row) for row in means], axis=0)
    remark = (
        f"passed over in its texts, without a vector: {', '.join(sorted(lost))}" if lost else ""
    )
    return mean / np.linalg.norm(mean), remark


def words_or_none(text: str, rules: str) -> tuple[str, ...]:
    """Give the words of a text, none where it has none."""
    try:
        return words(text, None, rules)
    except UserError:
        return ()


def without_vector(word: str, vectors: WordVectors) -> str:
    """Say that a word has no vector, and what would work in its place."""
    near = near_spellings(word, vectors)
    if near:
        return f"no vector for {word!r}; nearest known spellings: {', '.join(near)}"
    return f"no vector for {word!r} or a spelling near it; describe the class in other words"


def near_spellings(word: str, vectors: WordVectors) -> list[str]:
    """List known words one letter away, else two, the likeliest first."""
    closest = {" ".join(by) for by in spellings(word)} | edits(word)
    others = {w for one in edits(word) for w in edits(one)} if len(word) in TWO_AWAY else set()
    for tried in (closest, others):
        single = {w for text in tried for w in text.split()}
        keyed = read_vectors(vectors.path, single)
        known = [t for t in tried if t != word and all(has_direction(keyed, w) for w in t.split())]
        if known:
            return sorted(known, key=lambda w: (-JaroWinkler.similarity(word, w), w))[:NEAREST]
    return []


def edits(word: str) -> set[str]:
    """Give the words one letter away from a word."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    return (
        {a + b[1:] for a, b in cuts if b}
        | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
        | {a + letter + b[1:] for a, b in cuts if b for letter in ascii_lowercase}
        | {a + letter + b for a, b in cuts for letter in ascii_lowercase}
    ) - {word, ""}


def same_vectors(names: Sequence[str], matrix: np.ndarray) -> list[tuple[str, str]]:
    """List the pairs of names that share a vector."""
    distances = cosine_distances(matrix, matrix)
    pairs = np.argwhere(np.triu(distances < SAME, 1))
    return [(names[i], names[j]) for i, j in pairs]


def nearest_trained(
    own: ClassVectors, trained: ClassVectors
) -> dict[str, tuple[TrainedClass, ...]]:
    """Find the classes trained on that are nearest to each name."""
    distances = cosine_distances(own.matrix, trained.matrix)
    order = np.argsort(distances, axis=1, kind="stable")[:, :NEAREST]
    return {
        name: tuple(TrainedClass(trained.names[j], float(row[j])) for j in places)
        for name, row, places in zip(own.names, distances, order, strict=True)
    }


def far_names(
    nearest: Mapping[str, Sequence[TrainedClass]], trained: ClassVectors
) -> Iterator[str]:
    """Warn of names farther from all classes trained on than any of these is from the others."""
    among = cosine_distances(trained.matrix, trained.matrix)
    np.fill_diagonal(among, np.inf)
    reach = float(among.min(axis=1).max())
    far = {name: near[0].distance for name, near in nearest.items() if near[0].distance > reach}
    if far:
        shown = [f"{name!r} (cosine distance {away:.2f})" for name, away in far.items()]
        yield (
            f"far from all classes trained on: {first_few(shown)}; these are at most {reach:.2f} "
            "from each other, so how well scores and 'none of these' do is not known there"
        )


def leaks(own: ClassVectors, trained: ClassVectors) -> dict[str, str]:
    """Say of which names the model knows the action already: by the signals of the audit."""
    remarks: dict[str, str] = {}
    for pair in find_pairs(trained, [own]):
        name = pair.target.partition("/")[2]
        if name in remarks or not pair.leaks:
            continue
        exact = pair.grade == "duplicate"
        how = "trained on" if exact else "as good as trained on"
        remarks[name] = f"not zero-shot: {how} ({pair.source!r})"
    return remarks
