"""The index of a video: which packet of its file shows which frame.

To list the packets of a file takes longer than to decode a clip of it. A manifest keeps the index
of each file as text, and a reader that has it goes to the right key frame at once.
"""

import base64
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

VERSION = 1


class Shown(NamedTuple):
    """A frame of a counted file: its type (1 I, 2 P, 3 B, 4 S; 0 unknown), and by which packet."""

    type: int
    packet: int


class VideoIndex(NamedTuple):
    """What is known of the packets of a video stream, in the order of the file.

    Attributes:
        size: of the file, in bytes; an index is of no other file.
        stamps: (P,) int64, when each packet is shown, in the time base of the stream.
        keys: numbers of the packets that decoding can begin with.
        hidden: numbers of the packets that an edit list hides.
        shown: the frames of a file whose time stamps are not to be trusted, which are counted; None
            where they are timed.
    """

    size: int
    stamps: np.ndarray
    keys: list[int]
    hidden: list[int]
    shown: Sequence[Shown] | None = None

    @property
    def order(self) -> np.ndarray:
        """The packets (F,) of the frames of a timed file, in the order of showing."""
        visible = np.delete(np.arange(len(self.stamps)), self.hidden)
        return visible[np.argsort(self.stamps[visible], kind="stable")]


def as_text(index: VideoIndex) -> str:
    """Write an index as a word of ASCII, without a comma or a quote: 50 to 300 bytes."""
    shown = np.array(index.shown or np.empty((0, 2)), np.int64).reshape(-1, 2)
    timed = index.shown is None
    arrays = [
        np.diff(index.stamps if timed else [], prepend=0),
        np.diff(index.keys if timed else [], prepend=0),
        np.diff(index.hidden if timed else [], prepend=0),
        shown[:, 0],
        np.diff(shown[:, 1], prepend=0),
    ]
    head = [VERSION, index.size, timed, *map(len, arrays)]
    data = np.concatenate([head, *arrays]).astype("<i8").tobytes()
    return base64.b64encode(zlib.compress(data, 9)).decode()


def from_text(text: str) -> VideoIndex | None:
    """Read an index; None where it is none, or of another version."""
    try:
        values = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<i8")
        version, size, timed, *lengths = values[:8].tolist()
        if version != VERSION or len(values) != 8 + sum(lengths):
            return None
        stamps, keys, hidden, types, packets = np.split(values[8:], np.cumsum(lengths[:-1]))
    except (ValueError, zlib.error):
        return None
    pairs = zip(types.tolist(), np.cumsum(packets).tolist(), strict=True)
    return VideoIndex(
        size,
        np.cumsum(stamps),
        np.cumsum(keys).tolist(),
        np.cumsum(hidden).tolist(),
        None if timed else [Shown(*pair) for pair in pairs],
    )
