"""Rows of a comparison: their numbers, their differences video by video, their mean over seeds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.record import Numbers
from zsvideo.evaluation.scoring import score_again
from zsvideo.evaluation.uncertainty import over_runs, paired
from zsvideo.reporting.run import Run

SCORED = ("evaluation", "target")  # settings that say how a run was scored, not what it is


@dataclass(frozen=True)
class Row:
    """One run's result of one evaluation of a target.

    Attributes:
        name: of the run.
        run: its folder.
        target: data set.
        evaluation: protocol of evaluation.
        fields: what must be equal, see `zsvideo.reporting.identity`.
    """

    name: str
    run: Run
    target: str
    evaluation: str
    fields: Mapping[str, Any]

    @property
    def numbers(self) -> Numbers:
        """What the run's record says."""
        return self.run.record.targets[self.target].evaluations[self.evaluation]

    @cached_property
    def ranks(self) -> np.ndarray:
        """The ranks (D, V) behind it; raises UserError where it has none."""
        return scored_again(self.run.predictions(self.target), self)


def paired_content(first: Row, second: Row, resamples: int) -> dict[str, Any]:
    """Compare two runs video by video, where that can be done; else say why not."""
    result: dict[str, Any] = {"first": first.name, "second": second.name}
    try:
        a = first.run.predictions(first.target)
        b = aligned(second.run.predictions(second.target), a)
        return result | paired(first.ranks, scored_again(b, second), a.labels, resamples)
    except UserError as error:
        return result | {"not_paired": str(error)}


def aligned(second: Predictions, first: Predictions) -> Predictions:
    """Put the videos of one run into the order of another.

    Raises:
        UserError: they are not the same videos and classes.
    """
    names = ("ids", "class_names", "labels")
    if all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names):
        return second  # with the scores that it knows
    rows = {str(video): row for row, video in enumerate(second.ids)}
    same = len(first.ids) == len(second.ids) and all(str(v) in rows for v in first.ids)
    if not same or not np.array_equal(first.class_names, second.class_names):
        raise UserError("the runs were not scored on the same videos and classes")
    moved = second.of(np.array([rows[str(video)] for video in first.ids]))
    if not np.array_equal(moved.labels, first.labels):
        raise UserError("the runs do not agree on the classes of the videos")
    return moved


def scored_again(predictions: Predictions, row: Row) -> np.ndarray:
    """Give the ranks (D, V) behind a row; raises UserError where it has none."""
    ranks = score_again(predictions, row.numbers).ranks
    if ranks is None:
        raise UserError(f"{row.evaluation} of {row.name} cannot be scored again video by video")
    return ranks


def without_seeds(content: Any) -> Any:
    """Drop every key `seed`."""
    if not isinstance(content, dict):
        return content
    return {key: without_seeds(inner) for key, inner in content.items() if key != "seed"}


def over_seeds(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Average the runs whose settings are equal, their seed aside."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        setup = row.run.record.setup or {"run": row.name}
        settings = {k: v for k, v in without_seeds(setup).items() if k not in SCORED}
        groups.setdefault(json.dumps(settings, sort_keys=True, default=str), []).append(row)
    result = []
    for group in groups.values():
        scores = [row.numbers.accuracy("top1") for row in group]
        seeds = [row.run.record.seed for row in group]
        known = [score for score in scores if score is not None]
        if len(set(seeds)) > 1 and len(known) == len(group):
            result.append({"seeds": seeds, "measure": "top1", **over_runs(known)})
    return result
