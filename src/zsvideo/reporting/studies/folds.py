"""A study whose runs each leave other videos of one data set out: every fold, and all together.

Shapes: V videos, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from zsvideo.evaluation import protocols
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.protocols import Scored
from zsvideo.evaluation.uncertainty import intervals
from zsvideo.reporting.identity import seen_targets
from zsvideo.reporting.studies import figures
from zsvideo.reporting.studies.study import REPEATS, Job, Study
from zsvideo.reporting.studies.tables import Row
from zsvideo.semantics.class_vectors import cosine_distances

RESAMPLES = 1000
PERMUTATIONS = 200
TAU = 0.05  # Sec. 3.3


def fold_report(study: Study) -> tuple[list[Row], Figure, list[str]]:
    """Make the table of all folds, the confusion of the classes trained on, and what they mean."""
    rows: list[Row] = []
    lines: list[str] = []
    drawn: Predictions | None = None
    for target in study.targets:
        folds = [job for job in study.jobs if job.run and target in job.run.targets]
        seen = all(target in seen_targets(job.run) for job in folds if job.run)
        nearest = distances(predictions(folds[0], target)).min() if folds else 0
        kind = "seen classes" if seen else "zero-shot" if nearest >= TAU else "not zero-shot"
        what = f"{target}, {kind}"
        for seed, jobs in study.groups(lambda job: job.axes.get("seed")).items():
            own = [job for job in jobs if job in folds]
            if not own:
                continue
            parts = {name(job): predictions(job, target) for job in own}
            rows += [row(what, f"seed {seed}, {n}", scored([p])[1]) for n, p in parts.items()]
            together = list(parts.values())
            joined, numbers = scored(together)
            rows.append(row(what, f"seed {seed}, {whole(together)}", numbers))
            lines.append(meaning(target, seed, seen, joined, numbers))
            if seen:
                drawn = joined if drawn is None else drawn
                rows += class_rows(what, f"seed {seed}", joined)
    return rows, confusion_figure(drawn), lines


def name(job: Job) -> str:
    """Name a fold by what tells it from the others."""
    values = [value for axis, value in job.axes.items() if axis not in REPEATS]
    parts = [", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in values]
    return "; ".join(parts) or "all"


def predictions(job: Job, target: str) -> Predictions:
    """Load what a fold predicts, in the order of the videos' names."""
    assert job.run is not None
    loaded = job.run.predictions(target)
    return loaded.of(np.argsort(loaded.ids))


def repeated(folds: Sequence[Predictions]) -> bool:
    """Tell whether the folds are networks tested on the same videos, not parts of one set."""
    return len(folds) > 1 and all(np.array_equal(f.ids, folds[0].ids) for f in folds)


def whole(folds: Sequence[Predictions]) -> str:
    """Name what all folds together are."""
    many = f"the {len(folds)} networks"
    return f"mean of {many}" if repeated(folds) else f"all folds, {len(folds)} networks"


def scored(folds: Sequence[Predictions]) -> tuple[Predictions, dict[str, Any]]:
    """Score folds together: parts of one set as one, networks on the same videos as draws.

    Returns:
        The predictions of all folds, and `top1`, `interval` over videos, `chance`, and the
        `shuffled` control with its central 95 %.
    """
    joined = replace(
        folds[0],
        ids=np.concatenate([fold.ids for fold in folds]),
        labels=np.concatenate([fold.labels for fold in folds]),
        embeddings=np.concatenate([fold.embeddings for fold in folds]),
        splits=None,
    )
    draws = folds if repeated(folds) else [joined]
    ranks = np.concatenate([must_rank(protocols.full(one)) for one in draws])
    control = protocols.shuffled(joined, PERMUTATIONS).numbers
    return joined, {
        "videos": len(draws[0].ids),
        "top1": 100 * float((ranks == 0).mean()),
        "interval": intervals(ranks, draws[0].labels, RESAMPLES)["top1"]["videos"],
        "chance": control["chance_top1"],
        "shuffled": [control[key] for key in ("top1_mean", "top1_low", "top1_high")],
    }


def must_rank(result: Scored) -> np.ndarray:
    """Give the ranks (D, V) of a protocol that has them."""
    assert result.ranks is not None
    return result.ranks


