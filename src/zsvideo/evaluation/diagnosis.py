"""What is behind an accuracy: classes, confusions, hubs, and what the scores are worth.

Shapes: V videos, K classes.
"""

from typing import Any

import numpy as np
from scipy.stats import skew
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score

from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.ranking import ranks

BINS = 10
LISTED = 20


def diagnose(predictions: Predictions) -> dict[str, Any]:
    """Look into the scoring of all videos against all classes (Evaluation Protocol 2).

    Returns:
        `per_class`, `confused`, `hubness` and `calibration`; see the functions below.
    """
    count = len(predictions.class_names)
    scores = predictions.scores()
    places, _ = ranks(scores, predictions.labels, np.ones((1, count), bool))
    matrix = confusion_matrix(predictions)
    return {
        "per_class": per_class(predictions, places[0], matrix),
        "confused": confused(predictions, matrix),
        "hubness": hubness(predictions, matrix),
        "calibration": calibration(np.nan_to_num(scores.max(axis=1)), places[0] == 0),
    }


def confusion_matrix(predictions: Predictions) -> np.ndarray:
    """Count the videos (K, K) of each class by the class that they are taken for."""
    count = len(predictions.class_names)
    pairs = np.bincount(predictions.labels * count + predictions.nearest(), minlength=count**2)
    return pairs.reshape(count, count)


def per_class(
    predictions: Predictions, places: np.ndarray, matrix: np.ndarray
) -> list[dict[str, Any]]:
    """List each class: its videos, top-1 and top-5 (None without videos), how often predicted."""
    rows = []
    for label, name in enumerate(predictions.class_names):
        own = places[predictions.labels == label]
        rows.append(
            {
                "class": str(name),
                "videos": len(own),
                "top1": 100 * float((own < 1).mean()) if len(own) else None,
                "top5": 100 * float((own < 5).mean()) if len(own) else None,
                "predicted": int(matrix[:, label].sum()),
            }
        )
    return rows


def confused(predictions: Predictions, matrix: np.ndarray) -> list[dict[str, Any]]:
    """List the pairs of a class and the wrong class it is most often taken for."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:LISTED]
    return [
        {
            "class": str(predictions.class_names[true]),
            "taken_for": str(predictions.class_names[said]),
            "videos": int(wrong[true, said]),
            "percent": 100 * float(wrong[true, said] / matrix[true].sum()),
        }
        for true, said in zip(*np.unravel_index(order, wrong.shape), strict=True)
        if wrong[true, said]
    ]


def hubness(predictions: Predictions, matrix: np.ndarray) -> dict[str, Any]:
    """Tell how unevenly classes are predicted: `skewness` of the counts, hubs, classes never said.

    A hub is a class that is nearest to the embeddings of many classes; the skewness of the counts
    is the usual measure (0 where all are predicted alike).
    """
    counts = matrix.sum(axis=0)
    order = np.argsort(-counts, kind="stable")[:LISTED]
    even = bool((counts == counts[0]).all())
    return {
        "skewness": 0.0 if even else float(skew(counts)),
        "hubs": [[str(predictions.class_names[row]), int(counts[row])] for row in order],
        "never": [str(predictions.class_names[row]) for row in np.flatnonzero(counts == 0)],
    }


def calibration(score: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Tell what the score of the predicted class (V,) is worth as a confidence.

    Returns:
        `auroc`: how often a right prediction has the higher score (None if all are right or all
        wrong); `ece`: mean gap between the score, cut to 0..1 and read as a probability, and
        accuracy over ten bins of as many videos; `bins`: [mean score, accuracy] of each.
    """
    probability = np.clip(score, 0, 1)
    accuracy, mean = calibration_curve(right, probability, n_bins=BINS, strategy="quantile")
    edges = np.percentile(probability, np.linspace(0, 100, BINS + 1))
    bins = np.searchsorted(edges[1:-1], probability)
    counts = np.bincount(bins, minlength=BINS)
    counts = counts[counts > 0]
    mixed = 0 < right.sum() < len(right)
    return {
        "auroc": float(roc_auc_score(right, score)) if mixed else None,
        "ece": float((np.abs(accuracy - mean) * counts).sum() / counts.sum()),
        "bins": [[float(m), float(a)] for m, a in zip(mean, accuracy, strict=True)],
    }
