"""ConSE, convex combination of semantic embeddings (Norouzi et al., ICLR 2014).

It is also the zero-shot part of FairZSL (Roitberg et al., 2018). Shapes: V videos, B of them, C
classes trained on, K classes asked for, F features, D embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.descent import Scaling, descend
from zsvideo.models.heads.similarity import cosines
from zsvideo.options import Count, Number, Positive, options


class Conse(Head):
    """z = sum_t p_t s_t / sum_t p_t over the T most probable classes (Eq. 2), by cosine."""

    @options
    class Options:
        """Of `head=conse`."""

        top: Count = 10
        """T, the classes that take part; at most those trained on."""
        lr: Positive | None = None
        """Learning rate of Adam, for the softmax classifier."""
        decay: Number | None = None
        """Weight of the squares of its weights in the loss, with features of variance 1."""
        epochs: Count = 20
        """Passes over the videos."""
        batch_size: Count = 512
        """Videos of a step."""

    choices = {"lr": (3e-4, 1e-3, 3e-3, 1e-2), "decay": (0.0, 1e-4, 1e-3, 1e-2)}
    substituted = (
        "ImageNet network with its softmax -> softmax classifier of cached features",
        "skip-gram of Wikipedia -> the run's class vectors",
    )

    weight: Tensor
    bias: Tensor
    class_vectors: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.scaling = Scaling(feature_dim)
        self.register_buffer("weight", torch.zeros(0, feature_dim))
        self.register_buffer("bias", torch.zeros(0))
        self.register_buffer("class_vectors", torch.zeros(0, embedding_dim))

    def fit(self, training: Training) -> None:
        """Train the classifier by cross-entropy."""
        self.scaling.fit(training)
        layer = nn.Linear(self.feature_dim, len(training.vectors)).to(self.weight.device)

        def loss(features: Features, labels: Tensor, epoch: int) -> Tensor:
            logits = layer(self.scaling(features.mean))
            penalty = layer.weight.square().sum()
            value: Tensor = F.cross_entropy(logits, labels) + self.options.decay * penalty
            return value

        descend([layer], training, loss, self.options)
        self.weight, self.bias = layer.weight.detach(), layer.bias.detach()
        self.class_vectors = training.vectors.to(self.weight)

    def probabilities(self, features: Features) -> Tensor:
        """Classify among the classes trained on: (B, C)."""
        return F.linear(self.scaling(features.mean), self.weight, self.bias).softmax(dim=1)

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Combine class vectors, and compare by cosine."""
        embeddings = combine(self.probabilities(features), self.class_vectors, self.options.top)
        return cosines(embeddings, vectors)


def combine(probabilities: Tensor, vectors: Tensor, top: int) -> Tensor:
    """Take the mean of the class vectors that are most probable, weighted by probability.

    Args:
        probabilities: (B, C).
        vectors: (C, D).
        top: T.

    Returns:
        (B, D).
    """
    largest, classes = probabilities.topk(min(top, len(vectors)), dim=1)
    weights = torch.zeros_like(probabilities).scatter(1, classes, F.normalize(largest, p=1, dim=1))
    return weights @ vectors