def row(target: str, of: str, numbers: dict[str, Any]) -> Row:
    """Make the row of a fold, or of all, from what `scored` gives."""
    mean, low, high = numbers["shuffled"]
    return {
        "target": target,
        "row": of,
        "from": "ours",
        "videos": numbers["videos"],
        "top-1": numbers["top1"],
        "95 % over videos": "{:.1f} to {:.1f}".format(*numbers["interval"]),
        "chance": numbers["chance"],
        "shuffled": f"{mean:.1f} ({low:.1f} to {high:.1f})",
        "taken for": "",
    }


def class_rows(target: str, of: str, joined: Predictions) -> list[Row]:
    """Make a row a class: how many of its videos are right, and what the others are taken for."""
    rows = []
    for label, names in enumerate(confusion(joined)):
        wrong = {n: c for n, c in names.items() if n != str(joined.class_names[label])}
        total = sum(names.values())
        right = total - sum(wrong.values())
        rows.append(
            {
                "target": target,
                "row": f"{of}, class {joined.class_names[label]}",
                "from": "ours",
                "videos": total,
                "top-1": 100 * right / total if total else None,
                "95 % over videos": "",
                "chance": None,
                "shuffled": "",
                "taken for": ", ".join(f"{n} {c}" for n, c in wrong.items()),
            }
        )
    return rows


def confusion(joined: Predictions) -> list[dict[str, int]]:
    """Count, for each class, what its videos are taken for, the most frequent first."""
    names = [str(n) for n in joined.class_names]
    return [
        dict(sorted(((n, c) for n, c in zip(names, map(int, line), strict=True) if c), key=last))
        for line in confusion_counts(joined)
    ]


def last(pair: tuple[str, int]) -> tuple[int, str]:
    """Order counts, the largest first."""
    return -pair[1], pair[0]


def confusion_counts(joined: Predictions) -> np.ndarray:
    """Count videos (K, K) by their class and the class they are taken for."""
    classes = np.arange(len(joined.class_names))
    counts: np.ndarray = confusion_matrix(joined.labels, joined.nearest(), labels=classes)
    return counts


def meaning(
    target: str, seed: Any, seen: bool, joined: Predictions, numbers: dict[str, Any]
) -> str:
    """Say in words what the number of a target shows, and what it does not."""
    low, high = numbers["interval"]
    count = len(joined.class_names)
    number = (
        f"seed {seed}: top-1 {numbers['top1']:.1f} % (95 % over videos {low:.1f} to {high:.1f}; "
        f"chance {numbers['chance']:.1f} %)"
    )
    if seen:
        return (
            f"{target}, {number}: all {count} classes were trained on, by other videos: "
            "recognition of seen classes through their word vectors, no claim of zero-shot"
        )
    apart = distances(joined)
    near = int((apart.min(axis=1) < TAU).sum())
    own, other = np.unravel_index(apart.argmin(), apart.shape)
    assert joined.trained_names is not None
    overlap = f"{near} of" if near else "none of"
    chance = (
        f"no better than chance: {len(joined.trained_names)} classes teach no new action"
        if low <= numbers["chance"]
        else "better than chance"
    )
    return (
        f"{target}, {number}: {overlap} its {count} classes is nearer than {TAU} to a class "
        f"trained on (the nearest: {joined.class_names[own]} to {joined.trained_names[other]}, "
        f"{apart.min():.2f}); {'not ' if near else ''}zero-shot, {chance}"
    )


def distances(joined: Predictions) -> np.ndarray:
    """Give the cosine distances (K, S) of the classes tested to those trained on."""
    assert joined.trained_vectors is not None
    return cosine_distances(joined.class_vectors, joined.trained_vectors)


def confusion_figure(joined: Predictions | None) -> Figure:
    """Draw the confusion of all folds; empty without a target whose classes were trained on."""
    figure, (panel,) = figures.panels(1, figures.WIDTH)
    if joined is None:
        panel.set_visible(False)
        return figure
    counts = confusion_counts(joined)
    names = [str(n) for n in joined.class_names]
    panel.imshow(counts, cmap="Blues", vmin=0)
    half = counts.max() / 2
    for (line, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if count > half else "black"
            panel.text(column, line, str(count), ha="center", va="center", color=colour)
    panel.set_xticks(range(len(names)), names, rotation=90)
    panel.set_yticks(range(len(names)), names)
    panel.set_xlabel("taken for (videos)")
    panel.set_ylabel("class")
    return figure
