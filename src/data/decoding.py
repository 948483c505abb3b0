"""Read frames by number from a video file: the one place that knows the decoder.

Shapes: T frames, H W, C = 3 (RGB).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import decord
import numpy as np

decord.logging.set_level(decord.logging.QUIET)

CHUNK = 64


class UnreadableVideo(Exception):
    """A video file that cannot be decoded; the text says why."""


def read_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None = None,
) -> Iterator[np.ndarray]:
    """Decode the chosen frames of a video, in chunks so that long test videos need little memory.

    The file is opened here, in the process that reads it (a decord reader does not survive a fork).

    Args:
        path: a video file.
        choose: from the number of frames to the sorted, distinct frame numbers wanted.
        window: start and end in seconds; the frames of the video are then those inside it.

    Yields:
        (t, H, W, C) uint8, at most 64 frames at a time, in the order of `choose`.

    Raises:
        UnreadableVideo: the file is missing, no video, empty, or a wanted frame does not decode.
    """
    try:
        if is_cut_short(path):
            raise UnreadableVideo("truncated")
        reader = decord.VideoReader(str(path), num_threads=1)
        first, length = window_frames(window, reader.get_avg_fps(), len(reader))
        if length == 0:
            raise UnreadableVideo("no frames")
        wanted = first + choose(length)
        # AVI with packed B-frames (HMDB51) has no time stamps to seek by: decord is exact there
        # only when it decodes every frame from the first on.
        decoded = np.arange(wanted[-1] + 1) if is_avi(path) else wanted
        for start in range(0, len(decoded), CHUNK):
            chunk = decoded[start : start + CHUNK]
            frames = reader.get_batch(chunk).asnumpy()
            chosen = np.isin(chunk, wanted)
            if chosen.any():
                yield frames[chosen]
    except (decord.DECORDError, RuntimeError, OSError) as error:
        raise UnreadableVideo(reason(path, error)) from None


def is_avi(path: str | Path) -> bool:
    """Tell by its first bytes whether a file is an AVI."""
    with Path(path).open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"AVI "


def is_cut_short(path: str | Path) -> bool:
    """Tell whether an AVI is shorter than its header says; decord would read what is left of it."""
    with Path(path).open("rb") as file:
        head = file.read(8)
    said = int.from_bytes(head[4:8], "little") + 8
    return head[:4] == b"RIFF" and Path(path).stat().st_size < said


def window_frames(window: tuple[float, float] | None, fps: float, length: int) -> tuple[int, int]:
    """Turn a window in seconds into its first frame and its number of frames."""
    if window is None:
        return 0, length
    first = min(max(round(window[0] * fps), 0), length)
    return first, min(max(round(window[1] * fps), first), length) - first


def reason(path: str | Path, error: Exception) -> str:
    """Name the fault of a file in a few words."""
    file = Path(path)
    if not file.exists():
        return "missing file"
    if file.stat().st_size == 0:
        return "empty file"
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "cannot find video stream" in text:
        return "no video stream"
    if "Error reading" in text:
        return "not a video file"
    return "damaged: frames do not decode"
