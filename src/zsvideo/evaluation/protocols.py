"""The evaluation protocols: how one set of predictions is scored (Sec. 4.3).

Each takes predictions and gives its numbers, accuracies in percent. A config file of the group
`evaluation` names one of these functions and its options; so does your own.

Shapes: V videos, K classes, D draws.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, Strict

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.ranking import all_ranks, ranks
from zsvideo.options import Count, Text
from zsvideo.semantics.class_lists import ClassList, NotListedError
from zsvideo.semantics.records import lines_hash

ORDERS = ("authors", "casefold")
MOST_DRAWS = 1_000_000
Draws = Annotated[int, Strict(), Field(ge=1, le=MOST_DRAWS)]
Names = Text | Annotated[Sequence[str], Field(min_length=1)]
"""Of classes; or one name, of a table or file that lists them."""


class NotApplicable(UserError):
    """A protocol says nothing of these predictions; the reason is recorded with the result."""


@dataclass(frozen=True)
class Scored:
    """The result of an evaluation protocol.

    Attributes:
        numbers: plain data for `metrics.json`.
        ranks: (D, V) int32 of the right class, -1 where the video takes no part in a draw; None
            for a protocol whose result is no accuracy over draws.
    """

    numbers: dict[str, Any]
    ranks: np.ndarray | None = None


def full(
    predictions: Predictions,
    classes: Names | None = None,
    dataset: Text | None = None,
) -> Scored:
    """Evaluation Protocol 2: all classes are candidates, or all of a list.

    Args:
        predictions: of one target.
        classes: names, or a table or file that lists them, such as `truze.tsv`.
        dataset: whose classes they are, where the list does not say it: a class table or a target.

    Raises:
        UserError: the list cannot be read.
        NotApplicable: it is of another data set.
    """
    chosen = np.zeros((1, len(predictions.class_names)), bool)
    chosen[0, listed(predictions, class_list(classes, dataset))] = True
    return score(predictions, chosen)


def half(
    predictions: Predictions,
    draws: Draws,
    order: Literal["authors", "casefold"] = "authors",
    classes: Names | None = None,
    size: Count | None = None,
    dataset: Text | None = None,
    splits: Names | None = None,
) -> Scored:
    """Evaluation Protocol 1: the mean over random draws of half the classes, alone as candidates.

    The draws 0, 1, ... are the seeds of NumPy's legacy generator, as in the authors' code.

    Args:
        predictions: of one target.
        draws: how many.
        order: of the class list that is permuted, see `ordered`.
        classes: draw among these alone, see `full`.
        size: classes in a draw; None for half of them.
        dataset: whose classes those of a list are, see `full`.
        splits: published draws in place of random ones: a list of files as `classes` takes, or the
            folder of Kinetics-600's published splits, see `published_draws`.

    Raises:
        UserError: an unknown order, no draws, or a list that cannot be read.
        NotApplicable: a list is of another data set, or a draw has more classes than there are.
    """
    if order not in ORDERS:
        raise UserError(f"order={order} of an evaluation is unknown; allowed: {', '.join(ORDERS)}")
    if not isinstance(draws, int) or not 1 <= draws <= MOST_DRAWS:
        raise UserError(f"draws={draws} of an evaluation must be a number from 1 to {MOST_DRAWS}")
    if splits is not None:
        lists = published_draws(splits, classes, dataset)
        chosen = np.zeros((len(lists), len(predictions.class_names)), bool)
        for draw, names in enumerate(lists):
            chosen[draw, listed(predictions, names)] = True
        return score(predictions, chosen)
    rows = listed(predictions, class_list(classes, dataset))
    rows = rows[ordered(predictions.class_names[rows], order)]
    size = len(rows) // 2 if size is None else size
    if not isinstance(size, int) or not 0 < size <= len(rows):
        raise NotApplicable(f"there are no draws of {size} among {len(rows)} classes")
    chosen = np.zeros((draws, len(predictions.class_names)), bool)
    for draw in range(draws):
        chosen[draw, rows[half_classes(len(rows), draw, size)]] = True
    scored = score(predictions, chosen)
    return replace(scored, numbers={**scored.numbers, "order": order})


def published_draws(
    splits: Sequence[str] | str,
    classes: Sequence[str] | str | None = None,
    dataset: str | None = None,
) -> list[ClassList]:
    """Read the lists of published draws.

    Args:
        splits: files as `full` takes, one a draw; or a folder with `tst_class_idxs.json` (a list of
            class numbers a draw) and `classes620_label_defn.json` (a `word` a class), as the draws
            of Kinetics-600 are published.
        classes: what is drawn from, whose data set is that of names that do not say theirs.
        dataset: says it too.

    Raises:
        UserError: they cannot be read.
    """
    option = "splits of an evaluation"
    if classes is not None and dataset is None:
        sets = list(ClassList.read(classes, None, "classes of an evaluation").names)
        dataset = sets[0] if len(sets) == 1 else None
    lists: Sequence[Sequence[str] | str] = [splits] if isinstance(splits, str) else splits
    if isinstance(splits, str) and not Path(splits).expanduser().is_file():
        try:
            words, draws = (
                json.loads((Path(splits).expanduser() / name).read_text(encoding="utf-8"))
                for name in ("classes620_label_defn.json", "tst_class_idxs.json")
            )
            lists = [[str(words[number]["word"]) for number in draw] for draw in draws]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise UserError(
                f"{option}: {splits} cannot be read ({error!r}); give a list of files with one "
                "class name a line, one a draw, or the folder with tst_class_idxs.json and "
                "classes620_label_defn.json"
            ) from None
    return [ClassList.read(names, dataset, option) for names in lists]


def half_classes(count: int, draw: int, size: int | None = None) -> np.ndarray:
    """Draw half of `count` classes, or `size`, as rows of a list in its order."""
    return permuted(count, draw)[: count // 2 if size is None else size]


@lru_cache(maxsize=100)
def permuted(count: int, draw: int) -> np.ndarray:
    """Permute numbers below `count`; many runs ask for the same, which nobody can change."""
    numbers = np.random.RandomState(draw).permutation(count)
    numbers.flags.writeable = False
    return numbers


def ordered(names: np.ndarray, order: str) -> np.ndarray:
    """Give the rows of class names in the order in which a code base lists them.

    `authors`: the authors' code sorts names with underscores by code point (capitals first;
    ActivityNet's Rock_climbing after Rock-paper-scissors). `casefold`: other repositories follow
    UCF101's classInd.txt, where case does not count.
    """
    spelled = [str(name).replace(" ", "_") for name in names]
    if order == "casefold":
        spelled = [name.casefold() for name in spelled]
    return np.array(sorted(range(len(spelled)), key=lambda row: spelled[row]), np.int64)


def official_splits(predictions: Predictions) -> Scored:
    """Give the mean over the three official test splits (UCF101, HMDB51), all classes candidates.

    Raises:
        NotApplicable: the predictions do not say which videos the splits hold.
    """
    if predictions.splits is None:
        raise NotApplicable("no official split lists lay beside the videos when they were embedded")
    everything = np.ones((predictions.splits.shape[1], len(predictions.class_names)), bool)
    return score(predictions, everything, predictions.splits.T)


def shuffled(predictions: Predictions, permutations: Draws) -> Scored:
    """A control: class vectors dealt out anew among the classes, which must score like chance.

    Gives mean, standard deviation and the central 95 % of top-1 over permutations, and
    `chance_top1`, 100 / K.

    Raises:
        UserError: no permutations.
    """
    if not isinstance(permutations, int) or not 1 <= permutations <= MOST_DRAWS:
        raise UserError(
            f"permutations={permutations} of an evaluation must be a number from 1 to {MOST_DRAWS}"
        )
    count = len(predictions.class_names)
    rng = np.random.default_rng(0)
    everyones = all_ranks(predictions.scores())
    # To deal out the vectors anew is to rename the classes.
    shuffled_labels = [rng.permutation(count)[predictions.labels] for _ in range(permutations)]
    places = np.stack(
        [np.take_along_axis(everyones, own[:, None], axis=1)[:, 0] for own in shuffled_labels]
    )
    low, high = np.percentile(100 * (places < 1).mean(axis=1), [2.5, 97.5])
    numbers = averages(accuracies(places, predictions.labels, count))
    return Scored(
        {
            **{key: number for key, number in numbers.items() if not key.startswith("macro")},
            "top1_low": float(low),
            "top1_high": float(high),
            "chance_top1": 100.0 / count,
            "classes": count,
        }
    )


def listed(predictions: Predictions, classes: ClassList | None) -> np.ndarray:
    """Give the rows of the classes of a list, in the order of the predictions; None means all.

    Raises:
        NotApplicable: it is of another data set, or none of its classes is tested.
    """
    names = list(map(str, predictions.class_names))
    if classes is None:
        return np.arange(len(names))
    try:
        chosen = set(classes.of(predictions.dataset, names))
    except NotListedError as error:
        raise NotApplicable(str(error)) from None
    return np.flatnonzero([name in chosen for name in names])


def class_list(
    classes: Sequence[str] | str | None = None, dataset: str | None = None, **_: Any
) -> ClassList | None:
    """Read the list that the options of an evaluation name; raises UserError if it cannot be."""
    if classes is None:
        return None
    return ClassList.read(classes, dataset, "classes of an evaluation")


def check_lists(
    evaluations: Mapping[str, Callable[[Predictions], Scored]],
    targets: Mapping[str, tuple[str | None, Sequence[str]]],
) -> None:
    """Check before anything slow that the lists of evaluations can be read and are of a target.

    Args:
        evaluations: by name, functions of this module with their options.
        targets: name to data set and class names.

    Raises:
        UserError: a list cannot be read, or no evaluation says anything of any target.
    """
    reasons = []
    for name, evaluation in evaluations.items():
        options = getattr(evaluation, "keywords", {})
        lists = [one] if (one := class_list(**options)) else []
        if splits := options.get("splits"):
            lists = published_draws(splits, options.get("classes"), options.get("dataset"))
        for target, (dataset, names) in targets.items():
            try:
                for one in lists:
                    one.of(dataset, names)
            except NotListedError as error:
                reasons.append(f"evaluation={name} says nothing of target {target}: {error}")
    if len(reasons) == len(evaluations) * len(targets):
        raise UserError("; ".join(reasons))


def score(
    predictions: Predictions, candidates: np.ndarray, videos: np.ndarray | None = None
) -> Scored:
    """Score each draw of candidates and, where there are several, average.

    Args:
        predictions: of one target.
        candidates: (D, K) bool.
        videos: (D, V) bool, that take part; None for all whose class is a candidate.

    Returns:
        For one draw `top1`, `top5` (micro), `macro_top1`, `macro_top5` (mean over the classes that
        have videos), `videos` and `ties`; for several their means and standard deviations over
        draws, and `splits` with each draw. `classes` is the number of candidates, `list_sha256` the
        hash of all draws' class names.
    """
    places, tied = ranks(predictions.scores(), predictions.labels, candidates)
    if videos is not None:
        places, tied = np.where(videos, places, -1), tied & videos
    names = predictions.class_names
    common = {
        "classes": int(candidates[0].sum()),
        "list_sha256": lines_hash([n for draw in candidates for n in [*map(str, names[draw]), ""]]),
    }
    draws = accuracies(places, predictions.labels, len(names))
    rows = [{**d, "ties": int(twins.sum())} for d, twins in zip(draws, tied, strict=True)]
    if len(rows) == 1:
        return Scored({**rows[0], **common}, places)
    return Scored({**averages(draws), "draws": len(rows), **common, "splits": rows}, places)


def accuracies(places: np.ndarray, labels: np.ndarray, classes: int) -> list[dict[str, Any]]:
    """Turn ranks (D, V) into micro and macro accuracies of each draw; None without videos."""
    result: list[dict[str, Any]] = []
    for ranked in places:
        out_of = np.bincount(labels[ranked >= 0], minlength=classes)
        numbers: dict[str, Any] = {"videos": int(out_of.sum())}
        for key, k in (("top1", 1), ("top5", 5)):
            hits = np.bincount(labels[(ranked >= 0) & (ranked < k)], minlength=classes)
            there = out_of > 0
            known = bool(there.any())
            numbers[key] = float(100 * hits.sum() / out_of.sum()) if known else None
            numbers[f"macro_{key}"] = (
                100 * float((hits[there] / out_of[there]).mean()) if known else None
            )
        result.append(numbers)
    return result


def averages(draws: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Average `accuracies` over the draws that have videos, with the standard deviation over draws.

    The standard deviation has ddof = 0, NumPy's default, as other reports of this protocol have.
    Draws share videos and classes, so it is no standard error.
    """
    rows = [row for row in draws if row["videos"]]
    result: dict[str, Any] = {}
    for key in ("top1", "top5", "macro_top1", "macro_top5"):
        values = [row[key] for row in rows]
        result[f"{key}_mean"] = float(np.mean(values)) if rows else None
        result[f"{key}_std"] = float(np.std(values)) if rows else None
    return {**result, "std_ddof": 0}
