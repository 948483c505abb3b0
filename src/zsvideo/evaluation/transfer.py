"""Evaluations that ask how far test classes are from those trained on (Fig. 7), and generalised.

Shapes: V videos, K test classes, S classes trained on, T thresholds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import auc, roc_auc_score

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.protocols import NotApplicable, Scored, accuracies
from zsvideo.evaluation.ranking import cosine_scores, ranks, unit
from zsvideo.options import Count
from zsvideo.semantics.class_vectors import cosine_distances


def distance(predictions: Predictions, neighbours: Count = 10) -> Scored:
    """Score the test classes beyond each distance from the training classes (Fig. 7, Sec. 5.4).

    The distance of a test class is its mean cosine distance to its nearest training classes. All
    test classes stay candidates: the subset restricts which videos count.

    Args:
        predictions: of one target, with the class vectors trained on.
        neighbours: training classes in a mean; fewer where there are fewer.

    Returns:
        `distances` of each class, and for each of them as a threshold, ascending, in `curve`:
        `threshold`, `classes` and `videos` beyond it, and micro and macro accuracies of those.
        The first row, below all distances, holds every class.
    """
    if not isinstance(neighbours, int) or neighbours < 1:
        raise UserError(f"neighbours={neighbours} of an evaluation must be a whole number above 0")
    apart = class_distances(predictions, neighbours)
    count = len(predictions.class_names)
    places = ranks(predictions.scores(), predictions.labels, np.ones((1, count), bool))[0]
    thresholds = [0.0, *np.unique(apart)[:-1].tolist()]
    beyond = apart[predictions.labels] > np.array(thresholds)[:, None]
    beyond[0] = True
    rows = accuracies(np.where(beyond, places, -1), predictions.labels, count)
    curve = [
        {"threshold": t, "classes": int((apart > t).sum()) if n else count, **row}
        for n, (t, row) in enumerate(zip(thresholds, rows, strict=True))
    ]
    return Scored(
        {
            "neighbours": neighbours,
            "candidates": count,
            "distances": dict(zip(map(str, predictions.class_names), apart.tolist(), strict=True)),
            "curve": curve,
        }
    )


def class_distances(predictions: Predictions, neighbours: int) -> np.ndarray:
    """Give the mean cosine distance (K,) of test classes to their nearest training classes.

    Raises:
        NotApplicable: the classes trained on are unknown.
    """
    if predictions.trained_vectors is None:
        raise NotApplicable("the classes trained on are unknown")
    apart = cosine_distances(unit(predictions.class_vectors), unit(predictions.trained_vectors))
    nearest: np.ndarray = np.sort(apart, axis=1)[:, :neighbours].mean(axis=1)
    return nearest


def generalised(predictions: Predictions) -> Scored:
    """Score with the classes trained on as candidates beside the test classes.

    Accuracies are means over classes (macro), as is usual for this task. Calibrated stacking takes
    a constant from the cosine of every class trained on; as it grows, seen accuracy falls and
    unseen accuracy rises. The area under that curve does not depend on the constant.

    A gate (`novelty`, Roitberg et al., 2018) decides before that: a video above its threshold is
    compared with the test classes alone, any other with those trained on alone.

    Returns:
        `unseen` and `seen` accuracy without a constant, their `harmonic` mean, `ausuc` (area under
        the seen-unseen curve, 0..1), `best_harmonic` over the curve and its `constant`, which looks
        at test data; all but `unseen` are None without predictions of seen videos. `curve` holds
        up to 101 of its points. `gate` holds the numbers of a gate, where there is one.

    Raises:
        NotApplicable: the classes trained on are unknown, or videos are not compared with them.
    """
    if predictions.trained_vectors is None or predictions.trained_names is None:
        raise NotApplicable("the classes trained on are unknown")
    unseen = Sides.of(predictions, predictions, predictions.labels, seen=False)
    counts = {
        "classes": len(predictions.class_names) + len(predictions.trained_names),
        "unseen_classes": len(predictions.class_names),
        "seen_classes": len(predictions.trained_names),
        "videos": len(predictions.labels),
        "seen_videos": 0,
    }
    unseen_plain = float(unseen.accuracy(np.zeros(1))[0])
    nothing = dict.fromkeys(("seen", "harmonic", "ausuc", "best_harmonic", "constant", "curve"))
    if predictions.seen is None:
        return Scored({"unseen": unseen_plain, **nothing, **counts})
    rows = {str(name): row for row, name in enumerate(predictions.trained_names)}
    others = predictions.seen
    labels = np.array([rows.get(str(others.class_names[row]), -1) for row in others.labels])
    if (labels < 0).any():
        raise NotApplicable("the seen videos have classes that were not trained on")
    seen = Sides.of(predictions, others, labels, seen=True)
    seen_plain = float(seen.accuracy(np.zeros(1))[0])
    # Both accuracies only change where the constant passes a video's margin.
    steps = np.unique(np.concatenate([unseen.margins, seen.margins]))
    constants = np.concatenate([[-np.inf], (steps[:-1] + steps[1:]) / 2, [np.inf]])
    seens, unseens = seen.accuracy(constants), unseen.accuracy(constants)
    means = harmonic(seens, unseens)
    top = int(means.argmax())
    shown = np.unique(np.linspace(0, len(constants) - 1, 101).astype(int))
    numbers: dict[str, Any] = {
        "unseen": unseen_plain,
        "seen": seen_plain,
        "harmonic": float(harmonic(np.array([seen_plain]), np.array([unseen_plain]))[0]),
        "ausuc": float(auc(unseens, seens)) / 100**2,
        "best_harmonic": float(means[top]),
        "constant": float(constants[top]) if np.isfinite(constants[top]) else None,
        "curve": [[round(float(unseens[i]), 4), round(float(seens[i]), 4)] for i in shown],
    }
    if predictions.novelty is not None and others.novelty is not None:
        numbers["gate"] = gate(predictions, others, unseen, seen)
    return Scored({**numbers, **counts, "seen_videos": len(labels)})


def gate(
    predictions: Predictions, others: Predictions, unseen: "Sides", seen: "Sides"
) -> dict[str, float | None]:
    """Score hard routing by a novelty gate, at the threshold that it was fitted to.

    Args:
        predictions: of videos of the test classes, with novelty and threshold.
        others: of seen videos, with novelty.
        unseen: sides of the former.
        seen: sides of the latter.

    Returns:
        `unseen` and `seen` accuracy and their `harmonic` mean; `threshold`; and `auroc`, how well
        novelty alone tells the two kinds of videos apart (0..1), None where all are equal.
    """
    assert predictions.novelty is not None and others.novelty is not None
    threshold = predictions.novelty_threshold
    assert threshold is not None
    novelty = np.concatenate([predictions.novelty, others.novelty])
    novel = np.repeat([True, False], [len(predictions.novelty), len(others.novelty)])
    right = unseen.routed(predictions.novelty > threshold), seen.routed(others.novelty <= threshold)
    tied = bool(np.ptp(novelty) == 0)
    return {
        "unseen": right[0],
        "seen": right[1],
        "harmonic": float(harmonic(np.array(right[:1]), np.array(right[1:]))[0]),
        "threshold": threshold if np.isfinite(threshold) else None,
        "auroc": None if tied else float(roc_auc_score(novel, novelty)),
    }


def harmonic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Give the harmonic mean; 0 where both are 0."""
    total = a + b
    mean: np.ndarray = np.divide(2 * a * b, total, out=np.zeros(total.shape), where=total > 0)
    return mean


