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

import cv2
import numpy as np
import simplejpeg

from src.data.decoding.faults import UnreadableVideo, wanted_frames
from src.data.decoding.pyav_reader import Whole
from src.data.transforms import Part

SUFFIX = ".frames"
MAGIC, EARLIER = b"JPEGPCK3", b"JPEGPCK"
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


def pack_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None,
    length: int | None,
    part: Callable[[int, int], Part],
) -> Iterator[np.ndarray]:
    """Decode the chosen frames of a pack; see `src.data.decoding.reading.read_frames`.

    Yields:
        (H, W, 3) uint8 RGB: the part of each frame.

    Raises:
        UnreadableVideo: the file is no whole pack.
    """
    with open(path, "rb", buffering=0) as file:
        handle = file.fileno()
        size = os.fstat(handle).st_size - FOOTER.size
        tail = os.pread(handle, FOOTER.size, max(size, 0))
        if tail[-8:] != MAGIC or len(tail) < FOOTER.size:
            earlier = tail[-8:].startswith(EARLIER)
            raise UnreadableVideo(
                "a pack of an earlier version; remove it and run python -m src.prepare again"
                if earlier
                else "truncated"
            )
        total, height, width, head_size, place, _ = FOOTER.unpack(tail)
        strips = -(-max(height, width) // STRIP)
        times_at = size - head_size - 8 * total
        ends_at = times_at - 8 * total * strips
        if ends_at < 0:
            raise UnreadableVideo("truncated")
        seconds: Sequence[float] | np.ndarray = range(total)
        if window:
            seconds = np.frombuffer(os.pread(handle, 8 * total, times_at), "<f8")
        wanted = wanted_frames(choose, window, seconds)
        kept = part(height, width)
        wide = width > height
        first, last = (kept.left, kept.right) if wide else (kept.top, kept.bottom)
        low, high = (kept.top, kept.bottom) if wide else (kept.left, kept.right)
        begin, end = first // STRIP, -(-last // STRIP)
        rows = STRIP * (end - begin)
        head = bytearray(os.pread(handle, head_size, size - head_size))
        for run in runs(wanted, min(GROUP, LONGEST // rows)):
            struct.pack_into(">H", head, place, len(run) * rows)
            before = int(run[0]) * strips  # the strips before those of the run
            ends = os.pread(handle, 8 * strips * len(run) + 8, ends_at + 8 * before - 8)
            bounds = np.frombuffer(ends, "<u8").tolist()
            if not before:
                bounds[0] = 0
            data = os.pread(handle, bounds[-1] - bounds[0], bounds[0])
            pieces: list[bytes | bytearray] = [head]
            for frame in range(len(run)):
                for strip in range(frame * strips + begin, frame * strips + end):
                    pieces += (
                        data[bounds[strip] - bounds[0] : bounds[strip + 1] - bounds[0]],
                        RESTARTS[(len(pieces) // 2) % 8],
                    )
            pieces[-1] = END
            # Interpolated chroma would mix strips that are no neighbours.
            decoded = simplejpeg.decode_jpeg(b"".join(pieces), "RGB", fastupsample=True)
            for lying in decoded.reshape(len(run), rows, -1, 3):
                pixels = lying[first - begin * STRIP : last - begin * STRIP, low:high]
                yield kept.finish(cv2.transpose(pixels) if wide else pixels)


def runs(numbers: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Cut sorted numbers where one is left out, and after every `most` of them."""
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        for start in range(0, len(run), most):
            yield run[start : start + most]
