"""Bilinear compatibility of features and class vectors, learned by three ranking losses.

DeViSE (Frome et al., NIPS 2013, Eq. 1), ALE (Akata et al., CVPR 2013 and PAMI 2016, Sec. 3) and
SJE (Akata et al., CVPR 2015, Eq. 4); written from memory.

Shapes: B videos, C classes trained on, K classes asked for, F features, D embedding.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.descent import Scaling, descend
from zsvideo.options import Count, Number, options


def violations(scores: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Say how far each other class comes within the margin of the right one.

    Args:
        scores: (B, C).
        labels: (B,).
        margin: see there.

    Returns:
        (B, C) not negative; 0 for the right class.
    """
    right = scores.gather(1, labels[:, None])
    return F.relu(margin + scores - right).scatter(1, labels[:, None], 0.0)


def summed(excess: Tensor) -> Tensor:
    """Add up the violations of a video (DeViSE): (B, C) to (B,)."""
    return excess.sum(dim=1)


def by_rank(excess: Tensor) -> Tensor:
    """Weight them by the number r of classes that violate (ALE): their mean times 1 + ... + 1/r."""
    size = excess.shape[1]
    harmonic = 1 / torch.arange(1, size + 1, device=excess.device, dtype=excess.dtype)
    weights = F.pad(harmonic.cumsum(0), (1, 0))
    count = (excess > 0).sum(dim=1)
    return weights[count] * excess.sum(dim=1) / count.clamp(min=1)


def largest(excess: Tensor) -> Tensor:
    """Take the largest (SJE): (B, C) to (B,)."""
    return excess.amax(dim=1)


class Bilinear(Head):
    """F(x, y) = x^T W s_y of scaled features; `rank` of a subclass makes a loss of violations.

    Attributes:
        rank: from violations (B, C) to a loss (B,).
    """

    rank: Callable[[Tensor], Tensor]

    @options
    class Options:
        """Of `head=devise`, `head=ale` and `head=sje`."""

        margin: Number | None = None
        """By which the right class has to be ahead."""
        lr: Number | None = None
        """Learning rate of Adam."""
        epochs: Count = 20
        """Passes over the videos."""
        batch_size: Count = 512
        """Videos of a step."""

    choices = {"margin": (0.1, 0.2, 0.5, 1.0), "lr": (1e-4, 3e-4, 1e-3, 3e-3)}

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.scaling = Scaling(feature_dim)
        self.weight = nn.Linear(feature_dim, embedding_dim, bias=False)

    def fit(self, training: Training) -> None:
        """Descend along the mean loss of batches."""
        self.scaling.fit(training)
        vectors = training.vectors.to(self.weight.weight)

        def loss(features: Features, labels: Tensor, epoch: int) -> Tensor:
            return self.loss(self.scores(features, vectors), labels)

        descend([self], training, loss, self.options)

    def loss(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Rank the right class (B,) among scores (B, C): a mean over the batch."""
        return self.rank(violations(scores, labels, self.options.margin)).mean()

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Multiply embedding and class vectors."""
        embeddings: Tensor = self.weight(self.scaling(features.mean))
        return embeddings @ vectors.T


class Devise(Bilinear):
    """DeViSE (Frome et al., 2013): every class within the margin counts."""

    substituted = (
        "ImageNet network trained on with the map -> cached features, frozen",
        "skip-gram of Wikipedia -> the run's class vectors",
        "SGD that stops at the first wrong class -> Adam, all classes",
    )

    rank = staticmethod(summed)


class Ale(Bilinear):
    """ALE (Akata et al., 2013): weighted by how many classes are within the margin."""

    substituted = (
        "Fisher vectors of images -> cached features",
        "attributes -> the run's class vectors",
        "SGD on classes drawn until one violates -> Adam, the rank over all classes",
    )

    rank = staticmethod(by_rank)


class Sje(Bilinear):
    """SJE (Akata et al., 2015): the worst class within the margin."""

    substituted = (
        "GoogLeNet features of images -> cached features",
        "several class embeddings combined -> the run's class vectors",
        "SGD of one image a step -> Adam on batches",
    )

    rank = staticmethod(largest)
