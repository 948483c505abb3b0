"""Labelled videos, held in columns: as many as a data set has, in little memory.

A list of objects would be copied, page by page, into every forked process that looks at it, as
Python writes the count of references into an object; columns are only read.
"""

from array import array
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np


@dataclass(frozen=True)
class Video:
    """One video, or one labelled window of it.

    Attributes:
        id: name inside its data set, unique and stable, such as `Archery/v_Archery_g01_c01.avi`.
        path: the file.
        label: class name as the data set spells it; empty where it is unknown.
        window: start and end in seconds, for untrimmed videos.
        frames: number of frames that decode, where it is known.
        claimed: number of frames that the original's container claims, where it is known.
        index: of the file's packets, as text, where it is known.
    """

    id: str
    path: str
    label: str = ""
    window: tuple[float, float] | None = None
    frames: int | None = None
    claimed: int | None = None
    index: str | None = None


class Texts:
    """Strings in one buffer; any string of Python, also names of files that are no text."""

    def __init__(self) -> None:
        self.buffer, self.ends = bytearray(), array("q", [0])

    def append(self, text: str) -> None:
        """Add a string."""
        self.buffer += text.encode(errors="surrogatepass")
        self.ends.append(len(self.buffer))

    def __getitem__(self, row: int) -> str:
        return self.buffer[self.ends[row] : self.ends[row + 1]].decode(errors="surrogatepass")


@dataclass(frozen=True, eq=False)
class Columns:
    """What is known of videos, a row each.

    Attributes:
        ids: see `Video`.
        paths: see `Video`.
        names: of classes.
        labels: (V,) int32, the numbers of the videos' classes among `names`.
        numbers: (V, 4) float64: start, end, frames, claimed; NaN and 0 where they are unknown.
        indexes: see `Video`; empty where they are unknown.
    """

    ids: Texts
    paths: Texts
    names: Sequence[str]
    labels: np.ndarray
    numbers: np.ndarray
    indexes: Texts


class Videos(Sequence[Video]):
    """Videos in their order; each is made when it is asked for. Parts share the columns."""

    def __init__(self, columns: Columns, rows: np.ndarray) -> None:
        """Take some rows (N,) of the columns."""
        self.columns, self.rows = columns, rows

    @staticmethod
    def of(videos: Iterable[Video]) -> "Videos":
        """Put videos into columns; those that are so already stay as they are."""
        if isinstance(videos, Videos):
            return videos
        ids, paths, indexes, labels, numbers = Texts(), Texts(), Texts(), array("i"), array("d")
        names: dict[str, int] = {}
        for video in videos:
            ids.append(video.id)
            paths.append(video.path)
            indexes.append(video.index or "")
            labels.append(names.setdefault(video.label, len(names)))
            window = video.window or (np.nan, np.nan)
            numbers.extend((*window, video.frames or 0, video.claimed or 0))
        columns = Columns(
            ids,
            paths,
            list(names),
            np.array(labels, np.int32),
            np.array(numbers).reshape(-1, 4),
            indexes,
        )
        return Videos(columns, np.arange(len(labels)))

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Videos) and [*self] == [*other]

    @overload
    def __getitem__(self, index: int) -> Video: ...
    @overload
    def __getitem__(self, index: slice) -> "Videos": ...
    def __getitem__(self, index: int | slice) -> "Video | Videos":
        if isinstance(index, slice):
            return Videos(self.columns, self.rows[index])
        columns, row = self.columns, int(self.rows[index])
        start, end, frames, claimed = columns.numbers[row].tolist()
        return Video(
            columns.ids[row],
            columns.paths[row],
            columns.names[columns.labels[row]],
            None if np.isnan(start) else (start, end),
            int(frames) or None,
            int(claimed) or None,
            columns.indexes[row] or None,
        )

    @property
    def ids(self) -> Iterator[str]:
        """The ids, in order."""
        return map(self.columns.ids.__getitem__, self.rows.tolist())

    @property
    def paths(self) -> Iterator[str]:
        """The files, in order."""
        return map(self.columns.paths.__getitem__, self.rows.tolist())

    @property
    def labels(self) -> Iterator[str]:
        """The classes, in order."""
        return map(self.columns.names.__getitem__, self.columns.labels[self.rows].tolist())

    @property
    def classes(self) -> list[str]:
        """The names of the classes that there are, sorted."""
        return sorted(self.counts())

    def counts(self) -> Counter[str]:
        """Count the videos of each class that there is."""
        counts = Counter[str]()
        for number, count in enumerate(np.bincount(self.columns.labels[self.rows])):
            if count:
                counts[self.columns.names[number]] += int(count)
        return counts

    def take(self, rows: Sequence[int] | np.ndarray) -> "Videos":
        """Take some videos by their numbers, or by a mask (N,)."""
        return Videos(self.columns, self.rows[np.asarray(rows, getattr(rows, "dtype", int))])

    def within(self, names: Container[str]) -> "Videos":
        """Take the videos of some classes."""
        wanted = np.array([name in names for name in self.columns.names], bool)
        return self.take(wanted[self.columns.labels[self.rows]])

    def numbered(self, classes: Mapping[str, int]) -> np.ndarray:
        """Give the numbers (N,) int64 of the videos' classes, which all have one."""
        numbers = np.array([classes.get(name, -1) for name in self.columns.names], int)
        chosen: np.ndarray = numbers[self.columns.labels[self.rows]]
        return chosen

    def spelled(self, official: Mapping[str, str]) -> "Videos":
        """Spell classes otherwise, by their names here; those that are not named are left out."""
        names = [official.get(name, "") for name in self.columns.names]
        return Videos(replace(self.columns, names=names), self.within(official).rows)
