"""Multi-task embedding with prioritised augmentation, DataAug (Xu et al., ECCV 2016).

Shapes: V videos, C classes trained on, K classes asked for, F features, T latent tasks, D
embedding.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from zsvideo.errors import UserError
from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.kliep import kliep
from zsvideo.models.heads.moments import Moments, moments
from zsvideo.models.heads.similarity import cosines
from zsvideo.options import Count, Positive, options

ROUNDS = 100  # of the alternation
TARGETS = 1000  # videos tested, drawn to weight those trained on
SMALLEST = 1e-3  # singular values of B, relative to the largest, below which a task counts for none


class Multitask(Head):
    """A and B of the least sum w |s - x A B|^2 + lam (|A|^2 + |B|^2); compared in the T tasks.

    Features and class vectors are centred.
    """

    @options
    class Options:
        """Of `head=multitask`."""

        tasks: Count | None = None
        """T, the rank of the map; at most that of features and class vectors."""
        lam: Positive | None = None
        """Weight of the squares of A and B, times the number of videos, with features of mean
        variance 1."""
        weight: Literal["none", "names", "videos"] = "none"
        """Weights of what is trained on by its likeness to what is tested (KLIEP): of classes by
        their names, or of videos by their features. TRANSDUCTIVE: `videos` takes these from the
        videos that are tested."""

    choices = {"tasks": (16, 32, 64, 128), "lam": (1e-5, 1e-4, 1e-3, 1e-2)}
    substituted = (
        "Fisher vectors of improved dense trajectories -> cached features",
        "other data sets as auxiliary data -> the classes trained on",
        "width of KLIEP's kernel -> its own held-out likelihood",
    )

    encoder: Tensor
    inverse: Tensor
    mean: Tensor
    goal: Tensor

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.register_buffer("encoder", torch.zeros(0))
        self.register_buffer("inverse", torch.zeros(0))
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("goal", torch.zeros(embedding_dim))

    @property
    def uses(self) -> frozenset[str]:
        """Weights see the names or the videos that are tested."""
        return frozenset() if self.options.weight == "none" else frozenset({self.options.weight})

    def fit(self, training: Training) -> None:
        """Weight the videos, add up their moments in one pass, then alternate."""
        vectors = training.vectors.double()
        sums = moments(training, self.weights(training))
        encoder, decoder = factorise(sums, vectors, self.options.tasks, self.options.lam)
        self.encoder = encoder.float()
        self.inverse = torch.linalg.pinv(decoder, rtol=SMALLEST).float()
        self.mean.copy_(sums.mean)
        self.goal.copy_(sums.goal(vectors))

    def weights(self, training: Training) -> Tensor | None:
        """Weight the videos (V,) with mean 1, by classes or one by one; None for 1.

        Raises:
            UserError: what they shall resemble is not at hand.
        """
        kind = self.options.weight
        names, videos = training.target_vectors, training.target_rows
        if kind == "names" and names is not None:
            by_class = kliep(lambda: [training.vectors], names, training.seed)
            return by_class[torch.as_tensor(training.labels)]
        if kind == "videos" and videos is not None:
            order = np.random.default_rng(training.seed).permutation(len(videos))
            targets = videos.means(np.sort(order[:TARGETS]))
            return kliep(lambda: means_of(training), targets, training.seed)
        if kind != "none":
            raise UserError(
                f"head.weight={kind} needs the {kind} that are tested; head.weight=none does not"
            )
        return None

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine among tasks, where a class is the t of least |s - t B|."""
        tasks = (features.mean - self.mean) @ self.encoder
        return cosines(tasks, (vectors - self.goal) @ self.inverse)


def means_of(training: Training) -> Iterator[Tensor]:
    """Read the mean features of all videos, block by block (B, F)."""
    return (features.mean for features, _ in training.in_order())


def factorise(sums: Moments, vectors: Tensor, tasks: int, lam: float) -> tuple[Tensor, Tensor]:
    """Alternate between the closed forms of A and B, from the map of least error of rank T.

    With X^T X = U a U^T and B B^T = Q b Q^T, the equation of A, X^T X A B B^T + lam A = X^T S B^T,
    is solved by U (U^T X^T S B^T Q / (a b^T + lam)) Q^T.

    Args:
        sums: of the features.
        vectors: (C, D) float64.
        tasks: T.
        lam: see `Multitask.Options`.

    Returns:
        A (F, T) and B (T, D), float64.
    """
    scale = (sums.scatter.diagonal().mean() / sums.count).sqrt()
    variances, u = torch.linalg.eigh(sums.scatter / (sums.count * scale**2))
    cross = u.T @ sums.cross(vectors) / (sums.count * scale)
    decoder = start(variances, cross, tasks, lam)
    for _ in range(ROUNDS):
        sizes, q = torch.linalg.eigh(decoder @ decoder.T)
        encoder = cross @ (decoder.T @ q) / (torch.outer(variances, sizes) + lam) @ q.T
        inner = encoder.T @ (variances[:, None] * encoder)
        inner.diagonal().add_(lam)
        decoder = torch.linalg.solve(inner, encoder.T @ cross)
    return u @ encoder / scale, decoder


def start(variances: Tensor, cross: Tensor, tasks: int, lam: float) -> Tensor:
    """Take B of reduced-rank regression: the directions of most variance of ridge's answers.

    Args:
        variances: (F,) of uncorrelated features.
        cross: (F, D), their covariance with class vectors.
        tasks: T.
        lam: of the ridge regression.

    Returns:
        (T, D), or less than T where there are fewer directions.
    """
    weight = cross / (variances.clamp(min=0) + lam)[:, None]
    _, directions = torch.linalg.eigh(cross.T @ weight)
    directions = directions.flip(1)[:, :tasks]
    decoder: Tensor = ((weight @ directions).norm(dim=0).sqrt() * directions).T
    return decoder
