"""Data sets with three official splits into training and test videos."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.videos import Video
from zsvideo.errors import UserError
from zsvideo.options import options

Part = Literal["train1", "train2", "train3", "test1", "test2", "test3"]


@options
class SplitSet(VideoSet, ABC):
    """A data set with three official splits; their lists lie under the root or beside it."""

    split: Part | None = None
    """An official part: train1 ... test3; null takes all videos."""

    @property
    def asked(self) -> str:
        """What is asked for of the set, for messages."""
        return f"{self.name}, {self.split}" if self.split else self.name

    def select(self, ids: Sequence[str]) -> set[str]:
        """Choose the videos of the part.

        Raises:
            UserError: its lists do not lie with the data.
        """
        if self.split is None:
            return set(ids)
        files = self.part(self.split[:-1], self.split[-1])
        if not files:
            raise UserError(
                f"no lists of split {self.split} under {self.folder} ({self.option}); put the "
                f"official split files of {self.name} there"
            )
        return {name for name in ids if file_name(name) in files}

    def published(self, videos: Sequence[Video]) -> int | None:
        """Count the videos of the set, or of the part."""
        if self.split is None:
            return self.published_videos
        return len(self.part(self.split[:-1], self.split[-1]))

    def test_splits(self) -> list[set[str]] | None:
        """List the file names in each of the three test splits; None unless all lists are there."""
        splits = [self.part("test", number) for number in "123"]
        return splits if all(splits) else None

    @abstractmethod
    def part(self, kind: str, number: str) -> set[str]:
        """Read the file names of one part of a split: `train` or `test`, and its number."""

    def listed_name(self, video: Video) -> str:
        """Name the file: the lists do, and file names are unique in these sets."""
        return file_name(video.id)

    def find_lists(self, pattern: str) -> list[Path]:
        """Find the lists, under the root or in a folder beside it."""
        root = Path(self.root).expanduser().absolute()
        return sorted(root.rglob(pattern)) or sorted(root.parent.glob(f"*/{pattern}"))


def file_name(video: str) -> str:
    """Name the file of a video by its id."""
    return video.rsplit("/", 1)[-1]
