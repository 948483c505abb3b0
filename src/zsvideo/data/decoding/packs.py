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
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from zsvideo.data.decoding.base import VideoReader, part_of
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.pyav_reader import WholeVideo
from zsvideo.data.transforms import View

SUFFIX = ".frames"
MAGIC = b"JPEGPCK3"
FOOTER = struct.Struct("<QIIII8s")
STRIP = 16  # pixels: a block of JPEG with chroma halved
GROUP = 16  # frames decoded in one call
LONGEST = 65500  # pixels of a JPEG's side
START_OF_FRAME, START_OF_SCAN = 0xC0, 0xDA
END = b"\xff\xd9"
RESTARTS = [bytes((0xFF, 0xD0 + i)) for i in range(8)]


def write_pack(file: Path, video: WholeVideo, quality: int) -> int:
    """Write a video's frames, all of one size, as a pack; give their number.

    Args:
        file: where to.
        video: its frames and their times.
        quality: of the JPEGs.
    """
    ends: list[int] = []
    times: list[int] = []
    head, height_at, height, width = b"", 0, 0, 0
    with file.open("wb") as opened:
        for time, frame in video.frames:
            height, width = frame.shape[:2]
            lying = frame.transpose(1, 0, 2) if width > height else frame
            padding = -len(lying) % STRIP
            lying = np.pad(lying, ((0, padding), (0, 0), (0, 0)), "edge")
            for strip in np.split(lying, len(lying) // STRIP):
                head, height_at, scan = strip_jpeg(strip, quality)
                opened.write(scan)
                ends.append(opened.tell())
            times.append(time)
        opened.write(np.array(ends, "<u8").tobytes())
        opened.write((np.array(times) * float(video.time_base)).astype("<f8").tobytes())
        opened.write(head)
        opened.write(FOOTER.pack(len(times), height, width, len(head), height_at, MAGIC))
    return len(times)


def strip_jpeg(strip: np.ndarray, quality: int) -> tuple[bytes, int, bytes]:
    """Encode a strip (STRIP, W, 3) uint8.

    Returns:
        The header of a JPEG of such strips; where in it the height of the picture stands; the
        strip's piece of it.
    """
    code = simplejpeg.encode_jpeg(np.ascontiguousarray(strip), quality, colorsubsampling="420")
    at, height_at = 2, 0
    while True:
        _, marker, size = struct.unpack_from(">BBH", code, at)
        if marker == START_OF_FRAME:
            height_at = at + 5
        if marker == START_OF_SCAN:
            break
        at += 2 + size
    restarts = struct.pack(">BBHH", 0xFF, 0xDD, 4, -(-strip.shape[1] // STRIP))
    begin = at + 2 + size
    return code[:at] + restarts + code[at:begin], height_at, code[begin : -len(END)]


class PackReader(VideoReader):
    """The frames of a pack.

    Attributes:
        handle: of the file.
        frames, height, width: number and size of the frames.
        strips: of each frame.
        head: header of a JPEG of strips.
        height_at: where in it the height of the picture stands.
        ends_at: where in the file the ends of strips are.
    """

    def open(self) -> None:
        """Read what is said at the end of the file."""
        self.handle = self.files.enter_context(self.path.open("rb", buffering=0)).fileno()
        size = os.fstat(self.handle).st_size - FOOTER.size
        tail = os.pread(self.handle, FOOTER.size, max(size, 0))
        if len(tail) < FOOTER.size or tail[-8:-1] != MAGIC[:-1]:
            raise UnreadableVideoError("truncated")
        if tail[-8:] != MAGIC:
            raise UnreadableVideoError(
                "an earlier form of pack; remove it and run python -m src.prepare"
            )
        frames, self.height, self.width, head_size, self.height_at, _ = FOOTER.unpack(tail)
        self.strips = -(-max(self.height, self.width) // STRIP)
        times_at = size - head_size - 8 * frames
        self.ends_at = times_at - 8 * frames * self.strips
        if self.ends_at < 0:
            raise UnreadableVideoError("truncated")
        self.head = os.pread(self.handle, head_size, size - head_size)
        self.span(
            np.frombuffer(os.pread(self.handle, 8 * frames, times_at), "<f8")
            if self.window
            else np.arange(frames)
        )

    def decode(self, indices: np.ndarray, view: View | None) -> Iterator[np.ndarray]:
        """Decode the strips of frames that the view needs, up to `GROUP` frames at once."""
        kept = part_of(view, self.height, self.width)
        along, across = slice(kept.left, kept.right), slice(kept.top, kept.bottom)
        wide = self.width > self.height
        if not wide:
            along, across = across, along
        strips = range(along.start // STRIP, -(-along.stop // STRIP))
        rows = STRIP * len(strips)
        inside = slice(along.start - STRIP * strips.start, along.stop - STRIP * strips.start)
        for run in runs(indices, min(GROUP, LONGEST // rows)):
            # Interpolated chroma would mix strips that are no neighbours.
            decoded = simplejpeg.decode_jpeg(self.jpeg(run, strips), "RGB", fastupsample=True)
            for lying in decoded.reshape(len(run), rows, -1, 3):
                pixels = lying[inside, across]
                yield kept.finish(cv2.transpose(pixels) if wide else pixels)

    def jpeg(self, run: np.ndarray, strips: range) -> bytes:
        """Make one JPEG of some strips of consecutive frames, one below the other."""
        before = int(run[0]) * self.strips  # the strips of the frames before
        size = 8 * self.strips * len(run) + 8
        ends = os.pread(self.handle, size, self.ends_at + 8 * before - 8 * bool(before))
        bounds = ([] if before else [0]) + np.frombuffer(ends, "<u8").tolist()
        data = os.pread(self.handle, bounds[self.strips * len(run)] - bounds[0], bounds[0])
        head = bytearray(self.head)
        struct.pack_into(">H", head, self.height_at, len(run) * len(strips) * STRIP)
        pieces: list[bytes | bytearray] = [head]
        for frame in range(len(run)):
            first = frame * self.strips
            for strip in range(first + strips.start, first + strips.stop):
                pieces.append(data[bounds[strip] - bounds[0] : bounds[strip + 1] - bounds[0]])
                pieces.append(RESTARTS[(len(pieces) // 2 - 1) % 8])
        pieces[-1] = END
        return b"".join(pieces)


def runs(numbers: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Cut sorted numbers where one is left out, and after every `most` of them."""
    for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
        for start in range(0, len(run), most):
            yield run[start : start + most]
