"""Ridge regression to word vectors, and the nearest class by cosine (Xu et al., 2015)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.options import Number, options


class Ridge(Head):
    """W = (X^T X + lam n I)^-1 X^T S, of centred features."""

    @options
    class Options:
        """Of `head=ridge`."""

        lam: Number | None = None
        """Weight of |W|^2, times the number of videos and the mean variance of a feature."""

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
        vectors = training.vectors.double()
        square = torch.zeros(self.feature_dim, self.feature_dim, dtype=torch.float64)
        cross = torch.zeros(self.feature_dim, self.embedding_dim, dtype=torch.float64)
        total, aim = (
            torch.zeros(self.feature_dim).double(),
            torch.zeros(self.embedding_dim).double(),
        )
        for features, labels in training.in_order():
            x, s = features.mean.double(), vectors[labels]
            square += x.T @ x
            cross += x.T @ s
            total += x.sum(dim=0)
            aim += s.sum(dim=0)
        mean, goal = total / len(training), aim / len(training)
        square -= len(training) * torch.outer(mean, mean)
        cross -= len(training) * torch.outer(mean, goal)
        penalty = self.options.lam * square.diagonal().mean()
        square.diagonal().add_(penalty)
        self.weight.copy_(torch.linalg.solve(square, cross))
        self.mean.copy_(mean)
        self.bias.copy_(goal)

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine."""
        embeddings = (features.mean - self.mean) @ self.weight + self.bias
        return F.normalize(embeddings, dim=1) @ F.normalize(vectors, dim=1).T
