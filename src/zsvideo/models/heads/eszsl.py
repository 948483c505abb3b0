"""ESZSL, the embarrassingly simple approach to zero-shot learning (Romera-Paredes and Torr, 2015).

Shapes: V videos, C classes trained on, K classes asked for, F features, D embedding.
"""

from typing import Literal

import torch
from torch import Tensor

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.moments import moments
from zsvideo.options import Positive, options


class Eszsl(Head):
    """W = (X^T X + gamma I)^-1 X^T Y S (S^T S + lam I)^-1 (Eq. 12), and the score x^T W s.

    It is the minimum of |X W S^T - Y|^2 + gamma |W S^T|^2 + lam |X W|^2 + gamma lam |W|^2 (Eq. 10).
    """

    @options
    class Options:
        """Of `head=eszsl`."""

        gamma: Positive | None = None
        """Weight of the squares of W S^T, times the mean of the diagonal of X^T X."""
        lam: Positive | None = None
        """Weight of the squares of X W, times the mean of the diagonal of S^T S."""
        labels: Literal["zero_one", "signed"] = "zero_one"
        """Y is 1 for the class of a video, and 0 or -1 for the others."""

    choices = {"gamma": (1e-3, 1e-2, 1e-1, 1.0), "lam": (1e-2, 1e-1, 1.0, 10.0)}
    substituted = (
        "attributes of classes -> the run's class vectors",
        "labels -1 and 1 -> 0 and 1, but for labels=signed",
    )

    weight: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("weight", torch.zeros(feature_dim, embedding_dim))

    def fit(self, training: Training) -> None:
        """Add up the moments in one pass over the videos, then solve twice."""
        sums, vectors = moments(training), training.vectors.double()
        self.weight.copy_(
            solve(
                sums.square,
                aims(sums.totals, self.options.labels) @ vectors,
                vectors.T @ vectors,
                self.options.gamma,
                self.options.lam,
            )
        )

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Multiply features, weight and class vectors."""
        return features.mean @ self.weight @ vectors.T


def aims(totals: Tensor, labels: str) -> Tensor:
    """Take X^T Y (F, C) from the sums of features by class (C, F)."""
    return totals.T if labels == "zero_one" else (2 * totals - totals.sum(dim=0)).T


def solve(square: Tensor, cross: Tensor, outer: Tensor, gamma: float, lam: float) -> Tensor:
    """Solve Eq. 12 with weights relative to the diagonals.

    Args:
        square: X^T X, (F, F).
        cross: X^T Y S, (F, D).
        outer: S^T S, (D, D).
        gamma: relative to the mean of the diagonal of `square`.
        lam: relative to the mean of the diagonal of `outer`.

    Returns:
        (F, D).
    """
    left = torch.linalg.solve(ridged(square, gamma), cross)
    weight: Tensor = torch.linalg.solve(ridged(outer, lam), left, left=False)
    return weight


def ridged(square: Tensor, weight: float) -> Tensor:
    """Add `weight` times the mean of the diagonal to the diagonal."""
    return square + weight * square.diagonal().mean() * torch.eye(len(square)).to(square)
