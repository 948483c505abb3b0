"""Sammon mapping with landmarks: place points by their distances to known ones and to each other.

Sammon (1969); with landmarks Wang and Chen (IJCV 2017). Shapes: L landmarks, K points to place, E
dimensions.
"""

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.distance import cdist, squareform

SMALLEST = 1e-6  # distances below this, relative to their mean, count as this
STEPS = 1000  # of L-BFGS at most


def place(
    landmarks: np.ndarray, to_landmarks: np.ndarray, among: np.ndarray, start: np.ndarray
) -> tuple[np.ndarray, list[float]]:
    """Place points so that their distances are as asked for, by L-BFGS.

    Args:
        landmarks: (L, E).
        to_landmarks: (K, L) distances asked for.
        among: (K, K) distances asked for.
        start: (K, E), where the points begin.

    Returns:
        The points (K, E), and the stress at the start and after each step.
    """
    floor = SMALLEST * to_landmarks.mean()
    goals = np.maximum(to_landmarks, floor), np.maximum(among, floor)

    def aim(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = stress(flat.reshape(start.shape), landmarks, *goals)
        return value, gradient.ravel()

    history = [aim(start.ravel())[0]]
    solution = minimize(
        aim,
        start.ravel(),
        jac=True,
        method="L-BFGS-B",
        callback=lambda flat: history.append(aim(flat)[0]),
        options={"maxiter": STEPS, "maxfun": 2 * STEPS, "ftol": 1e-13, "gtol": 1e-9},
    )
    return solution.x.reshape(start.shape), history


def stress(
    points: np.ndarray, landmarks: np.ndarray, to_landmarks: np.ndarray, among: np.ndarray
) -> tuple[float, np.ndarray]:
    """Measure sum (|b - b'| - d)^2 / d over all pairs with a point, over sum d; with its gradient.

    Args:
        points: (K, E).
        landmarks: (L, E).
        to_landmarks: (K, L) distances asked for, above 0.
        among: (K, K) likewise, but for its diagonal, which has no part.

    Returns:
        The stress, and its derivative by the points (K, E).
    """
    total = to_landmarks.sum() + squareform(among, checks=False).sum()
    among = among + np.eye(len(among))  # its diagonal is divided by, but has no error
    value, gradient = 0.0, np.zeros_like(points)
    for others, goal, share in ((landmarks, to_landmarks, 1.0), (points, among, 0.5)):
        distances = cdist(points, others)
        error = distances - goal
        if others is points:
            np.fill_diagonal(error, 0.0)
        slope = error / (goal * np.maximum(distances, np.finfo(float).tiny))
        value += share * (error**2 / goal).sum()
        gradient += 2 * (slope.sum(axis=1)[:, None] * points - slope @ others)
    return value / total, gradient / total
