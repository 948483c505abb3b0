"""What can be wrong with a video file, in a few words each, and its labelled window."""

import numpy as np

DAMAGED = "damaged: frames do not decode"


class UnreadableVideo(Exception):
    """A video file that cannot be decoded; the text says why."""


class ShorterVideo(Exception):
    """A video has fewer frames than its packets promise; the argument is their number."""


def window_frames(window: tuple[float, float] | None, seconds: np.ndarray) -> tuple[int, int]:
    """Turn a window in seconds into its first frame and its number of frames.

    Args:
        window: start and end; None for all frames.
        seconds: time of each frame, rising.
    """
    if window is None:
        return 0, len(seconds)
    first, end = np.searchsorted(seconds, np.array(window) - 1e-6)
    return int(first), int(end - first)
