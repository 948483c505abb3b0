"""Frames by number with decord: another choice of decoder (`clips.decoder=decord`)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import decord
import numpy as np

from zsvideo.data.decoding.faults import DAMAGED, ShorterVideo, UnreadableVideo, wanted_frames
from zsvideo.data.transforms import Part

decord.logging.set_level(decord.logging.QUIET)

CHUNK = 64


def decord_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None,
    length: int | None,
    part: Callable[[int, int], Part],
) -> Iterator[np.ndarray]:
    """Decode the chosen frames of a video; see `zsvideo.data.decoding.reading.read_frames`.

    Yields:
        (H, W, 3) uint8 RGB: the part of each frame.
    """
    try:
        reader = decord.VideoReader(str(path), num_threads=1)
        total = length or len(reader)
        wanted = wanted_frames(choose, window, np.arange(total) / reader.get_avg_fps())
        # AVI with packed B-frames (HMDB51) has no time stamps to seek by: decord is exact there
        # only when it decodes every frame from the first on.
        is_avi = Path(path).suffix.lower() == ".avi"
        decoded = np.arange(wanted[-1] + 1) if is_avi else wanted
        for start in range(0, len(decoded), CHUNK):
            chunk = decoded[start : start + CHUNK]
            frames = reader.get_batch(chunk).asnumpy()
            for frame in frames[np.isin(chunk, wanted)]:
                yield part(*frame.shape[:2]).of(frame)
    except IndexError:
        raise ShorterVideo(len(reader)) from None
    except (decord.DECORDError, RuntimeError) as error:
        text = str(error)
        if "cannot find video stream" in text:
            raise UnreadableVideo("no video stream") from None
        raise UnreadableVideo("not a video file" if "Error reading" in text else DAMAGED) from None
