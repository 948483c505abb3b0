"""What a head is: it maps the features of a frozen f_v to scores of classes never seen.

Shapes: V videos, B of them, N clips a video, F features, C classes trained on, K classes asked for,
D embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

BLOCK = 4096  # videos at a time, where their order does not matter


class FeatureRows(Protocol):
    """Features of videos, in memory or on disk; rows are 0 .. V - 1."""

    def __len__(self) -> int: ...

    def clips(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Read (B, N, F) float32 in time order, and (B, N) bool, False where a clip repeats."""
        ...

    def means(self, rows: np.ndarray) -> Tensor:
        """Read the mean over all N clips, (B, F) float32."""
        ...


class Joined:
    """The videos of several feature rows as one, some of each: `FeatureRows` of all of them."""

    def __init__(self, parts: Sequence[tuple[FeatureRows, np.ndarray | None]]) -> None:
        """Take rows of each part; None for all."""
        chosen = [np.arange(len(part)) if rows is None else rows for part, rows in parts]
        self.parts = [part for part, _ in parts]
        self.owner = np.repeat(np.arange(len(parts)), [len(rows) for rows in chosen])
        self.rows = np.concatenate(chosen)

    def __len__(self) -> int:
        return len(self.rows)

    def clips(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Read the clips, see `FeatureRows`."""
        read = [self.parts[self.owner[row]].clips(self.rows[row : row + 1]) for row in rows]
        return torch.cat([clips for clips, _ in read]), torch.cat([mask for _, mask in read])

    def means(self, rows: np.ndarray) -> Tensor:
        """Read the means, see `FeatureRows`."""
        result: Tensor | None = None
        for number, part in enumerate(self.parts):
            at = np.flatnonzero(self.owner[rows] == number)
            if len(at):
                means = part.means(self.rows[rows[at]])
                result = means.new_empty(len(rows), means.shape[1]) if result is None else result
                result[torch.from_numpy(at)] = means
        assert result is not None, "no row was asked for"
        return result


@dataclass(frozen=True)
class Features:
    """Features of some videos, as a head reads them.

    Attributes:
        mean: (B, F) float32, the mean over clips.
        clips: (B, N, F) float32 in time order; None for a head that needs the mean alone.
        mask: (B, N) bool, False for a clip that is no further part of the video.
    """

    mean: Tensor
    clips: Tensor | None = None
    mask: Tensor | None = None

    @property
    def sequence(self) -> tuple[Tensor, Tensor]:
        """The clips with their mask; one clip, the mean, where there is none."""
        if self.clips is None or self.mask is None:
            one = self.mean[:, None]
            return one, torch.ones(one.shape[:2], dtype=torch.bool, device=one.device)
        return self.clips, self.mask

    def to(self, device: torch.device) -> "Features":
        """Move them to a device."""
        moved = (None if part is None else part.to(device) for part in (self.clips, self.mask))
        return Features(self.mean.to(device), *moved)


@dataclass(frozen=True)
class Training:
    """What a head learns from.

    Attributes:
        rows: features of the videos.
        labels: (V,) int64 rows of `vectors`.
        vectors: (C, D) float32 of unit length, of the classes trained on.
        sequence: whether the head needs clips, not their mean alone.
        seed: of every random draw.
        chosen: (V,) rows of `rows` that are used; None for all.
        target_vectors: (K, D) of the classes that are tested, for the options of a head that ask
            for their names; None where no option does.
        target_rows: features of the videos that are tested, for a TRANSDUCTIVE option; or None.
        device: where a head that learns by mini-batches shall lie.
    """

    rows: FeatureRows
    labels: np.ndarray
    vectors: Tensor
    sequence: bool = False
    seed: int = 0
    chosen: np.ndarray | None = None
    target_vectors: Tensor | None = None
    target_rows: FeatureRows | None = None
    device: torch.device | str = "cpu"

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, videos: np.ndarray) -> tuple[Features, Tensor]:
        """Read features and labels (B,) of some videos, 0 .. V - 1."""
        rows = videos if self.chosen is None else self.chosen[videos]
        labels = torch.as_tensor(self.labels[videos])
        if not self.sequence:
            return Features(self.rows.means(rows)), labels
        clips, mask = self.rows.clips(rows)
        return Features(clips.mean(dim=1), clips, mask), labels

    def in_order(self, size: int = BLOCK) -> Iterator[tuple[Features, Tensor]]:
        """Read all videos once, in their order."""
        for start in range(0, len(self), size):
            yield self.read(np.arange(start, min(start + size, len(self))))

    def shuffled(self, size: int, epoch: int) -> Iterator[tuple[Features, Tensor]]:
        """Read all videos once, in an order drawn from (seed, epoch)."""
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self))
        for start in range(0, len(self), size):
            yield self.read(order[start : start + size])

    def of_classes(self, classes: np.ndarray) -> Self:
        """Leave the videos of some classes, (C',) rows of `vectors`, with labels 0 .. C' - 1."""
        kept = np.flatnonzero(np.isin(self.labels, classes))
        position = np.full(len(self.vectors), -1)
        position[classes] = np.arange(len(classes))
        return replace(
            self,
            labels=position[self.labels[kept]],
            vectors=self.vectors[torch.as_tensor(classes)],
            chosen=kept if self.chosen is None else self.chosen[kept],
        )


class Head(nn.Module, ABC):
    """Maps features to scores; all that it has learned is in its buffers and parameters.

    A subclass makes them in `__init__`; a buffer whose size is known only after `fit` may begin
    with no elements, loading gives it the size that was saved.

    Attributes:
        Options: a class declared with `zsvideo.options.options`; a field that is None is chosen on
            held-out source classes.
        needs: `mean` of the clips, or their `sequence`.
        choices: of each such field the values that are tried.
        substituted: what this re-implementation does in another way than the publication.
        options: of this head, an instance of `Options`.
    """

    Options: ClassVar[Any]
    needs: ClassVar[Literal["mean", "sequence"]] = "mean"
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}
    substituted: ClassVar[tuple[str, ...]] = ()

    def __init__(self, feature_dim: int, embedding_dim: int, options: Any) -> None:
        super().__init__()
        self.feature_dim, self.embedding_dim, self.options = feature_dim, embedding_dim, options

    @property
    def uses(self) -> frozenset[str]:
        """What of the targets `fit` sees with these options: `names`, `videos`, or nothing."""
        return frozenset()

    @abstractmethod
    def fit(self, training: Training) -> None:
        """Learn from features and class vectors."""

    @abstractmethod
    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Score classes by their unit vectors (K, D): (B, K), higher is better."""

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name, buffer in self._buffers.items():
            saved = state_dict.get(prefix + name)
            if buffer is not None and saved is not None and not buffer.numel():
                self._buffers[name] = torch.empty_like(saved)
        super()._load_from_state_dict(state_dict, prefix, *args)
