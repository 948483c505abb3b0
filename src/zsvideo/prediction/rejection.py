"""None of these: when no name fits, and how sure an answer is; fitted when a model is trained.

A user's names are mostly of classes that a model never saw. So both numbers are fitted on videos of
classes that were not trained on, under candidate lists drawn at random, half of which lack a
video's own class. Shapes: V videos, K classes, D embedding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zsvideo.evaluation.ranking import unit

TURNED_AWAY = 0.1  # share of the videos of listed classes that the threshold may turn away
DRAWS = 200  # candidate lists
MOST = 50  # names of a candidate list
FEWEST = {"videos": 20, "classes": 4}  # that a threshold is fitted on
BINS = 10  # of the calibration error
TEMPERATURES = np.geomspace(0.005, 1, 80)  # that are tried


@dataclass(frozen=True)
class NoneOfThese:
    """A threshold on the best cosine, a temperature, and how well both do.

    The errors are measured on classes that were not used to fit: the classes are cut into two
    halves, and each is judged by what the other gives.

    Attributes:
        threshold: below this cosine of the best name none of the names is said to fit.
        temperature: probabilities are a softmax of cosine / temperature.
        turned_away: share of videos whose class is listed that are told none of these.
        let_through: share of videos whose class is not listed that are given a name.
        auroc: of the best cosine, listed classes against others; 0.5 is chance.
        calibration_error: mean distance of probability and share of right answers (ECE), where
            the class is listed.
        videos: that were fitted on.
        classes: of these.
        fitted_on: what they are, in words.
        targets: the same errors on the videos of each target, which had no part in the fit.
    """

    threshold: float
    temperature: float
    turned_away: float
    let_through: float
    auroc: float
    calibration_error: float
    videos: int
    classes: int
    fitted_on: str
    targets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Give it as plain data, for a run's record."""
        return asdict(self)

    def says(self, best: float) -> bool:
        """Tell whether no name fits, from the cosine of the best one."""
        return best < self.threshold

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Turn cosines (..., K) to probabilities (..., K), given that one of the names is right."""
        return softmax(scores / self.temperature)


@dataclass(frozen=True)
class Trials:
    """What happens to videos under candidate lists.

    Attributes:
        listed: (N,) bool, the video's class was in the list.
        best: (N,) cosine of the best name.
        scores: (N, K) cosines of the list, -inf where a shorter list has none.
        own: (N,) place of the right name in the list, -1 where it is not listed.
    """

    listed: np.ndarray
    best: np.ndarray
    scores: np.ndarray
    own: np.ndarray


def fit_none_of_these(
    embeddings: np.ndarray,
    labels: np.ndarray,
    vectors: np.ndarray,
    fitted_on: str,
    seed: int = 0,
) -> NoneOfThese | None:
    """Fit threshold and temperature; None where there are too few videos or classes.

    Args:
        embeddings: (V, D) of videos of classes that were not trained on.
        labels: (V,) rows of `vectors`.
        vectors: (K, D) of these classes, and of others that a list may hold.
        fitted_on: what the videos are, in words.
        seed: of the candidate lists.
    """
    classes = np.unique(labels)
    if not enough(len(embeddings), len(classes)) or len(vectors) < 4:
        return None
    rng = np.random.default_rng(seed)
    scores = unit(embeddings) @ unit(vectors).T
    whole = trials(scores, labels, rng)
    halves = [np.isin(labels, part) for part in np.array_split(rng.permutation(classes), 2)]
    parts = [trials(scores[half], labels[half], rng) for half in halves]
    errors = [
        measured(parts[1 - i], threshold_of(part), temperature_of(part))
        for i, part in enumerate(parts)
    ]
    away, through, calibration = np.mean(errors, axis=0)
    return NoneOfThese(
        threshold=threshold_of(whole),
        temperature=temperature_of(whole),
        turned_away=float(away),
        let_through=float(through),
        auroc=auroc(whole.best, whole.listed),
        calibration_error=float(calibration),
        videos=len(embeddings),
        classes=len(classes),
        fitted_on=fitted_on,
    )


def enough(videos: int, classes: int) -> bool:
    """Tell whether there is enough to fit a threshold on, and to measure its error."""
    return videos >= FEWEST["videos"] and classes >= FEWEST["classes"]


def judge(
    fitted: NoneOfThese,
    embeddings: np.ndarray,
    labels: np.ndarray,
    vectors: np.ndarray,
    seed: int = 0,
) -> dict[str, float] | None:
    """Measure a threshold on videos that had no part in it; None where there are too few.

    Args:
        fitted: the threshold.
        embeddings: (V, D).
        labels: (V,) rows of `vectors`.
        vectors: (K, D).
        seed: of the candidate lists.
    """
    if not enough(len(embeddings), len(np.unique(labels))):
        return None
    scores = unit(embeddings) @ unit(vectors).T
    judged = trials(scores, labels, np.random.default_rng(seed))
    away, through, calibration = measured(judged, fitted.threshold, fitted.temperature)
    return {
        "turned_away": away,
        "let_through": through,
        "auroc": auroc(judged.best, judged.listed),
        "calibration_error": calibration,
        "videos": len(embeddings),
    }


def trials(scores: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> Trials:
    """Draw candidate lists of 2 to `MOST` names, with and without each video's class.

    Args:
        scores: (V, K) cosines.
        labels: (V,).
        rng: of the lists.
    """
    parts = list(drawn(scores, labels, rng))
    return Trials(*(np.concatenate([part[i] for part in parts]) for i in range(4)))


def drawn(
    scores: np.ndarray, labels: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Give the fields of `Trials` for one list at a time; of a list half the videos are listed."""
    count = scores.shape[1]
    longest = min(MOST, count - 1)
    classes = np.unique(labels)
    for _ in range(DRAWS):
        size = int(np.exp(rng.uniform(np.log(2), np.log(longest + 1))))
        inside = rng.permutation(classes)[: max(min(size, len(classes)) // 2, 1)]
        others = np.setdiff1d(np.arange(count), classes)
        fill = rng.permutation(others)[: max(size - len(inside), 0)]
        names = np.concatenate([inside, fill])
        listed = np.isin(labels, names)
        padded = np.full((len(labels), longest + 1), -np.inf)
        padded[:, : len(names)] = scores[:, names]
        own = np.where(listed, (labels[:, None] == names).argmax(axis=1), -1)
        yield listed, padded.max(axis=1), padded, own


def threshold_of(fitted: Trials) -> float:
    """Find the cosine that turns away `TURNED_AWAY` of the videos of listed classes."""
    return float(np.quantile(fitted.best[fitted.listed], TURNED_AWAY))


def temperature_of(fitted: Trials) -> float:
    """Find the temperature of the likeliest right names, where they are listed."""
    scores, own = fitted.scores[fitted.listed], fitted.own[fitted.listed]
    rows = np.arange(len(own))

    chances = [softmax(scores / temperature)[rows, own] for temperature in TEMPERATURES]
    losses = [-np.log(np.maximum(chance, 1e-12)).mean() for chance in chances]
    return float(TEMPERATURES[np.argmin(losses)])


def measured(judged: Trials, threshold: float, temperature: float) -> tuple[float, float, float]:
    """Measure the shares turned away and let through, and the calibration error."""
    away = float((judged.best[judged.listed] < threshold).mean())
    through = (
        float((judged.best[~judged.listed] >= threshold).mean()) if (~judged.listed).any() else 0.0
    )
    chances = softmax(judged.scores[judged.listed] / temperature)
    right = chances.argmax(axis=1) == judged.own[judged.listed]
    return away, through, calibration_error(chances.max(axis=1), right)


def calibration_error(chances: np.ndarray, right: np.ndarray) -> float:
    """Average the distance of probability and share of right answers over bins of equal width."""
    places = np.minimum((chances * BINS).astype(int), BINS - 1)
    return float(
        sum(
            abs(chances[own].mean() - right[own].mean()) * own.mean()
            for own in (places == i for i in range(BINS))
            if own.any()
        )
    )


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Compute the chance that a positive scores above a negative, ties half."""
    own, others = scores[positive], np.sort(scores[~positive])
    if not len(own) or not len(others):
        return float("nan")
    below = np.searchsorted(others, own) + np.searchsorted(others, own, side="right")
    return float(below.mean() / 2 / len(others))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits (..., K) to shares that sum to 1; -inf is no candidate."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return shares
