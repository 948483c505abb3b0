"""Which videos an epoch takes, in which order (Sec. 4.4, D-35)."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler[tuple[int, int]]):
    """Pairs (epoch, index): shuffled by (seed, epoch) in training, in order in testing.

    Processes share an epoch: each takes every `world_size`-th pair, and no pair comes twice.
    The first number counts the passes over the set, so a video taken twice gives other clips.
    """

    def __init__(
        self,
        size: int,
        seed: int,
        shuffle: bool,
        length: int | None = None,
        rank: int = 0,
        world_size: int = 1,
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
        """
        self.size, self.seed, self.shuffle, self.length = size, seed, shuffle, length or size
        self.rank, self.world_size = rank, world_size
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
        rounds = -(-self.length // self.size)
        order = np.tile(np.arange(self.size), rounds)
        if self.shuffle:
            rng = np.random.default_rng((self.seed, self.epoch))
            order = np.concatenate([rng.permutation(self.size) for _ in range(rounds)])
        passes = self.epoch * rounds + np.arange(len(order)) // self.size
        pairs = np.stack([passes, order], axis=1)[: self.length][self.rank :: self.world_size]
        own, self.skip = pairs[self.skip :], 0
        return ((int(epoch), int(index)) for epoch, index in own)
