"""Ridge regression to word vectors, and the nearest class by cosine (Xu et al., 2015)."""

import torch
from torch import Tensor

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.moments import moments, regression
from zsvideo.models.heads.similarity import cosines
from zsvideo.options import Number, options


class Ridge(Head):
    """W = (X^T X + lam n I)^-1 X^T S, of centred features."""

    @options
    class Options:
        """Of `head=ridge`."""

        lam: Number | None = None
        """Weight of the squares of W, times the number of videos and the mean variance of a
        feature."""

    choices = {"lam": (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)}

    weight: Tensor
    mean: Tensor
    bias: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("weight", torch.zeros(feature_dim, embedding_dim))
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("bias", torch.zeros(embedding_dim))

    def fit(self, training: Training) -> None:
        """Add up the moments in one pass over the videos, then solve."""
        sums, vectors = moments(training), training.vectors.double()
        self.weight.copy_(regression(sums, vectors, self.options.lam))
        self.mean.copy_(sums.mean)
        self.bias.copy_(sums.goal(vectors))

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine."""
        return cosines((features.mean - self.mean) @ self.weight + self.bias, vectors)
