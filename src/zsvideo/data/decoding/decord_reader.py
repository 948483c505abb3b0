"""Frames by index with decord: another choice of decoder (`clips.decoder=decord`)."""

from collections.abc import Iterator

import decord
import numpy as np

from zsvideo.data.decoding.base import VideoReader, part_of
from zsvideo.data.decoding.faults import DAMAGED, ShorterVideoError, UnreadableVideoError
from zsvideo.data.transforms import View

decord.logging.set_level(decord.logging.QUIET)

CHUNK = 64


class DecordReader(VideoReader):
    """Frames as decord decodes them."""

    def open(self) -> None:
        """Open the video."""
        try:
            self.video = decord.VideoReader(str(self.path), num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise UnreadableVideoError(decord_reason(error)) from None
        frames = self.length or len(self.video)
        self.span(np.arange(frames) / self.video.get_avg_fps())

    def decode(self, indices: np.ndarray, view: View | None) -> Iterator[np.ndarray]:
        """Decode frames, in chunks."""
        # AVI with packed B-frames (HMDB51) has no time stamps to seek by: decord is exact there
        # only when it decodes every frame from the first on.
        is_avi = self.path.suffix.lower() == ".avi"
        needed = np.arange(indices[-1] + 1) if is_avi else indices
        try:
            for start in range(0, len(needed), CHUNK):
                chunk = needed[start : start + CHUNK]
                frames = self.video.get_batch(chunk).asnumpy()
                for frame in frames[np.isin(chunk, indices)]:
                    yield part_of(view, *frame.shape[:2]).of(frame)
        except IndexError:
            raise ShorterVideoError(len(self.video)) from None
        except (decord.DECORDError, RuntimeError) as error:
            raise UnreadableVideoError(decord_reason(error)) from None


def decord_reason(error: Exception) -> str:
    """Return the fault of a file in a few words."""
    if "cannot find video stream" in str(error):
        return "no video stream"
    return "not a video file" if "Error reading" in str(error) else DAMAGED
