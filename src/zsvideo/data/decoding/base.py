"""A video whose frames are read by index, whatever decodes them.

Shapes: N frames wanted, H W of a frame, C = 3 (RGB).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from zsvideo.data.decoding.faults import (
    ShorterVideoError,
    UnreadableVideoError,
    check_file,
    named_faults,
)
from zsvideo.data.transforms import FramePart, View, whole

SMALLEST = 8  # pixels of a side
NO_FRAME = "the labelled segment has no frame"


class VideoReader(ABC):
    """The frames of a video, or of a window of it; `len` is their number.

    To be entered by `with`, in the process that reads. A reader says in `open` when each frame of
    the file is shown (`span`), and gives frames of the file in `decode`.
    """

    def __init__(
        self,
        path: str | Path,
        window: tuple[float, float] | None = None,
        length: int | None = None,
    ) -> None:
        """Name what is read, see `zsvideo.data.decoding.reading.open_video`."""
        self.path, self.window, self.length = Path(path), window, length
        self.files = ExitStack()

    def __enter__(self) -> Self:
        check_file(self.path)
        with ExitStack() as self.files, named_faults():
            self.open()
            self.files = self.files.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()

    def __len__(self) -> int:
        return self.end - self.first

    def get(self, indices: np.ndarray, view: View | None = None) -> np.ndarray:
        """Decode frames; no other pixels than the view's are converted, nor decoded if avoidable.

        Args:
            indices: (N,) of frames, rising, each in 0..len-1.
            view: the part of each frame that is wanted, and its size; None for whole frames.

        Returns:
            (N, H, W, C) uint8, upright.

        Raises:
            ShorterVideoError: fewer frames decode than `len` said, which is right from now on.
            UnreadableVideoError: the file is damaged.
        """
        if len(indices) and not 0 <= indices[0] <= indices[-1] < len(self):
            raise IndexError(f"{self.path}: frames {indices[0]}..{indices[-1]} of {len(self)}")
        frames = np.empty((0, 0, 0, 3), np.uint8)
        try:
            with named_faults():
                decoded = self.decode(self.first + indices, view)
                for i, pixels in zip(range(len(indices)), decoded, strict=True):
                    if i == 0:
                        frames = np.empty((len(indices), *pixels.shape), np.uint8)
                    frames[i] = pixels
        except ShorterVideoError as error:
            self.span(self.seconds[: error.frames])
            raise
        return frames

    def span(self, seconds: np.ndarray) -> None:
        """Find the frames of the window.

        Args:
            seconds: time of each frame of the file, rising.

        Raises:
            UnreadableVideoError: there are none.
        """
        self.seconds, self.first, self.end = seconds, 0, len(seconds)
        if self.window is not None:
            bounds = np.searchsorted(seconds, np.array(self.window) - 1e-6)
            self.first, self.end = map(int, bounds)
        if self.end <= self.first:
            raise UnreadableVideoError(NO_FRAME if len(seconds) else "no frames")

    @abstractmethod
    def open(self) -> None:
        """Open the file, to be closed with `files`, and call `span`."""

    @abstractmethod
    def decode(self, indices: np.ndarray, view: View | None) -> Iterator[np.ndarray]:
        """Decode frames of the file, whatever the window, one after the other: all, or raise."""


def part_of(view: View | None, height: int, width: int) -> FramePart:
    """Find the part of a frame; raises UnreadableVideoError for one too small to show anything."""
    if min(height, width) < SMALLEST:
        raise UnreadableVideoError(f"smaller than {SMALLEST} pixels")
    return view.part(height, width) if view else whole(height, width)
