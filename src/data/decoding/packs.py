"""Packs: the frames of one prepared video as JPEG pictures in one file, any of them at once.

The file is the pictures one after the other, then their ends as uint64, then a footer of 24 bytes:
the number of frames (uint64), frames a second (float64) and `MAGIC`, all little-endian.
"""

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np
import simplejpeg

from src.data.decoding.faults import DAMAGED, UnreadableVideo, window_frames
from src.data.decoding.pyav_reader import all_frames
from src.data.transforms import resize_short_side

SUFFIX = ".frames"
MAGIC = b"JPEGPACK"
FOOTER = struct.Struct("<Qd8s")


def shrink(frame: np.ndarray, short_side: int) -> np.ndarray:
    """Scale a frame (H, W, 3) uint8 to a short side, as clips are; a smaller one stays."""
    return frame if min(frame.shape[:2]) <= short_side else resize_short_side(frame, short_side)


def write_pack(file: Path, frames: Iterator[np.ndarray], fps: float, quality: int) -> int:
    """Write frames (H, W, 3) uint8 as a pack, whole or not at all; give their number.

    Args:
        file: where to.
        frames: of one size.
        fps: frames a second, for windows in seconds.
        quality: of the JPEGs.
    """
    part = file.with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    ends: list[int] = []
    with part.open("wb") as opened:
        for frame in frames:
            opened.write(jpeg(frame, quality))
            ends.append(opened.tell())
        opened.write(np.array(ends, "<u8").tobytes())
        opened.write(FOOTER.pack(len(ends), fps, MAGIC))
    part.replace(file)
    return len(ends)


def pack_bytes(path: str, short_side: int, quality: int) -> int:
    """Estimate the size of a video's pack from its first frames and the length it claims."""
    with av.open(path, metadata_errors="ignore") as container:
        claimed = len(container.streams.video[0].index_entries) if container.streams.video else 0
    _, frames = all_frames(path)
    sizes = [len(jpeg(shrink(f, short_side), quality)) for f in islice(frames, 8)]
    return int(np.mean(sizes) + 8) * max(claimed, len(sizes)) if sizes else 0


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
        total, fps, _ = FOOTER.unpack(tail)
        file.seek(size - FOOTER.size - 8 * total)
        ends = np.frombuffer(file.read(8 * total), "<u8").astype(np.int64)
        first, count = window_frames(window, np.arange(total) / fps)
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
