"""Packs: the frames of one prepared video as JPEG pictures in one file, any of them at once.

The file is the pictures one after the other, then their ends as uint64, their times in seconds as
float64, and a footer of 16 bytes: the number of frames (uint64) and `MAGIC`, all little-endian.
"""

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import simplejpeg

from src.data.decoding.faults import DAMAGED, UnreadableVideo, window_frames
from src.data.decoding.pyav_reader import Whole

SUFFIX = ".frames"
MAGIC = b"JPEGPCK2"
FOOTER = struct.Struct("<Q8s")


def write_pack(file: Path, video: Whole, quality: int) -> int:
    """Write a video's frames, all of one size, as a pack; give their number.

    Args:
        file: where to.
        video: its frames and their times.
        quality: of the JPEGs.
    """
    ends: list[int] = []
    times: list[int] = []
    with file.open("wb") as opened:
        for time, frame in video.frames:
            opened.write(jpeg(frame, quality))
            ends.append(opened.tell())
            times.append(time)
        opened.write(np.array(ends, "<u8").tobytes())
        opened.write((np.array(times) * float(video.time_base)).astype("<f8").tobytes())
        opened.write(FOOTER.pack(len(ends), MAGIC))
    return len(ends)


def jpeg(frame: np.ndarray, quality: int) -> bytes:
    """Encode a frame (H, W, 3) uint8."""
    return simplejpeg.encode_jpeg(frame, quality, colorsubsampling="420")


def pack_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None,
    length: int | None,
) -> Iterator[np.ndarray]:
    """Decode the chosen frames of a pack; see `src.data.decoding.reading.read_frames`.

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        UnreadableVideo: the file is no whole pack.
    """
    with Path(path).open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(size - FOOTER.size, 0))
        tail = file.read()
        if len(tail) < FOOTER.size or tail[-8:] != MAGIC:
            raise UnreadableVideo("truncated")
        total, _ = FOOTER.unpack(tail)
        file.seek(max(size - FOOTER.size - 16 * total, 0))
        ends = np.frombuffer(file.read(8 * total), "<u8").astype(np.int64)
        first, count = window_frames(window, np.frombuffer(file.read(8 * total), "<f8"))
        if count <= 0:
            raise UnreadableVideo("no frames")
        wanted = first + choose(count)
        starts = np.concatenate(([0], ends))
        for run in runs(wanted):
            file.seek(starts[run[0]])
            data = file.read(ends[run[-1]] - starts[run[0]])
            for number in run:
                begin, end = starts[number] - starts[run[0]], ends[number] - starts[run[0]]
                try:
                    yield simplejpeg.decode_jpeg(data[begin:end], "RGB")
                except ValueError:
                    raise UnreadableVideo(DAMAGED) from None


def runs(numbers: np.ndarray) -> Sequence[np.ndarray]:
    """Cut sorted numbers where one is left out."""
    return np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
