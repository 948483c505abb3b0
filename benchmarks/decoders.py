"""Decoders beside each other: time of a training clip, and wrong frames.

OpenCV seeks by frame number here, as loaders that use it do; the project's readers are those of
`clips.decoder`. A frame is wrong if another frame of the video is nearer to it.
"""

import os
import statistics
import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.clips import SPEC, timed
from benchmarks.videos import FORMS, make
from src.data.decoding.reading import read_frames


def opencv_seek(path: str, numbers: np.ndarray) -> list[np.ndarray]:
    """Read consecutive frames after a seek by number."""
    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_POS_FRAMES, int(numbers[0]))
    read = [capture.read()[1] for _ in numbers]
    capture.release()
    return [cv2.cvtColor(f, cv2.COLOR_BGR2RGB) for f in read if f is not None]


def by_project(decoder: str, path: str, numbers: np.ndarray) -> list[np.ndarray]:
    """Read frames as the project does."""
    return read_frames(path, lambda _: numbers, np.copy, decoder=decoder)


def wrong(frames: list[np.ndarray], numbers: np.ndarray, small: np.ndarray) -> int:
    """Count frames that are nearest to another frame of the video, or are missing."""
    count = len(numbers) - len(frames)
    for frame, number in zip(frames, numbers, strict=False):
        distance = np.abs(small - shrunk(frame)).mean(axis=(1, 2, 3))
        count += int(distance.argmin() != number)
    return count


def shrunk(frame: np.ndarray) -> np.ndarray:
    """Scale a frame down for comparison."""
    return cv2.resize(frame, (80, 60), interpolation=cv2.INTER_AREA).astype(np.float32)


def main() -> None:
    """Print a line for each form of up to 300 frames."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    folder = Path(tempfile.gettempdir()) / "zero-shot-bench"
    folder.mkdir(exist_ok=True)
    readers = {
        "pyav": lambda p, n: by_project("pyav", p, n),
        "decord": lambda p, n: by_project("decord", p, n),
        "opencv seek": opencv_seek,
    }
    for name, (_, _, length, *_) in FORMS.items():
        if length > 300:
            continue
        file = str(make(folder, name))
        small = np.stack(read_frames(file, np.arange, shrunk))
        times: dict[str, list[float]] = {kind: [] for kind in readers}
        errors = dict.fromkeys(readers, 0)
        rng = np.random.default_rng(0)
        for _ in range(5 if "720p" in name else 20):
            numbers = rng.integers(0, len(small) - SPEC.frames) + np.arange(SPEC.frames)
            for kind, read in readers.items():
                got: list[np.ndarray] = []
                job = lambda r=read, f=file, n=numbers, g=got: g.extend(r(f, n))  # noqa: E731
                times[kind].append(timed(job))
                errors[kind] += wrong(got, numbers, small)
        told = [f"{k} {statistics.median(t):.1f} ms, {errors[k]} wrong" for k, t in times.items()]
        print(f"{name}: {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
