"""How many candidates come before the right class: all of accuracy follows from these ranks.

Shapes: V videos, K classes, D draws, E embedding.
"""

from collections.abc import Iterator

import numpy as np

ROWS = 512  # videos at a time: their scores stay in the processor's cache
TIE = 1e-14  # scores this close are equal: equal vectors, multiplied in another order


def cosine_scores(embeddings: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Compute the cosine of each embedding with each class vector, in double precision (Eq. 1).

    Args:
        embeddings: (V, E), of any length.
        vectors: (K, E) of the classes, of any length.

    Returns:
        (V, K) float64; the row of an embedding that is not finite is NaN.
    """
    exact = unit(vectors).T
    scores = np.empty((len(embeddings), len(vectors)))
    for rows in chunks(len(embeddings)):
        np.matmul(unit(embeddings[rows]), exact, out=scores[rows])
    scores[~np.isfinite(embeddings).all(axis=1)] = np.nan
    return scores


def ranks(
    scores: np.ndarray, labels: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the right class of each video among the candidates of each draw.

    Of equal scores the class listed first comes first.

    Args:
        scores: (V, K), higher is better. A video whose own score is not finite is never right.
        labels: (V,) rows of the classes.
        draws: (D, K) bool, the candidates of each draw.

    Returns:
        (D, V) int32 ranks from 0, -1 where the right class is no candidate; and (D, V) bool, where
        another candidate has the same score as the right class.
    """
    candidates = draws.T.astype(np.float32)
    order = np.empty((len(draws), len(labels)), np.int32)
    tied = np.zeros(order.shape, bool)
    for rows in chunks(len(labels)):
        own = labels[rows]
        right = np.take_along_axis(scores[rows], own[:, None], axis=1)
        ahead = scores[rows] - right
        before = ahead > 0
        video, twin = np.nonzero(np.abs(ahead, out=ahead) < TIE)
        before[video, twin] = twin < own[video]
        rank = (before.astype(np.float32) @ candidates).astype(np.int32)
        rank[~np.isfinite(right[:, 0])] = draws.shape[1]
        inside = draws[:, own]
        order[:, rows] = np.where(inside, rank.T, -1)
        for one, other in zip(video, twin, strict=True):
            if other != own[one]:
                tied[:, rows.start + one] |= draws[:, other] & inside[:, one]
    return order, tied


def all_ranks(scores: np.ndarray) -> np.ndarray:
    """Rank every class for each video, (V, K) int32 from 0; ties go to the first."""
    order = np.empty(scores.shape, np.int32)
    counting = np.arange(scores.shape[1], dtype=np.int32)[None]
    for rows in chunks(len(scores)):
        best_first = np.argsort(-scores[rows], axis=1, kind="stable")
        np.put_along_axis(order[rows], best_first, counting, axis=1)
    order[~np.isfinite(scores).all(axis=1)] = scores.shape[1]
    return order


def best(scores: np.ndarray) -> np.ndarray:
    """Return the class of the best score of each video, (V,); ties go to the first."""
    top = scores.max(axis=1, keepdims=True)
    nearest: np.ndarray = (scores > top - TIE).argmax(axis=1)
    return nearest


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1 in double precision; zero rows and such that are not finite are 0."""
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0).astype(np.float64)
    scaled: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    return scaled


def chunks(count: int) -> Iterator[slice]:
    """Cut videos into slices."""
    for start in range(0, count, ROWS):
        yield slice(start, min(start + ROWS, count))
