"""Which frames make a clip (Sec. 3.2 and 4.4): pure functions of a video's length.

Shapes: N clips, T frames a clip.
"""

import numpy as np


def train_start(length: int, frames: int, rng: np.random.Generator, last: bool = True) -> int:
    """Draw the first frame of a training clip, uniform over 0..length-frames (Sec. 3.2).

    A video shorter than a clip starts at 0.

    Args:
        length: frames in the video.
        frames: T.
        rng: of the draw.
        last: the clip that ends with the video can be drawn; not so in the authors' code.
    """
    return int(rng.integers(0, max(length - frames + last, 1)))


def test_starts(length: int, frames: int, clips: int, single: str = "centre") -> np.ndarray:
    """Return the first frames of N linearly spaced test clips (Sec. 4.4); one is the centre clip.

    Args:
        length: frames in the video.
        frames: T.
        clips: N.
        single: where one clip alone starts: `centre`, or `first` frame as in the authors' code.

    Returns:
        (N,) int64: round(linspace(0, length-frames, N)); all 0 for a video shorter than a clip.
    """
    last = max(length - frames, 0)
    if clips == 1:
        return np.array([last // 2 if single == "centre" else 0])
    return np.round(np.linspace(0, last, clips)).astype(np.int64)


def test_frames(
    length: int,
    frames: int,
    clips: int,
    rule: str,
    single: str,
    cap: int | None,
    short_videos: str,
) -> np.ndarray:
    """List the frames of the test clips of a video.

    Args:
        length: frames in the video, at least 1.
        frames: T.
        clips: N.
        rule: `linspace`, or `authors_code`, see `authors_frames`.
        single: see `test_starts`; also what one clip by `authors_code` is.
        cap: frames of a labelled segment that are used; None for all.
        short_videos: see `clip_frames`; `authors_code` has a rule of its own.

    Returns:
        (N, T) int64, each in 0..length-1.
    """
    if rule == "authors_code" and (clips > 1 or single == "first"):
        return authors_frames(length, frames, clips, cap)
    used = length if cap is None else min(length, cap)
    return clip_frames(test_starts(used, frames, clips, single), used, frames, short_videos)


def spread_frames(
    length: int,
    frames: int,
    clips: int,
    sampling: str,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """List the frames of clips that each show all of a video, as image encoders read them.

    Args:
        length: frames in the video, at least 1; of fewer than T some are shown again.
        frames: T.
        clips: N; together they show N T frames of the video, clip n each N-th from n on.
        sampling: of M = N T frames: `starts` and `middles` of M equal parts, frame i at
            floor(i length / M) or floor((i + 1/2) length / M); `ends` at
            floor(i (length - 1) / (M - 1)), the first and the last of the video among them.
        rng: of training: one frame of each part, wherever in it.

    Returns:
        (N, T) int64, each in 0..length-1.
    """
    count = frames * clips
    number = np.arange(count)
    if rng is not None:
        indices = ((number + rng.random(count)) * length / count).astype(np.int64)
        indices = np.minimum(indices, length - 1)
    elif sampling == "ends" and count > 1:
        indices = number * (length - 1) // (count - 1)
    elif sampling == "starts":
        indices = number * length // count
    else:
        indices = (2 * number + 1) * length // (2 * count)
    return indices.reshape(frames, clips).T


def authors_frames(length: int, frames: int, clips: int, cap: int | None) -> np.ndarray:
    """List the frames of test clips as the authors' code does for any length.

    N segments of equal length give the clips' starts. Of a video file each frame is kept once,
    however many clips hold it, and frames past its end repeat the last; of a segment (`cap`) all
    clips' frames are kept and those past its end dropped. What is left is played in a loop and cut
    anew every T frames, so that below 16 N frames clips are not where they were meant to be.

    Args:
        length: frames in the video, at least 1.
        frames: T.
        clips: N.
        cap: frames of a segment that are used (300 in the authors' code); None for a video file.
    """
    used = length if cap is None else min(length, cap)
    period = max(used // clips, 1)
    starts = np.arange(0, used, period)[: min(clips, used // period)]
    wanted = starts[:, None] + np.arange(frames)
    played = np.unique(wanted) if cap is None else wanted[wanted < length]
    cut = np.arange(clips * frames) % len(played)
    return np.minimum(played[cut], length - 1).reshape(clips, frames)


def hold_last(indices: np.ndarray, length: int) -> np.ndarray:
    """Replace frames that do not decode by the last one before them that is wanted.

    So does the authors' code where a container claims more frames than it has. It makes noise where
    none that is wanted decodes; here that is the last frame of the video.

    Args:
        indices: wanted, of any shape, at least 0.
        length: frames that decode, at least 1.
    """
    there = indices[indices < length]
    return np.where(indices < length, indices, there.max(initial=-1) if there.size else length - 1)


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
