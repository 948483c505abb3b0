"""Packs: the frames of one prepared video as pieces of JPEG, any part of any frame at once.

A frame is cut across its longer side into strips of 16 pixels, each coded alone. As a JPEG may
consist of such pieces ("restart intervals"), the strips that a clip needs, of all its frames, are
one JPEG behind the header that all of them share, and are decoded in one call: no other pixels are.

The file is the strips one after the other, then their ends as uint64, frame by frame, the frames'
times in seconds as float64, the header, and `FOOTER`: number, height and width of the frames, size
of the header, where in it the height of the picture stands, and `MAGIC`; all little-endian.
"""

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg

from zsvideo.data.decoding.faults import UnreadableVideo, wanted_frames
from zsvideo.data.decoding.pyav_reader import Whole
from zsvideo.data.transforms import Part

SUFFIX = ".frames"
MAGIC = b"JPEGPCK3"
FOOTER = struct.Struct("<QIIII8s")
STRIP = 16  # pixels: a block of JPEG with chroma halved
GROUP = 16  # frames decoded in one call
LONGEST = 65500  # pixels of a JPEG's side
START_OF_FRAME, START_OF_SCAN = 0xC0, 0xDA
END = b"\xff\xd9"
RESTARTS = [bytes((0xFF, 0xD0 + i)) for i in range(8)]


def write_pack(file: Path, video: Whole, quality: int) -> int:
    """Write a video's frames, all of one size, as a pack; give their number.

    Args:
        file: where to.
        video: its frames and their times.
        quality: of the JPEGs.
    """
    ends: list[int] = []
    times: list[int] = []
    head, place, height, width = b"", 0, 0, 0
    with file.open("wb") as opened:
        for time, frame in video.frames:
            height, width = frame.shape[:2]
            lying = frame.transpose(1, 0, 2) if width > height else frame
            padding = -len(lying) % STRIP
            lying = np.pad(lying, ((0, padding), (0, 0), (0, 0)), "edge")
            for strip in np.split(lying, len(lying) // STRIP):
                head, place, scan = strip_jpeg(strip, quality)
                opened.write(scan)
                ends.append(opened.tell())
            times.append(time)
        opened.write(np.array(ends, "<u8").tobytes())
        opened.write((np.array(times) * float(video.time_base)).astype("<f8").tobytes())
        opened.write(head)
        opened.write(FOOTER.pack(len(times), height, width, len(head), place, MAGIC))
    return len(times)


def strip_jpeg(strip: np.ndarray, quality: int) -> tuple[bytes, int, bytes]:
    """Encode a strip (STRIP, W, 3) uint8.

    Returns:
        The header of a JPEG of such strips; where in it the height of the picture stands; the
        strip's piece of it.
    """
    code = simplejpeg.encode_jpeg(np.ascontiguousarray(strip), quality, colorsubsampling="420")
    at, place = 2, 0
    while True:
        _, marker, size = struct.unpack_from(">BBH", code, at)
        if marker == START_OF_FRAME:
            place = at + 5
        if marker == START_OF_SCAN:
            break
        at += 2 + size
    restarts = struct.pack(">BBHH", 0xFF, 0xDD, 4, -(-strip.shape[1] // STRIP))
    begin = at + 2 + size
    return code[:at] + restarts + code[at:begin], place, code[begin : -len(END)]


class Pack(NamedTuple):
    """An open pack.

    Attributes:
        handle: of the file.
        frames, height, width: number and size of the frames.
        strips: of each frame.
        head: header of a JPEG of strips.
        place: where in it the height of the picture stands.
        ends_at, times_at: where in the file the ends of strips and the times of frames are.
    """

    handle: int
    frames: int
    height: int
    width: int
    strips: int
    head: bytes
    place: int
    ends_at: int
    times_at: int


def open_pack(handle: int) -> Pack:
    """Read what is said at the end of a pack; raises UnreadableVideo."""
    size = os.fstat(handle).st_size - FOOTER.size
    tail = os.pread(handle, FOOTER.size, max(size, 0))
    if len(tail) < FOOTER.size or tail[-8:-1] != MAGIC[:-1]:
        raise UnreadableVideo("truncated")
    if tail[-8:] != MAGIC:
        raise UnreadableVideo("an earlier form of pack; remove it and run python -m src.prepare")
    frames, height, width, head_size, place, _ = FOOTER.unpack(tail)
    strips = -(-max(height, width) // STRIP)
    times_at = size - head_size - 8 * frames
    ends_at = times_at - 8 * frames * strips
    if ends_at < 0:
        raise UnreadableVideo("truncated")
    head = os.pread(handle, head_size, size - head_size)
    return Pack(handle, frames, height, width, strips, head, place, ends_at, times_at)


def pack_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None,
    length: int | None,
    part: Callable[[int, int], Part],
) -> Iterator[np.ndarray]:
    """Decode the chosen frames of a pack; see `zsvideo.data.decoding.reading.read_frames`.

    Yields:
        (H, W, 3) uint8 RGB: the part of each frame.

    Raises:
        UnreadableVideo: the file is no whole pack.
    """
    with open(path, "rb", buffering=0) as file:
        pack = open_pack(file.fileno())
        seconds: Sequence[float] | np.ndarray = range(pack.frames)
        if window:
            times = os.pread(pack.handle, 8 * pack.frames, pack.times_at)
            seconds = np.frombuffer(times, "<f8")
        wanted = wanted_frames(choose, window, seconds)
        kept = part(pack.height, pack.width)
        along, across = slice(kept.left, kept.right), slice(kept.top, kept.bottom)
        wide = pack.width > pack.height
        if not wide:
            along, across = across, along
        strips = range(along.start // STRIP, -(-along.stop // STRIP))
        rows = STRIP * len(strips)
        inside = slice(along.start - STRIP * strips.start, along.stop - STRIP * strips.start)
        for run in runs(wanted, min(GROUP, LONGEST // rows)):
            # Interpolated chroma would mix strips that are no neighbours.
            decoded = simplejpeg.decode_jpeg(joined(pack, run, strips), "RGB", fastupsample=True)
            for lying in decoded.reshape(len(run), rows, -1, 3):
                pixels = lying[inside, across]
                yield kept.finish(cv2.transpose(pixels) if wide else pixels)


def joined(pack: Pack, run: np.ndarray, strips: range) -> bytes:
    """Make one JPEG of some strips of consecutive frames, one below the other."""
    before = int(run[0]) * pack.strips  # the strips of the frames before
    ends = os.pread(
        pack.handle, 8 * pack.strips * len(run) + 8, pack.ends_at + 8 * before - 8 * bool(before)
    )
    bounds = ([] if before else [0]) + np.frombuffer(ends, "<u8").tolist()
    data = os.pread(pack.handle, bounds[pack.strips * len(run)] - bounds[0], bounds[0])
    head = bytearray(pack.head)
    struct.pack_into(">H", head, pack.place, len(run) * len(strips) * STRIP)
    pieces: list[bytes | bytearray] = [head]
    for frame in range(len(run)):
        for strip in range(frame * pack.strips + strips.start, frame * pack.strips + strips.stop):
            pieces.append(data[bounds[strip] - bounds[0] : bounds[strip + 1] - bounds[0]])
            pieces.append(RESTARTS[(len(pieces) // 2 - 1) % 8])
    pieces[-1] = END
    return b"".join(pieces)


def runs(numbers: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Cut sorted numbers where one is left out, and after every `most` of them."""
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        for start in range(0, len(run), most):
            yield run[start : start + most]
