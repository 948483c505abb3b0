"""Frames by index with decord: another choice of decoder (`clips.decoder=decord`).

What decord does not give as it is, PyAV decodes: mirrored videos, which decord turns instead, and
some small ones, whose rows decord pads and then refuses (24, 48 or 72 pixels wide).
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import decord
import numpy as np

from zsvideo.data.decoding.base import VideoReader, part_of
from zsvideo.data.decoding.conversion import orientation
from zsvideo.data.decoding.faults import ShorterVideoError, UnreadableVideoError
from zsvideo.data.decoding.pyav_reader import PyAVReader, open_stream
from zsvideo.data.transforms import View

decord.logging.set_level(decord.logging.QUIET)

CHUNK = 64


class DecordReader(VideoReader):
    """Frames as decord decodes them."""

    def open(self) -> None:
        """Open the video."""
        container, stream = open_stream(self.path)
        with container:
            first = next(container.decode(stream), None)
        if first is None:
            raise UnreadableVideoError("no frames")
        self.video: Any = None
        with suppress(decord.DECORDError, RuntimeError, UnicodeEncodeError):
            self.video = decord.VideoReader(os.path.abspath(self.path), num_threads=1)
        self.is_mirror_image = orientation(first).is_mirror_image
        if self.video is None:
            reader = self.files.enter_context(PyAVReader(self.path, length=self.length))
            return self.span(reader.seconds)
        frames = self.length or len(self.video)
        self.span(np.arange(frames) / self.video.get_avg_fps())

    def decode(self, indices: np.ndarray, view: View | None) -> Iterator[np.ndarray]:
        """Decode frames, in chunks."""
        done = 0
        if self.video is not None and not self.is_mirror_image:
            try:
                for frame in self.frames(indices):
                    yield part_of(view, *frame.shape[:2]).of(frame)
                    done += 1
                return
            except (decord.DECORDError, RuntimeError):
                pass
        with PyAVReader(self.path, length=self.length) as reader:
            if indices[-1] >= len(reader):
                raise ShorterVideoError(len(reader))
            yield from reader.decode(indices[done:], view)

    def frames(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """Decode whole frames with decord."""
        # AVI with packed B-frames (HMDB51) has no time stamps to seek by: decord is exact there
        # only when it decodes every frame from the first on.
        is_avi = self.path.suffix.lower() == ".avi"
        needed = np.arange(indices[-1] + 1) if is_avi else indices
        for start in range(0, len(needed), CHUNK):
            chunk = needed[start : start + CHUNK]
            try:
                frames = self.video.get_batch(chunk).asnumpy()
            except IndexError:
                raise ShorterVideoError(len(self.video)) from None
            yield from frames[np.isin(chunk, indices)]
