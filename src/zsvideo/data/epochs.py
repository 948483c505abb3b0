"""Which videos an epoch takes, in which order (Sec. 4.4, D-35)."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

MOST_EPOCHS = 1_000_003  # of a training; a prime, so that kept clips are taken in turn


class EpochSampler(Sampler[tuple[int, int]]):
    """Pairs (epoch, index): shuffled by (seed, epoch) in training, in order in testing.

    Processes share an epoch: each takes every `world_size`-th pair, and no pair comes twice.
    The first number counts the passes over the set, so a video taken twice gives other clips. With
    weights each pair is drawn by itself, and some videos come several times or not at all.
    """

    def __init__(
        self,
        size: int,
        seed: int,
        shuffle: bool,
        length: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        weights: np.ndarray | None = None,
    ) -> None:
        """Say what an epoch is.

        Args:
            size: number of videos.
            seed: of the order.
            shuffle: draw an order anew each epoch, else 0, 1, ...
            length: clips an epoch over all processes; beyond `size` the set is shuffled and taken
                again. None takes each video once.
            rank: of this process.
            world_size: how many processes there are.
            weights: (size,) of the videos, by which they are drawn with replacement, in place of
                shuffling; see `class_weights`.
        """
        self.size, self.seed, self.shuffle, self.length = size, seed, shuffle, length or size
        self.rank, self.world_size = rank, world_size
        self.weights = weights
        self.epoch, self.skip = 0, 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the permutation; Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def start_at(self, epoch: int, skip: int) -> None:
        """Begin the first pass in `epoch`, after `skip` pairs of this process: to continue."""
        self.epoch, self.skip = epoch, skip

    def __len__(self) -> int:
        return len(range(self.rank, self.length, self.world_size))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        pairs = self.shuffled() if self.weights is None else self.drawn(self.weights)
        pairs = pairs[: self.length][self.rank :: self.world_size]
        own, self.skip = pairs[self.skip :], 0
        return ((int(epoch), int(index)) for epoch, index in own)

    def drawn(self, weights: np.ndarray) -> np.ndarray:
        """Draw the pairs (length, 2) of this epoch by weights."""
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.choice(self.size, self.length, p=weights / weights.sum())
        return np.stack([self.epoch + MOST_EPOCHS * earlier(order), order], axis=1)

    def shuffled(self) -> np.ndarray:
        """Give the pairs (at least length, 2) of this epoch, each video once a pass."""
        rounds = -(-self.length // self.size)
        order = np.tile(np.arange(self.size), rounds)
        if self.shuffle:
            rng = np.random.default_rng((self.seed, self.epoch))
            order = np.concatenate([rng.permutation(self.size) for _ in range(rounds)])
        passes = self.epoch * rounds + np.arange(len(order)) // self.size
        return np.stack([passes, order], axis=1)


def earlier(order: np.ndarray) -> np.ndarray:
    """Count for each entry how many of the entries before it are the same."""
    places = np.argsort(order, kind="stable")
    first = np.diff(order[places], prepend=-1) != 0
    rows = np.arange(len(order))
    counts = np.empty_like(order)
    counts[places] = rows - np.maximum.accumulate(np.where(first, rows, 0))
    return counts


def class_weights(labels: np.ndarray, balance: float) -> np.ndarray:
    """Weight videos so that a class of n videos has the share n^(1 - balance) of an epoch.

    Args:
        labels: (V,) class of each video.
        balance: 0 draws videos alike, 1 classes alike; 0.5 is square-root sampling (Mahajan et
            al., ECCV 2018).

    Returns:
        (V,) float64.
    """
    counts = np.bincount(labels)[labels].astype(float)
    weights: np.ndarray = counts**-balance
    return weights
