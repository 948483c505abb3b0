"""The audit of a zero-shot claim: what a protocol removes from training, and what still leaks.

Needs names and vectors alone; neither videos nor a network. Shapes: K classes, D embedding.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.manifold import TSNE

from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.pairs import LEAKS, VERDICTS, Pair, agreement, find_pairs
from zsvideo.semantics.protocol import Protocol, kept_out_classes, leaking_grades, separate
from zsvideo.semantics.records import inside, plain_pair, record
from zsvideo.semantics.vectors import WordVectors

GRADES = (*LEAKS, "near", "sibling", "unrelated")  # worst first
TAUS = np.round(np.arange(0, 0.3001, 0.005), 3)
SEED = 0  # of the t-SNE


def audit(
    protocol: Protocol,
    training: Mapping[str, ClassVectors],
    tested: Mapping[str, ClassVectors],
    vectors: WordVectors,
) -> dict[str, Any]:
    """Audit every set of classes that is trained on against all that is kept out or tested.

    Args:
        protocol: the rule, which applies to pre-training as to the source (Eq. 3: D_p).
        training: by role, `source` and perhaps `pretrain`.
        tested: the targets by name.
        vectors: of the words.

    Returns:
        Plain data: `protocol`, `vectors`, `coverage` by role or target, `training` (an entry a
        role, see `audit_classes`), and `map`, the points of Fig. 2.
    """
    protocol.check_listed(training["source"])
    kept_out = kept_out_classes(protocol, tested, vectors)
    listed = {classes.dataset for classes in kept_out}
    against = [*kept_out, *(c for c in tested.values() if c.dataset not in listed)]
    audited = {
        role: audit_classes(protocol, classes, kept_out, against, vectors)
        for role, classes in training.items()
    }
    sets = {**training, **{classes.dataset: classes for classes in against}}
    return {
        "protocol": {
            "name": protocol.name,
            "rule": protocol.rule,
            "tau": protocol.tau,
            **inside(protocol, kept_out),
            "inclusive": protocol.inclusive,
            "keep_out": [classes.dataset for classes in kept_out],
            "tested": list(tested),
        },
        "vectors": vectors.describe(),
        "coverage": {name: classes.coverage() for name, classes in sets.items()},
        "training": audited,
        "map": class_map(training, audited, against),
    }


def audit_classes(
    protocol: Protocol,
    classes: ClassVectors,
    kept_out: Sequence[ClassVectors],
    against: Sequence[ClassVectors],
    vectors: WordVectors,
) -> dict[str, Any]:
    """Audit one set of classes.

    Pairs are looked for on the words of `fixed`, with the distances of those; the decisions of the
    protocol use the words of the run.

    Returns:
        What `record` says, `classes` (each with its decision, words, `grade` and `pairs`, nearest
        first), `survivors` (how many kept classes have each grade), `agreement` of signals and
        verdicts over the kept classes, and `strictness`.
    """
    decisions = separate(protocol, classes, kept_out)
    fixed = vectors.with_rules("fixed")
    ours, *theirs = [fixed.of(c.names, c.dataset, c.table) for c in (classes, *against)]
    pairs = find_pairs(ours, theirs)
    kept = {d.name for d in decisions if d.kept}
    by_name: dict[str, list[Pair]] = {name: [] for name in classes.names}
    for pair in pairs:
        by_name[pair.source].append(pair)
    bags = {name: (a, b) for name, a, b in zip(ours.names, classes.bags, ours.bags, strict=True)}
    rows = [
        {
            "name": d.name,
            "kept": d.kept,
            "reason": d.reason,
            "nearest": d.nearest,
            "distance": d.distance,
            "grade": worst(by_name[d.name]),
            "words": " ".join(bags[d.name][0]),
            "fixed_words": " ".join(bags[d.name][1]),
            "pairs": [plain_pair(p) for p in by_name[d.name]],
        }
        for d in sorted(decisions, key=lambda d: (d.distance is None, d.distance, d.name))
    ]
    grades = Counter(str(row["grade"]) for row in rows if row["kept"])
    written = record(protocol, classes, kept_out, decisions)
    return {
        **{key: written[key] for key in ("counts", "borderline", "kept_out")},
        "dataset": classes.dataset,
        "list_sha256": written["source"]["list_sha256"],
        "kept_sha256": written["source"]["kept_sha256"],
        "classes": rows,
        "survivors": {grade: grades[grade] for grade in GRADES},
        "agreement": agreement([p for p in pairs if p.source in kept]),
        "strictness": strictness(protocol, classes, ours, kept_out, vectors),
    }


def worst(pairs: Sequence[Pair]) -> str:
    """Give the worst grade among the pairs of a class; empty without any."""
    return min((pair.grade for pair in pairs), key=GRADES.index, default="")


def strictness(
    protocol: Protocol,
    classes: ClassVectors,
    fixed: ClassVectors,
    kept_out: Sequence[ClassVectors],
    vectors: WordVectors,
) -> dict[str, Any]:
    """Count the classes that are left as tau goes from 0 to 0.3, and under each rule."""

    def left(how: Protocol, source: ClassVectors, others: Sequence[ClassVectors]) -> int:
        return sum(d.kept for d in separate(how, source, others))

    decisions = separate(replace(protocol, rule="none"), classes, kept_out)
    distances = np.array([np.inf if d.distance is None else d.distance for d in decisions])
    by_fixed = [vectors.with_rules("fixed").of(c.names, c.dataset, c.table) for c in kept_out]
    base = replace(protocol, remove=[])
    rules = {
        "none": left(replace(base, rule="none"), classes, kept_out),
        "identical words": left(replace(base, rule="identical"), classes, kept_out),
        "identical words, fixed": left(replace(base, rule="identical"), fixed, by_fixed),
        f"distance < {protocol.tau}": left(
            replace(base, rule="tau", inclusive=False), classes, kept_out
        ),
        f"distance <= {protocol.tau}": left(
            replace(base, rule="tau", inclusive=True), classes, kept_out
        ),
        **({"inside": left(base, classes, kept_out)} if protocol.rule == "inside" else {}),
        "audited, duplicates": left(
            replace(base, rule="audited", grades=["duplicate"]), classes, kept_out
        ),
        "audited": left(replace(base, rule="audited", grades=leaking_grades()), classes, kept_out),
    }
    return {
        "tau": TAUS.tolist(),
        "kept": [int((distances >= tau).sum()) for tau in TAUS],
        "rules": rules,
    }


def class_map(
    training: Mapping[str, ClassVectors],
    audited: Mapping[str, Mapping[str, Any]],
    against: Sequence[ClassVectors],
) -> list[dict[str, Any]]:
    """Place all classes that have a vector on a plane by t-SNE (Fig. 2).

    Returns:
        For each its `name`, `dataset`, `role` (of training, else None), `group` (`kept`, `removed`
        or `target`) and `x`, `y`.
    """
    points: list[tuple[str, str, str | None, str]] = []
    rows: list[np.ndarray] = []
    for role, classes in training.items():
        kept = {row["name"]: row["kept"] for row in audited[role]["classes"]}
        for name, vector in zip(classes.names, classes.matrix, strict=True):
            points.append((name, classes.dataset, role, "kept" if kept[name] else "removed"))
            rows.append(vector)
    for classes in against:
        points += [(name, classes.dataset, None, "target") for name in classes.names]
        rows += list(classes.matrix)
    matrix = np.array(rows)
    known = ~np.isnan(matrix).any(axis=1)
    if known.sum() < 5:
        return []
    perplexity = min(30.0, (known.sum() - 1) / 3)
    places = TSNE(perplexity=perplexity, init="pca", random_state=SEED).fit_transform(matrix[known])
    keys = ("name", "dataset", "role", "group", "x", "y")
    chosen = [point for point, has in zip(points, known, strict=True) if has]
    return [
        dict(zip(keys, (*point, float(x), float(y)), strict=True))
        for point, (x, y) in zip(chosen, places, strict=True)
    ]


assert set(VERDICTS) < set(GRADES)
