"""What can be wrong with a video file, in a few words each, and its labelled window."""

from collections.abc import Callable, Sequence

import numpy as np

DAMAGED = "damaged: frames do not decode"


class UnreadableVideo(Exception):
    """A video file that cannot be decoded; the text says why."""


class ShorterVideo(Exception):
    """A video has fewer frames than its packets promise; the argument is their number."""


def wanted_frames(
    choose: Callable[[int], np.ndarray],
    window: tuple[float, float] | None,
    seconds: Sequence[float] | np.ndarray,
) -> np.ndarray:
    """Choose frames of a video, or of a window of it.

    Args:
        choose: from a number of frames to the numbers wanted.
        window: start and end in seconds; None for all frames.
        seconds: time of each frame of the video, rising.

    Returns:
        Their numbers in the video.

    Raises:
        UnreadableVideo: there are no frames.
    """
    first, end = 0, len(seconds)
    if window is not None:
        first, end = map(int, np.searchsorted(seconds, np.array(window) - 1e-6))
    if end <= first:
        raise UnreadableVideo("no frames")
    return first + choose(end - first)
