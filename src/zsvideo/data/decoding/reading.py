"""Read frames by number from a video file: the one place that chooses how.

Shapes: H W of a frame, C = 3 (RGB).
"""

import stat
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import av
import numpy as np

from zsvideo.data.decoding.faults import DAMAGED, ShorterVideo, UnreadableVideo
from zsvideo.data.decoding.packs import SUFFIX, pack_frames
from zsvideo.data.decoding.pyav_reader import claimed_frames, pyav_frames
from zsvideo.data.transforms import Part, whole

SMALLEST = 8  # pixels of a side

Made = TypeVar("Made")


def read_frames(
    path: str | Path,
    choose: Callable[[int], np.ndarray],
    make: Callable[[np.ndarray], Made],
    window: tuple[float, float] | None = None,
    length: int | None = None,
    decoder: str = "pyav",
    part: Callable[[int, int], Part] = whole,
) -> list[Made]:
    """Decode the chosen frames of a video one after the other, each made into what is needed.

    The file is opened here, in the process that reads it.

    Args:
        path: a video file, or a pack of frames.
        choose: from the number of frames to the sorted, distinct frame numbers wanted; called
            again where a file turns out shorter than it says.
        make: from the part of a frame (H, W, C) uint8, upright, to what is kept of it.
        window: start and end in seconds; the frames of the video are then those inside it.
        length: the number of frames that decode, where it is known.
        decoder: `pyav` or `decord`.
        part: from the height and width of a frame to its part that is wanted, as of a `View`.

    Returns:
        One result a chosen frame, in their order.

    Raises:
        UnreadableVideo: the file is missing, no video, empty, or damaged.
    """
    check_file(path)
    if str(path).endswith(SUFFIX):
        frames, count = pack_frames, None
    elif decoder == "decord":
        from zsvideo.data.decoding.decord_reader import decord_frames as frames

        count = length
    else:
        frames, count = pyav_frames, length
    sized = cache(partial(sized_part, part))

    def read(length: int | None) -> list[Made]:
        return [make(pixels) for pixels in frames(path, choose, window, length, sized)]

    try:
        try:
            return read(count)
        except ShorterVideo as shorter:
            return read(int(shorter.args[0]))
    except ShorterVideo:
        raise UnreadableVideo(DAMAGED) from None
    except (av.FFmpegError, OSError, RuntimeError, ValueError, MemoryError) as error:
        raise UnreadableVideo(reason(error)) from None


def claimed_length(path: str | Path) -> int:
    """Tell how many frames a video says it has; 0 where it says nothing, as a pack.

    Raises:
        UnreadableVideo: the file is missing, empty, or no video.
    """
    check_file(path)
    try:
        return 0 if str(path).endswith(SUFFIX) else claimed_frames(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(reason(error)) from None


def check_file(path: str | Path) -> None:
    """Check what can be told without opening a video; raises UnreadableVideo."""
    try:
        state = (file := Path(path)).stat()
    except PermissionError:
        raise UnreadableVideo("no permission to read it") from None
    except OSError:
        raise UnreadableVideo("missing file") from None
    if not stat.S_ISREG(state.st_mode):
        raise UnreadableVideo("not a regular file")
    if state.st_size == 0:
        raise UnreadableVideo("empty file")
    try:
        with file.open("rb", buffering=0) as opened:
            head = opened.read(12)
    except OSError:
        raise UnreadableVideo("no permission to read it") from None
    said = int.from_bytes(head[4:8], "little") + 8
    if head[:4] == b"RIFF" and state.st_size < said:  # an AVI; decoders read what is left of it
        raise UnreadableVideo("truncated")


def sized_part(part: Callable[[int, int], Part], height: int, width: int) -> Part:
    """Give the part of a frame; raises UnreadableVideo for frames too small to show anything."""
    if min(height, width) < SMALLEST:
        raise UnreadableVideo(f"smaller than {SMALLEST} pixels")
    return part(height, width)


def reason(error: Exception) -> str:
    """Name the fault of a file in a few words."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "missing file"
    if isinstance(error, av.InvalidDataError):
        opening = getattr(error, "log", None) is not None or "avcodec" not in str(error)
        return "not a video file" if opening else DAMAGED
    if isinstance(error, MemoryError):
        return "frames too large for memory"
    return DAMAGED
