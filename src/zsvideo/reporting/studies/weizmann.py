"""A study whose runs each leave other videos of one data set out: every fold, and all together.

Shapes: V videos, K classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from zsvideo.evaluation import protocols
from zsvideo.evaluation.diagnosis import confusion_matrix
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.protocols import Scored
from zsvideo.evaluation.uncertainty import intervals
from zsvideo.reporting.identity import seen_targets
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.remarks import remarks
from zsvideo.reporting.studies.study import REPEATS, Study, Trial
from zsvideo.reporting.studies.style import WIDTH, panels
from zsvideo.semantics.class_vectors import cosine_distances

title = "Real video: actions of actors left out of training, and other actions"
RESAMPLES = 1000
PERMUTATIONS = 200
TAU = 0.05  # Sec. 3.3


@dataclass(frozen=True)
class AllFolds:
    """All folds of a target and a seed.

    Attributes:
        target: its name.
        kind: seen classes, zero-shot, or not zero-shot.
        seed: of the folds.
        folds: the predictions of each fold, by its name.
        joined: the predictions of all folds.
        numbers: see `scored`.
    """

    target: str
    kind: str
    seed: Any
    folds: Mapping[str, Predictions]
    joined: Predictions
    numbers: Mapping[str, Any]

    @property
    def seen(self) -> bool:
        """Whether its classes were trained on."""
        return self.kind == "seen classes"


class Folds(NamedTuple):
    """The study, and its folds put together."""

    study: Study
    wholes: Sequence[AllFolds]


def load(top: Path, name: str) -> Folds:
    """Read the study and put its folds together."""
    study = Study.load(top / name)
    return Folds(study, [whole for target in study.targets for whole in together(study, target)])


def together(study: Study, target: str) -> Iterator[AllFolds]:
    """Put the folds of a target together, seed by seed."""
    tested = [trial for trial in study.trials if trial.run and target in trial.run.targets]
    seen = all(target in seen_targets(trial.run) for trial in tested if trial.run)
    nearest = distances_to_trained(predictions(tested[0], target)).min()
    kind = "seen classes" if seen else "zero-shot" if nearest >= TAU else "not zero-shot"
    for seed, trials in study.groups(lambda trial: trial.axes.get("seed")).items():
        folds = {name(trial): predictions(trial, target) for trial in trials if trial in tested}
        if folds:
            yield AllFolds(target, kind, seed, folds, *scored(list(folds.values())))


def rows(source: Folds) -> list[Row]:
    """Make a row a fold, one for all folds, and one a class of those trained on."""
    rows: list[Row] = []
    for whole in source.wholes:
        target, seed = f"{whole.target}, {whole.kind}", f"seed {whole.seed}"
        for fold, one in whole.folds.items():
            rows.append(fold_row(target, f"{seed}, {fold}", scored([one])[1]))
        networks = network_names(list(whole.folds.values()))
        rows.append(fold_row(target, f"{seed}, {networks}", whole.numbers))
        if whole.seen:
            rows += class_rows(target, seed, whole.joined)
    return rows


def draw(rows: Sequence[Row], source: Folds) -> Figure:
    """Draw the confusion of all folds; empty without a target whose classes were trained on."""
    figure, (panel,) = panels(1, WIDTH)
    joined = next((whole.joined for whole in source.wholes if whole.seen), None)
    if joined is None:
        panel.set_visible(False)
        return figure
    counts = confusion_matrix(joined)
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


def notes(source: Folds) -> list[str]:
    """Say what each number shows, and what it does not."""
    lines = [meaning(whole) for whole in source.wholes]
    return [*lines, *remarks([source.study], repeats=False)]


def name(trial: Trial) -> str:
    """Name a fold by what tells it from the others."""
    values = [value for axis, value in trial.axes.items() if axis not in REPEATS]
    parts = [", ".join(map(str, v)) if isinstance(v, list) else str(v) for v in values]
    return "; ".join(parts) or "all"


def predictions(trial: Trial, target: str) -> Predictions:
    """Load what a fold predicts, in the order of the videos' names."""
    assert trial.run is not None
    loaded = trial.run.predictions(target)
    return loaded.of(np.argsort(loaded.ids))


def repeated(folds: Sequence[Predictions]) -> bool:
    """Tell whether the folds are networks tested on the same videos, not parts of one set."""
    return len(folds) > 1 and all(np.array_equal(f.ids, folds[0].ids) for f in folds)


def network_names(folds: Sequence[Predictions]) -> str:
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
    """Return the ranks (D, V) of a protocol that has them."""
    assert result.ranks is not None
    return result.ranks


def fold_row(target: str, name: str, numbers: Mapping[str, Any]) -> Row:
    """Make the row of a fold, or of all, from what `scored` gives."""
    mean, low, high = numbers["shuffled"]
    return {
        "target": target,
        "row": name,
        "from": "ours",
        "videos": numbers["videos"],
        "top-1": numbers["top1"],
        "95 % over videos": "{:.1f} to {:.1f}".format(*numbers["interval"]),
        "chance": numbers["chance"],
        "shuffled": f"{mean:.1f} ({low:.1f} to {high:.1f})",
        "taken for": "",
    }


def class_rows(target: str, name: str, joined: Predictions) -> list[Row]:
    """Make a row a class: how many of its videos are right, and what the others are taken for."""
    rows = []
    for label, names in enumerate(confusion(joined)):
        wrong = {n: c for n, c in names.items() if n != str(joined.class_names[label])}
        total = sum(names.values())
        right = total - sum(wrong.values())
        rows.append(
            {
                "target": target,
                "row": f"{name}, class {joined.class_names[label]}",
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
    counts = [
        [(n, int(count)) for n, count in zip(names, line, strict=True) if count]
        for line in confusion_matrix(joined)
    ]
    return [dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))) for pairs in counts]


def meaning(whole: AllFolds) -> str:
    """Say in words what the number of a target shows, and what it does not."""
    joined, numbers, target = whole.joined, whole.numbers, whole.target
    low, high = numbers["interval"]
    count = len(joined.class_names)
    number = (
        f"seed {whole.seed}: top-1 {numbers['top1']:.1f} % (95 % over videos {low:.1f} to "
        f"{high:.1f}; chance {numbers['chance']:.1f} %)"
    )
    if whole.seen:
        return (
            f"{target}, {number}: all {count} classes were trained on, by other videos: "
            "recognition of seen classes through their word vectors, no claim of zero-shot"
        )
    apart = distances_to_trained(joined)
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


def distances_to_trained(joined: Predictions) -> np.ndarray:
    """Return the cosine distances (K, S) of the classes tested to those trained on."""
    assert joined.trained_vectors is not None
    return cosine_distances(joined.class_vectors, joined.trained_vectors)
