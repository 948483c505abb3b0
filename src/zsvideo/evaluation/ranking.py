"""How many candidates come before the right class: all of accuracy follows from these ranks.

Shapes: V videos, K classes, D draws, E embedding.
"""

from collections.abc import Iterator

import numpy as np

ROWS = 512  # videos ranked at a time: their scores stay in the cache
NEAR = 1e-5  # scores this close in single precision are compared in double precision
TIE = 1e-14  # and this close there they are equal: equal vectors, multiplied in another order


def ranks(
    embeddings: np.ndarray, labels: np.ndarray, vectors: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rank the right class of each video among the candidates of each draw, by cosine (Eq. 1).

    Of equal scores the class listed first comes first. The order is that of double precision; only
    scores too close to tell apart in single precision are computed twice.

    Args:
        embeddings: (V, E), of any length. One that is not finite is never right.
        labels: (V,) rows of `vectors`.
        vectors: (K, E) of the classes, of any length.
        draws: (D, K) bool, the candidates of each draw.

    Returns:
        (D, V) int32 ranks from 0, -1 where the right class is no candidate; and (D, V) bool, where
        another candidate has the same score as the right class.
    """
    exact = unit(vectors)
    single, chosen = exact.astype(np.float32), draws.T.astype(np.float32)
    places = np.full((len(draws), len(labels)), -1, np.int32)
    tied = np.zeros(places.shape, bool)
    for rows in chunks(len(labels)):
        own = labels[rows]
        unit_rows = unit(embeddings[rows])
        ahead = unit_rows.astype(np.float32) @ single.T
        ahead -= np.take_along_axis(ahead, own[:, None], axis=1)
        before = ahead > 0
        near_video, near_class = divmod(
            np.flatnonzero((np.abs(ahead) < NEAR).ravel()), len(vectors)
        )
        right = dot(unit_rows, exact[own])[near_video]
        other = dot(unit_rows[near_video], exact[near_class])
        equal = np.abs(other - right) < TIE
        earlier = near_class < own[near_video]
        before[near_video, near_class] = np.where(equal, earlier, other > right)
        place = (before.astype(np.float32) @ chosen).astype(np.int32)
        place[~np.isfinite(embeddings[rows]).all(axis=1)] = len(vectors)
        inside = draws[:, own].T
        places[:, rows] = np.where(inside, place, -1).T
        twins = equal & (near_class != own[near_video])
        for video, twin in zip(near_video[twins], near_class[twins], strict=True):
            tied[:, rows.start + video] |= draws[:, twin] & inside[video]
    return places, tied


def all_ranks(embeddings: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Rank every class for each video, (V, K) int32 from 0; ties go to the first."""
    exact = unit(vectors)
    places = np.empty((len(embeddings), len(vectors)), np.int32)
    counting = np.arange(len(vectors), dtype=np.int32)[None]
    for rows in chunks(len(embeddings)):
        order = np.argsort(-(unit(embeddings[rows]) @ exact.T), axis=1, kind="stable")
        np.put_along_axis(places[rows], order, counting, axis=1)
    places[~np.isfinite(embeddings).all(axis=1)] = len(vectors)
    return places


def best(embeddings: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the nearest class of each video (V,) and its cosine; ties go to the first."""
    exact = unit(vectors)
    nearest = np.empty(len(embeddings), np.int64)
    cosine = np.empty(len(embeddings))
    for rows in chunks(len(embeddings)):
        scores = unit(embeddings[rows]) @ exact.T
        top = scores.max(axis=1)
        nearest[rows] = (scores > top[:, None] - TIE).argmax(axis=1)
        cosine[rows] = top
    return nearest, cosine


def unit(rows: np.ndarray) -> np.ndarray:
    """Scale rows to length 1 in double precision; zero rows and such that are not finite are 0."""
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0).astype(np.float64)
    scaled: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)
    return scaled


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply row by row."""
    products: np.ndarray = (a * b).sum(axis=1)
    return products


def chunks(count: int) -> Iterator[slice]:
    """Cut videos into slices."""
    for start in range(0, count, ROWS):
        yield slice(start, min(start + ROWS, count))
