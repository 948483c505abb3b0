"""Bidirectional latent embedding, BiDiLEL (Wang and Chen, IJCV 2017).

Bottom up, a supervised projection of features; top down, classes are placed in its space by their
word vectors, with the classes trained on as landmarks. The nearest class wins.
Shapes: V videos, B of them, C classes trained on, K classes asked for, F features, D embedding, E
dimensions of the latent space.
"""

from typing import Any

import numpy as np
import torch
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from torch import Tensor

from zsvideo.errors import UserError
from zsvideo.models.heads.base import BLOCK, Features, Head, Training
from zsvideo.models.heads.moments import moments
from zsvideo.models.heads.sammon import place
from zsvideo.models.heads.similarity import squared_distances
from zsvideo.options import Count, NotNegative, Positive, options


class Bidirectional(Head):
    """Linear discriminant analysis, Sammon mapping of the classes asked for, nearest class."""

    @options
    class Options:
        """Of `head=bidirectional`."""

        dimensions: Count | None = None
        """Of the latent space; at most the features, and the classes but one."""
        alpha: Positive | None = None
        """Regularisation of the projection, times the mean variance of a feature."""
        self_training: NotNegative = 0
        """Videos nearest to a class that replace its point by their mean; 0 for no such step.
        TRANSDUCTIVE: they are taken from the videos that are tested."""

    choices = {"dimensions": (16, 32, 64, 128, 256), "alpha": (1e-3, 1e-2, 1e-1, 1.0)}
    substituted = (
        "improved dense trajectories, C3D and more, combined -> cached features",
        "graph of nearest neighbours -> all videos of a class, by scatter matrices",
        "random start of the mapping -> means of landmarks, weighted by nearness in words",
        "class vectors: the run's",
    )

    projection: Tensor
    mean: Tensor
    landmarks: Tensor
    class_vectors: Tensor
    videos: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("projection", torch.zeros(feature_dim, 0))
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("landmarks", torch.zeros(0).double())
        self.register_buffer("class_vectors", torch.zeros(0, embedding_dim))
        self.register_buffer("videos", torch.zeros(0))
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def uses(self) -> frozenset[str]:
        """Self-training sees the videos that are tested."""
        return frozenset({"videos"}) if self.options.self_training else frozenset()

    def fit(self, training: Training) -> None:
        """Add up the scatter matrices in one pass over the videos, then solve for eigenvectors."""
        self._last = None
        sums = moments(training)
        size = min(self.options.dimensions, self.feature_dim, len(sums.counts) - 1)
        projection = discriminants(sums.scatter, sums.within, self.options.alpha)[:, :size]
        seen = sums.counts > 0
        self.projection = projection.float()
        self.mean.copy_(sums.mean)
        self.landmarks = (sums.class_means[seen] - sums.mean) @ projection
        self.class_vectors = training.vectors[seen].float()
        if self.options.self_training:
            self.videos = self._target_points(training)

    def _target_points(self, training: Training) -> Tensor:
        """Project the videos that are tested: (V, E)."""
        if training.target_rows is None:
            raise UserError(
                "head.self_training needs the videos that are tested; head.self_training=0"
            )
        rows = np.arange(len(training.target_rows))
        blocks = np.split(rows, range(BLOCK, len(rows), BLOCK))
        return torch.cat([self.latent(training.target_rows.means(block)) for block in blocks])

    def latent(self, x: Tensor) -> Tensor:
        """Project features: (B, F) to (B, E)."""
        return (x - self.mean) @ self.projection

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by distance in the latent space; classes are placed together, once a set."""
        distances = squared_distances(self.latent(features.mean), self.points(vectors))
        return -distances.sqrt()

    def points(self, vectors: Tensor) -> Tensor:
        """Place classes (K, D) in the latent space: (K, E)."""
        words = vectors.to("cpu", torch.float64, copy=True)
        if self._last is None or not torch.equal(self._last[0], words):
            points = torch.as_tensor(self._placed(words.numpy()))
            if self.options.self_training:
                points = nearest_mean(
                    points, self.videos.double().cpu(), self.options.self_training
                )
            self._last = words, points
        return self._last[1].to(self.projection)

    def _placed(self, words: np.ndarray) -> np.ndarray:
        """Place classes by their vectors (K, D): (K, E)."""
        own = self.class_vectors.double().cpu().numpy()
        landmarks = self.landmarks.cpu().numpy()
        to_landmarks, among = cdist(words, own), cdist(words, words)
        scale = mean_distance(landmarks) / mean_distance(own)
        near = 1 / np.maximum(to_landmarks, 1e-6) ** 2
        start = near / near.sum(axis=1, keepdims=True) @ landmarks
        return place(landmarks, scale * to_landmarks, scale * among, start)[0]

    def _load_from_state_dict(self, *args: Any) -> None:
        self._last = None
        super()._load_from_state_dict(*args)


def discriminants(scatter: Tensor, within: Tensor, alpha: float) -> Tensor:
    """Find P of max tr P^T S P with P^T (S_w + a I) P = I (SLPP), best direction first.

    With weights 1 / n_c between all videos of a class, the Laplacian of the graph gives
    X L X^T = S_w, and X D X^T = S of centred features: linear discriminant analysis.

    Args:
        scatter: S, (F, F).
        within: S_w, (F, F).
        alpha: a, relative to the mean of the diagonal of S.

    Returns:
        (F, F) float64.
    """
    penalty = alpha * scatter.diagonal().mean() * torch.eye(len(within)).to(within)
    _, directions = eigh(scatter.numpy(), (within + penalty).numpy())
    return torch.as_tensor(directions[:, ::-1].copy())


def nearest_mean(points: Tensor, videos: Tensor, count: int) -> Tensor:
    """Replace each point (K, E) by the mean of the videos (V, E) that are nearest to it."""
    distances = squared_distances(points, videos)
    nearest = distances.topk(min(count, len(videos)), largest=False).indices
    return videos[nearest].mean(dim=1)


def mean_distance(points: np.ndarray) -> float:
    """Take the mean distance of two of the points (C, E)."""
    return float(cdist(points, points).sum() / (len(points) * (len(points) - 1)))
