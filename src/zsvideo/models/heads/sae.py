"""SAE, the semantic autoencoder (Kodirov et al., CVPR 2017).

Shapes: V videos, B of them, K classes asked for, F features, D embedding.
"""

from typing import Literal

import torch
from scipy.linalg import solve_sylvester
from torch import Tensor

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.moments import moments
from zsvideo.models.heads.similarity import cosines
from zsvideo.options import Positive, options


class Sae(Head):
    """W of min |X - S W|^2 + lam |X W^T - S|^2 (Eq. 4), so that W encodes and W^T decodes.

    It solves S^T S W + lam W X^T X = (1 + lam) S^T X (Eq. 6), of centred features and class
    vectors.
    """

    @options
    class Options:
        """Of `head=sae`."""

        lam: Positive | None = None
        """Weight of the encoder's error, with features scaled to unit length in the mean."""
        direction: Literal["semantic", "visual", "both"] = "semantic"
        """Compare class vectors with encoded videos, videos with decoded class vectors, or both."""

    choices = {"lam": (1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)}
    substituted = (
        "attributes of classes -> the run's class vectors",
        "GoogLeNet features of unit length -> cached features of unit length in the mean",
        "as they are -> features and class vectors centred",
    )

    weight: Tensor
    mean: Tensor
    goal: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("weight", torch.zeros(embedding_dim, feature_dim))
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("goal", torch.zeros(embedding_dim))
        self.register_buffer("length", torch.ones(()))

    length: Tensor

    def fit(self, training: Training) -> None:
        """Add up the moments in one pass over the videos, then solve the Sylvester equation."""
        sums, vectors = moments(training), training.vectors.double()
        goal = sums.goal(vectors)
        length = (sums.scatter.trace() / sums.count).sqrt()
        weighted = (vectors - goal) * sums.counts[:, None]
        weight = autoencoder(
            sums.scatter / length**2,
            sums.cross(vectors) / length,
            weighted.T @ (vectors - goal),
            self.options.lam,
        )
        self.weight.copy_(weight)
        self.mean.copy_(sums.mean)
        self.goal.copy_(goal)
        self.length.copy_(length)

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine, among class vectors, among features, or the sum of both."""
        x = (features.mean - self.mean) / self.length
        scores = []
        if self.options.direction != "visual":
            scores.append(cosines(x @ self.weight.T + self.goal, vectors))
        if self.options.direction != "semantic":
            scores.append(cosines(x, (vectors - self.goal) @ self.weight))
        return torch.stack(scores).sum(dim=0)


def autoencoder(square: Tensor, cross: Tensor, outer: Tensor, lam: float) -> Tensor:
    """Solve Eq. 6.

    Args:
        square: X^T X, (F, F) float64.
        cross: X^T S, (F, D) float64.
        outer: S^T S, (D, D) float64.
        lam: of Eq. 4.

    Returns:
        W, (D, F).
    """
    a, b, c = outer, lam * square, (1 + lam) * cross.T
    return torch.as_tensor(solve_sylvester(a.numpy(), b.numpy(), c.numpy()))
