"""The evaluation protocols: how one set of predictions is scored (Sec. 4.3).

Each function takes predictions and gives plain numbers, accuracies in percent.
"""

from typing import Any

import numpy as np
import torch

from src.evaluation.accuracy import ZeroShotAccuracy
from src.evaluation.predictions import Predictions


def accuracy(predictions: Predictions) -> dict[str, Any]:
    """Score all videos against all candidates of the predictions."""
    metric = ZeroShotAccuracy(torch.from_numpy(predictions.class_vectors))
    metric.update(torch.from_numpy(predictions.embeddings), torch.from_numpy(predictions.labels))
    return metric.compute()


def full(predictions: Predictions) -> dict[str, Any]:
    """Evaluation Protocol 2: all classes are candidates."""
    return {**accuracy(predictions), "classes": len(predictions.class_names)}


def half_classes(count: int, draw: int) -> np.ndarray:
    """Draw half of `count` classes, as rows of the sorted list; the draws 0, 1, ... are seeds."""
    return np.random.RandomState(draw).permutation(count)[: count // 2]


def half(predictions: Predictions, draws: int) -> dict[str, Any]:
    """Evaluation Protocol 1: the mean over draws of half the classes, alone as candidates.

    Returns:
        Means and standard deviations (over draws, ddof = 0) of top-1 and top-5, `classes` in a
        draw, and `splits`: for each draw its accuracies and number of videos. A draw without a
        video, as an incomplete data set has it, is listed and left out of the mean.
    """
    count = len(predictions.class_names)
    splits = [accuracy(predictions.among(half_classes(count, draw))) for draw in range(draws)]
    return {**mean_and_std(splits), "classes": count // 2, "splits": splits}


def shuffled(predictions: Predictions, permutations: int) -> dict[str, Any]:
    """A control: class vectors dealt out anew among the classes, which must score like chance.

    Returns:
        Mean, standard deviation and the central 95% interval of top-1 over permutations, and
        `chance_top1`, 100 / K.
    """
    count = len(predictions.class_names)
    rng = np.random.default_rng(0)
    scored = [
        accuracy(
            Predictions(**vars(predictions) | {
                "class_vectors": predictions.class_vectors[rng.permutation(count)]
            })
        )
        for _ in range(permutations)
    ]  # fmt: skip
    low, high = np.percentile([s["top1"] for s in scored], [2.5, 97.5])
    return {
        **mean_and_std(scored),
        "top1_low": float(low),
        "top1_high": float(high),
        "chance_top1": 100.0 / count,
        "classes": count,
    }


def mean_and_std(scored: list[dict[str, Any]]) -> dict[str, float | None]:
    """Average top-1 and top-5 over scorings that have videos; None if none has."""
    rows = [s for s in scored if s["videos"]]
    result: dict[str, float | None] = {}
    for key in ("top1", "top5"):
        values = [row[key] for row in rows]
        result[f"{key}_mean"] = float(np.mean(values)) if rows else None
        result[f"{key}_std"] = float(np.std(values)) if rows else None
    return result
