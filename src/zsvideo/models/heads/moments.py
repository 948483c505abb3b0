"""First and second moments of features, added up in one pass, and the ridge solution of them.

Class vectors are the same for all videos of a class, so sums of x s^T follow from sums of x by
class. Shapes: V videos, B of them, C classes, F features (or M of a map of them), D embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zsvideo.errors import UserError
from zsvideo.models.heads.base import Training

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Moments:
    """Sums over videos, each times its weight, in float64.

    Attributes:
        square: (F, F), of x x^T.
        totals: (C, F), of x by class.
        counts: (C,), of the weights by class.
    """

    square: Tensor
    totals: Tensor
    counts: Tensor

    @property
    def count(self) -> Tensor:
        """The sum of all weights."""
        return self.counts.sum()

    @property
    def mean(self) -> Tensor:
        """The mean feature, (F,)."""
        return self.totals.sum(dim=0) / self.count

    @property
    def class_means(self) -> Tensor:
        """The mean feature of each class, (C, F); 0 of one without videos."""
        return self.totals / self.counts.clamp(min=torch.finfo(torch.float64).tiny)[:, None]

    @property
    def scatter(self) -> Tensor:
        """The sum of (x - mean)(x - mean)^T, (F, F)."""
        return self.square - self.count * torch.outer(self.mean, self.mean)

    @property
    def within(self) -> Tensor:
        """The sum of (x - m)(x - m)^T with m the mean of the own class, (F, F)."""
        return self.square - self.totals.T @ self.class_means

    def goal(self, vectors: Tensor) -> Tensor:
        """Take the mean of class vectors (C, D) over the videos: (D,)."""
        return self.counts @ vectors / self.count

    def cross(self, vectors: Tensor) -> Tensor:
        """Sum (x - mean)(s - goal)^T for class vectors s (C, D): (F, D)."""
        return self.totals.T @ (vectors - self.goal(vectors))


def moments(training: Training, weights: Tensor | None = None, map: Map | None = None) -> Moments:
    """Add up the moments of the mean features.

    Args:
        training: the videos.
        weights: (V,) of the videos; None for 1.
        map: of features (B, F) float64 to others (B, M), of which the moments are taken.
    """
    square, totals = torch.zeros(()).double(), None
    counts = torch.zeros(len(training.vectors)).double()
    start = 0
    for features, labels in training.in_order():
        x = features.mean.double()
        x = x if map is None else map(x)
        weight = torch.ones(len(x)).double()
        if weights is not None:
            weight = weights[start : start + len(x)].double()
        start += len(x)
        weighted = x * weight[:, None]
        if totals is None:
            totals = torch.zeros(len(counts), x.shape[1]).double()
        square = square + x.T @ weighted
        totals.index_add_(0, labels, weighted)
        counts.index_add_(0, labels, weight)
    assert totals is not None, "no videos"
    return Moments(square, totals, counts)


def regression(sums: Moments, vectors: Tensor, lam: float) -> Tensor:
    """Solve W = (X^T X + lam t I)^-1 X^T S of centred features and class vectors.

    Args:
        sums: of the features.
        vectors: (C, D) float64.
        lam: weight of |W|^2, relative to t, the mean of the diagonal of X^T X.

    Returns:
        (F, D) float64.

    Raises:
        UserError: it has no single solution without a larger `lam`.
    """
    scatter = sums.scatter
    scatter.diagonal().add_(lam * scatter.diagonal().mean())
    solution: Tensor
    solution, singular = torch.linalg.solve_ex(scatter, sums.cross(vectors))
    if singular:
        raise UserError(
            f"head.lam={lam:g} is too small for these features, which depend on each other; "
            "give a larger one"
        )
    return solution