@dataclass(frozen=True)
class Sides:
    """Videos of one side, seen or unseen, with all that calibrated stacking needs of them.

    Attributes:
        margins: (V,) best cosine of a class trained on less that of a test class.
        right: (V,) bool, the right class is the best of its own side.
        weights: (V,) each video's share in the mean over classes, in percent.
        seen: which side this is.
    """

    margins: np.ndarray
    right: np.ndarray
    weights: np.ndarray
    seen: bool

    @staticmethod
    def of(both: Predictions, videos: Predictions, labels: np.ndarray, seen: bool) -> "Sides":
        """Compare videos with the classes of both sides; `labels` are rows of their own side."""
        unseen_scores, seen_scores = scores_of_sides(both, videos)
        own = seen_scores if seen else unseen_scores
        counts = np.bincount(labels)
        return Sides(
            margins=seen_scores.max(axis=1) - unseen_scores.max(axis=1),
            right=own.argmax(axis=1) == labels,
            weights=100 / (counts[labels] * (counts > 0).sum()),
            seen=seen,
        )

    def routed(self, own: np.ndarray) -> float:
        """Give the mean accuracy over classes (percent), where `own` (V,) says to ask own side."""
        return float((self.weights * self.right)[own].sum())

    def accuracy(self, constants: np.ndarray) -> np.ndarray:
        """Give the mean accuracy over classes (percent) for each constant; ties are unseen's."""
        order = np.argsort(self.margins)
        below = np.concatenate([[0], np.cumsum((self.weights * self.right)[order])])
        at_most = below[np.searchsorted(self.margins[order], constants, side="right")]
        return below[-1] - at_most if self.seen else at_most


def scores_of_sides(both: Predictions, videos: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Score videos among the test classes and among those trained on: (V, K) and (V, S).

    Args:
        both: with the classes of both sides.
        videos: these, or seen ones.

    Raises:
        NotApplicable: they are of a head that scored not all of them.
    """
    assert both.trained_vectors is not None and both.trained_names is not None
    if both.head_scores is None:
        vectors = both.class_vectors, both.trained_vectors
        unseen, seen = (cosine_scores(videos.embeddings, own) for own in vectors)
        return unseen, seen
    if videos.head_scores is None or videos.trained_scores is None:
        raise NotApplicable("the head gave no scores of the classes trained on")
    rows = {str(name): row for row, name in enumerate(videos.class_names)}
    places = [rows.get(str(name), -1) for name in both.class_names]
    if min(places) < 0:
        raise NotApplicable("the head gave no scores of the test classes for seen videos")
    return videos.head_scores[:, places].astype(float), videos.trained_scores.astype(float)
