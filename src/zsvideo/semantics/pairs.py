"""Pairs of a training and a test class that may be one action: signals, and readers' verdicts.

The overlap rules of the paper compare vectors and leave plain duplicates in training (riding a
bike, push up). Here several independent signals look for what is left, on the words of `fixed`
(`zsvideo.semantics.words`) whatever words the vectors use.

Verdicts are data, `tables/verdicts.tsv`: all classes of Kinetics-700 against all of UCF101, HMDB51
and ActivityNet. Two readers, both language models, judged the names apart from each other and saw
no distance or signal (columns `first` and `second`); where they differ a third reading decided, or
`sibling` where one said so and the other nothing. No video was watched. `duplicate` is the same
action; `contained` a kind of it, or one that it regularly shows; `sibling` another action that
looks or sounds alike. A pair that is not listed is `unrelated`.

The 24 names of Kinetics-400 and -600 that Kinetics-700 has not are in `verdicts_earlier.tsv`: ten
were renamed there, and have the verdicts of the other name; the others were judged by one reader,
a language model too, by the names.

Shapes: S training classes, K test classes.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from zsvideo.semantics.class_vectors import ClassVectors, cosine_distances
from zsvideo.semantics.words import base_form, class_names, plain_name, read_table, split, words

LEAKS = ("duplicate", "contained")
VERDICTS = (*LEAKS, "sibling", "unrelated")
NEAR = 0.3  # cosine distance below which a pair is shown
LIGHT_WORDS = frozenset(("play", "do", "use", "perform", "practice"))


@dataclass(frozen=True)
class Pair:
    """A training class and a test class with the signals that link them.

    Attributes:
        source: name of the training class.
        target: the test class as `data set/class`.
        distance: cosine distance, None where a word has no vector.
        signals: of `identical` (the same bag of words, light verbs such as play left out),
            `spelling` (the same once compounds are split: taichi, tai chi), `contained` (the words
            of one are among those of the other), `typo` (names one or two letters apart),
            `distance` (below `NEAR`).
        verdict: of a reader, one of `VERDICTS`; empty where nobody judged.
    """

    source: str
    target: str
    distance: float | None
    signals: tuple[str, ...]
    verdict: str

    @property
    def flag(self) -> str:
        """What the signals alone say: `duplicate`, `contained` or `near`; empty without any."""
        if {"identical", "spelling"} & set(self.signals):
            return "duplicate"
        if "contained" in self.signals:
            return "contained"
        return "near" if self.signals else ""

    @property
    def grade(self) -> str:
        """The verdict where there is one, else the flag."""
        return self.verdict or self.flag

    @property
    def leaks(self) -> bool:
        """Whether training on the one teaches the other."""
        return self.grade in LEAKS


def find_pairs(source: ClassVectors, others: Sequence[ClassVectors]) -> list[Pair]:
    """Find the pairs with a signal or a verdict, nearest first.

    Args:
        source: S classes trained on.
        others: K classes tested, by data set.
    """
    targets = [(c, name) for c in others for name in c.names]
    if not targets or not source.names:
        return []
    labels = [f"{c.dataset}/{name}" for c, name in targets]
    distances = cosine_distances(source.matrix, np.concatenate([c.matrix for c in others]))
    split_words = compounds([*source.names, *(name for _, name in targets)])
    ours = [bags(name, source.table, split_words) for name in source.names]
    theirs = [bags(name, c.table, split_words) for c, name in targets]
    typos = one_letter_apart(source.names, [name for _, name in targets])
    pairs = []
    for s, name in enumerate(source.names):
        for k, (classes, target) in enumerate(targets):
            signals = [*word_signals(ours[s], theirs[k])]
            if typos[s, k] and not signals:
                signals.append("typo")
            if distances[s, k] < NEAR:  # never so where it is NaN
                signals.append("distance")
            grade = verdict((source.table, name), (classes.table, target))
            if signals or grade not in ("", "unrelated"):
                distance = None if np.isnan(distances[s, k]) else float(distances[s, k])
                pairs.append(Pair(name, labels[k], distance, tuple(signals), grade))
    return sorted(pairs, key=lambda p: (2.0 if p.distance is None else p.distance, p.source))


def word_signals(
    ours: tuple[frozenset[str], frozenset[str]], theirs: tuple[frozenset[str], frozenset[str]]
) -> Iterable[str]:
    """Compare two classes by their bags of words, before and after compounds are split."""
    if ours[0] == theirs[0]:
        yield "identical"
    elif ours[1] == theirs[1]:
        yield "spelling"
    elif ours[1] < theirs[1] or theirs[1] < ours[1]:
        yield "contained"


def bags(
    name: str, table: str | None, split_words: Mapping[str, tuple[str, ...]]
) -> tuple[frozenset[str], frozenset[str]]:
    """Give the `fixed` words of a name without light verbs, as they are and with compounds split.

    A name of light verbs alone keeps them.
    """
    own = words(name, table, "fixed")
    own = tuple(word for word in own if word not in LIGHT_WORDS) or own
    return frozenset(own), frozenset(
        part
        for word in own
        for part in split_words.get(word) or split_words.get(word.removesuffix("s")) or (word,)
    )


def compounds(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Find words that stand in another name as two, such as kickboxing and kick boxing.

    Returns:
        Each joined spelling, as written or in base forms, to the two base forms.
    """
    parts: dict[str, tuple[str, ...]] = {}
    for name in names:
        for pair in pairwise(split(name, "any", "fixed")):
            first, second = (base_form(word, "fixed") for word in pair)
            for joined in (pair[0] + pair[1], first + pair[1], pair[0] + second, first + second):
                parts[joined] = (first, second)
    return parts


