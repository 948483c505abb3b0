"""Which frames make a clip (Sec. 3.2 and 4.4): pure functions of a video's length.

Shapes: N clips, T frames a clip.
"""

import numpy as np

SHORT_VIDEOS = ("loop", "repeat_last")


def train_start(length: int, frames: int, rng: np.random.Generator) -> int:
    """Draw the first frame of a training clip, uniform over 0..length-frames inclusive (Sec. 3.2).

    A video shorter than a clip starts at 0.
    """
    return int(rng.integers(0, max(length - frames, 0) + 1))


def test_starts(length: int, frames: int, clips: int) -> np.ndarray:
    """Give the first frames of N linearly spaced test clips (Sec. 4.4); one clip is the centre one.

    Returns:
        (N,) int64: round(linspace(0, length-frames, N)); all 0 for a video shorter than a clip.
    """
    last = max(length - frames, 0)
    if clips == 1:
        return np.array([last // 2])
    return np.round(np.linspace(0, last, clips)).astype(np.int64)


def clip_frames(starts: np.ndarray, length: int, frames: int, short_videos: str) -> np.ndarray:
    """List the frames of each clip: consecutive, and inside the video.

    Args:
        starts: (N,) first frames.
        length: frames in the video, at least 1.
        frames: T.
        short_videos: what fills a clip beyond the end of a video with fewer than T frames:
            `loop` starts again at its first frame, `repeat_last` holds its last one.

    Returns:
        (N, T) int64, each in 0..length-1.
    """
    indices = np.asarray(starts)[:, None] + np.arange(frames)
    return indices % length if short_videos == "loop" else np.minimum(indices, length - 1)
