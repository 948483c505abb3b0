"""When it happens: a video is read once, in stretches, and windows are averages of these.

Shapes: M stretches, W windows, C channels, T frames of a clip, H W, D embedding.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from zsvideo.data.decoding.faults import ShorterVideoError, named_faults
from zsvideo.data.decoding.reading import open_video
from zsvideo.data.options import ClipSpec
from zsvideo.data.sampling import clip_frames, spread_frames, test_starts
from zsvideo.data.transforms import Crop, View
from zsvideo.prediction.videos import Source

LONGEST = 2.0  # seconds of a stretch, which one clip stands for
AT_ONCE = 16  # clips that are held, whatever the length of the video


@dataclass(frozen=True)
class Windows:
    """The windows of a video.

    Attributes:
        starts: (W,) seconds.
        ends: (W,) seconds.
        members: for each the stretches that it averages.
        length: of the video, in seconds.
        least: how many windows begin within the length of one, or of a stretch that is longer.
        embeddings: (W, D).
    """

    starts: np.ndarray
    ends: np.ndarray
    members: tuple[np.ndarray, ...]
    length: float
    least: int
    embeddings: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @classmethod
    def over(cls, times: np.ndarray, window: float, stride: float) -> Self:
        """Lay windows over stretches.

        Args:
            times: (M, 2) start and end of each stretch in seconds.
            window: seconds of a window; of a shorter video there is one.
            stride: seconds from one to the next; the last one ends with the video.
        """
        length = float(times[-1, 1])
        starts = np.arange(0, max(length - window, 0) + 1e-6, stride)
        if length - window - starts[-1] > 1e-6:
            starts = np.append(starts, length - window)
        ends = np.minimum(starts + window, length)
        centres = times.mean(axis=1)
        first, last = (np.searchsorted(centres, bounds) for bounds in (starts, ends))
        after = np.searchsorted(centres, (starts + ends) / 2).clip(0, len(centres) - 1)
        members = tuple(
            np.arange(i, j) if j > i else np.array([near])  # a stretch may be longer than a window
            for i, j, near in zip(first.tolist(), last.tolist(), after.tolist(), strict=True)
        )
        longest = max(window, float(np.diff(times).max()))
        return cls(starts, ends, members, length, math.ceil(longest / stride))

    def with_rows(self, embeddings: np.ndarray) -> Self:
        """Add the embeddings."""
        return replace(self, embeddings=embeddings)

    def merged(self, labels: Sequence[str | None]) -> Iterator[tuple[float, float, slice]]:
        """Join neighbours with one label; the border of two labels is midway between windows.

        Yields:
            Start and end in seconds, and which windows.
        """
        middles = (self.starts + self.ends) / 2
        first = 0
        for end in range(1, len(labels) + 1):
            if end < len(labels) and labels[end] == labels[first]:
                continue
            start = 0.0 if first == 0 else float(middles[first - 1 : first + 1].mean())
            last = end == len(labels)
            yield (
                start,
                self.length if last else float(middles[end - 1 : end + 1].mean()),
                slice(first, end),
            )
            first = end


def settled(labels: Sequence[str | None], least: int) -> list[str | None]:
    """Divide a `None` of less than `least` windows among its neighbours: it is a border of two.

    Args:
        labels: of the windows.
        least: windows that begin within the length of one.
    """
    own = list(labels)
    first = 0
    while first < len(own):
        end = next((i for i in range(first, len(own)) if own[i] != own[first]), len(own))
        if own[first] is None and first > 0 and end < len(own) and end - first < least:
            middle = (first + end + 1) // 2
            own[first:middle] = [own[first - 1]] * (middle - first)
            own[middle:end] = [own[end]] * (end - middle)
        first = end
    return own


def stretches(
    source: Source, spec: ClipSpec, window: float, stride: float
) -> Iterator[tuple[np.ndarray, list[tuple[float, float]]]]:
    """Read one clip from the middle of each stretch of a video, from its first frame to its last.

    A stretch has the clip's frames at least, and is at most `LONGEST` where it then can be.

    Yields:
        Clips (M, C, T, H, W) uint8, a few at a time, and start and end of the stretch of each.

    Raises:
        UnreadableVideoError: the file is missing, no video, empty, or damaged.
    """
    view = View.of(spec, Crop())
    with open_video(source.path, source.window, decoder=spec.decoder) as video:
        seconds = video.seconds[video.first : video.end] - video.seconds[video.first]
        bounds = cuts(seconds, min(window, stride), spec.frames)
        ends = np.append(seconds[bounds[1:-1]], seconds[-1] + frame_time(seconds))
        times = list(zip(np.append(0.0, ends[:-1]).tolist(), ends.tolist(), strict=True))
        wanted = [
            first + frames_of_stretch(n, spec)
            for first, n in zip(bounds[:-1].tolist(), np.diff(bounds).tolist(), strict=True)
        ]
        unique = [np.unique(clip) for clip in wanted]
        clips: list[np.ndarray] = []
        done = 0
        with named_faults():
            decoded = video.decode(video.first + np.concatenate(unique), view)
            try:
                for clip, indices in zip(wanted, unique, strict=True):
                    frames = np.stack([next(decoded) for _ in indices])
                    pixels = frames[np.searchsorted(indices, clip)]
                    clips.append(np.ascontiguousarray(np.moveaxis(pixels, -1, 0)))
                    if len(clips) == AT_ONCE:
                        yield np.stack(clips), times[done : done + AT_ONCE]
                        done += AT_ONCE
                        clips = []
            except (ShorterVideoError, StopIteration):
                if not done and not clips:
                    raise
        if clips:
            yield np.stack(clips), times[done : done + len(clips)]


def frames_of_stretch(length: int, spec: ClipSpec) -> np.ndarray:
    """List the frames (T,) of the one clip of a stretch: from its middle, or over all of it."""
    if spec.sampling == "consecutive":
        starts = test_starts(length, spec.frames, 1)
        indices = clip_frames(starts, length, spec.frames, spec.short_videos)
    else:
        indices = spread_frames(length, spec.frames, 1, spec.sampling)
    return indices.ravel()


def cuts(seconds: np.ndarray, step: float, frames: int) -> np.ndarray:
    """Cut a video into stretches of equal time.

    Args:
        seconds: of each frame, from 0 on.
        step: seconds that a stretch may last at most.
        frames: T, that it has at least.

    Returns:
        (M + 1,) first frames of the stretches, and the number of frames.
    """
    step /= np.ceil(step / LONGEST)
    starts = np.searchsorted(seconds, np.arange(0, seconds[-1] + 1e-9, step) - 1e-6)
    bounds = [0]
    for start in starts[1:].tolist():
        if start - bounds[-1] >= frames:
            bounds.append(start)
    if len(bounds) > 1 and len(seconds) - bounds[-1] < frames:
        bounds.pop()  # what is left at the end belongs to the stretch before
    return np.array([*bounds, len(seconds)])


def frame_time(seconds: np.ndarray) -> float:
    """Give the time that a frame is shown."""
    return float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.04