def one_letter_apart(ours: Sequence[str], theirs: Sequence[str]) -> np.ndarray:
    """Tell which names (S, K) are the same but for one letter, or two in names of 12 and more.

    Names of less than 8 letters are too short to tell (curling, hurling).
    """
    letters = [[re.sub(r"[\W_]", "", name).lower() for name in names] for names in (ours, theirs)]
    distance = cdist(*letters, scorer=Levenshtein.distance, score_cutoff=2)
    length = np.minimum.outer(*(np.array([len(name) for name in names]) for names in letters))
    return distance <= np.select([length < 8, length < 12], [-1, 1], 2)


def verdict(source: tuple[str | None, str], target: tuple[str | None, str]) -> str:
    """Look up what the readers say of two classes, each (table, name); empty if not judged.

    Other generations of Kinetics share the verdicts of the names that they share.
    """
    readings, classes, sets = judged()
    name = plain_name(source[1]).lower()
    if family(source[0]) != "kinetics" or name not in classes or target[0] not in sets:
        return ""
    return readings.get((name, f"{target[0]}/{target[1]}"), "unrelated")


@cache
def judged() -> tuple[dict[tuple[str, str], str], frozenset[str], frozenset[str]]:
    """Read the verdicts: by pair, and the source classes and target sets that were judged."""
    rows, earlier = read_table("verdicts.tsv"), read_table("verdicts_earlier.tsv")
    assert {row["verdict"] for row in [*rows, *earlier]} <= {*VERDICTS, ""}
    verdicts = {(plain_name(row["source"]).lower(), row["target"]): row["verdict"] for row in rows}
    classes = {
        plain_name(n).lower() for d in {row["dataset"] for row in rows} for n in class_names(d)
    }
    for row in earlier:
        name, renamed = (plain_name(row[key]).lower() for key in ("source", "renamed"))
        classes.add(name)
        own = {t: v for (s, t), v in verdicts.items() if s == renamed}
        own |= {row["target"]: row["verdict"]} if row["target"] else {}
        verdicts |= {(name, target): verdict for target, verdict in own.items()}
    return verdicts, frozenset(classes), frozenset(t.split("/", 1)[0] for _, t in verdicts)


@cache
def family(table: str | None) -> str | None:
    """Treat the generations of Kinetics as one: a name means the same in all of them."""
    return table and re.sub(r"^kinetics\d+$", "kinetics", table)


def agreement(pairs: Sequence[Pair]) -> dict[str, dict[str, float | int]]:
    """Compare what the signals flag as a leak with the verdicts, where there is one.

    Returns:
        For `pairs`, for `classes` (one leaks if one of its pairs does) and for `duplicates` (pairs
        with that verdict; so without a precision): how many are `flagged`, how many `leak` by
        verdict, how many are `both`, `precision` and `recall` (1 where there is none).
    """
    judged = [pair for pair in pairs if pair.verdict]
    flagged = {(p.source, p.target) for p in judged if p.flag in LEAKS}
    leak = {(p.source, p.target) for p in judged if p.verdict in LEAKS}
    same = {(p.source, p.target) for p in judged if p.verdict == "duplicate"}
    return {
        "pairs": compared(flagged, leak),
        "classes": compared({s for s, _ in flagged}, {s for s, _ in leak}),
        "duplicates": compared(flagged & same, same),
    }


def compared(flagged: Set[Any], leak: Set[Any]) -> dict[str, float | int]:
    """Count how far two sets agree."""
    both = len(flagged & leak)
    return {
        "flagged": len(flagged),
        "leak": len(leak),
        "both": both,
        "precision": both / len(flagged) if flagged else 1.0,
        "recall": both / len(leak) if leak else 1.0,
    }
