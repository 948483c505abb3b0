"""Kernel ridge regression to word vectors, on landmarks (Xu et al., 2015; Nystroem method).

A video x is mapped to phi(x) = K^-1/2 k(x), k its kernel to the landmarks and K theirs among
themselves, so that phi(x)^T phi(y) is the kernel wherever the landmarks span it (Williams and
Seeger, 2001); ridge regression of phi follows. No array has a side of V videos.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.moments import moments, regression
from zsvideo.models.heads.similarity import cosines, gaussian
from zsvideo.options import Count, Number, Positive, options

SMALLEST = 1e-10  # eigenvalues of K, relative to the largest, below which they are left out


class KernelRidge(Head):
    """Ridge regression in the space of a kernel."""

    @options
    class Options:
        """Of `head=kernel_ridge`."""

        lam: Number | None = None
        """Weight of the squares of W, times the number of videos and the mean variance of phi."""
        width: Positive | None = None
        """w in exp(-d^2 / w), times the median of d^2 over the landmarks; d is the distance."""
        kernel: Literal["rbf", "linear"] = "rbf"
        """`linear` equals ridge regression where the landmarks span all features."""
        landmarks: Count = 1000
        """Videos drawn for the Nystroem method."""

    choices = {"lam": (1e-3, 1e-2, 1e-1, 1.0, 10.0), "width": (0.5, 1.0, 2.0, 4.0)}
    substituted = (
        "chi-squared kernel of bags of words -> Gaussian kernel of features",
        "kernel of all videos -> landmarks (Nystroem method)",
    )

    landmarks: Tensor
    mean: Tensor
    width: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("landmarks", torch.zeros(0, feature_dim).double())
        self.register_buffer("mean", torch.zeros(feature_dim).double())
        self.register_buffer("width", torch.ones(()).double())
        self.register_buffer("weight", torch.zeros(0, embedding_dim).double())
        self.register_buffer("bias", torch.zeros(embedding_dim).double())

    def fit(self, training: Training) -> None:
        """Draw landmarks, add up the moments of phi in one pass over the videos, then solve."""
        order = np.random.default_rng(training.seed).permutation(len(training))
        features, _ = training.read(np.sort(order[: self.options.landmarks]))
        self.mean = features.mean.double().mean(dim=0)
        self.landmarks = features.mean.double() - self.mean
        if self.options.kernel == "rbf":
            self.width = self.options.width * torch.pdist(self.landmarks).square().median()
        root = inverse_root(self.kernel(features.mean.double()))
        sums = moments(training, map=lambda x: self.kernel(x) @ root)
        vectors = training.vectors.double()
        weight = regression(sums, vectors, self.options.lam)
        self.weight = root @ weight
        self.bias = sums.goal(vectors) - sums.mean @ weight

    def kernel(self, x: Tensor) -> Tensor:
        """Compare features (B, F) float64 with the landmarks: (B, M)."""
        centred = x - self.mean
        if self.options.kernel == "linear":
            return centred @ self.landmarks.T
        return gaussian(centred, self.landmarks, self.width)

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine."""
        embeddings = self.kernel(features.mean.double()) @ self.weight + self.bias
        return cosines(embeddings.float(), vectors)


def inverse_root(kernel: Tensor) -> Tensor:
    """Take K^-1/2 of (M, M) without the eigenvectors that are null: (M, R), R the rank."""
    values, eigenvectors = torch.linalg.eigh(kernel)
    kept = values > SMALLEST * values.max()
    root: Tensor = eigenvectors[:, kept] / values[kept].sqrt()
    return root
