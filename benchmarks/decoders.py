"""Decoders beside each other: time of a training clip, and wrong frames.

OpenCV seeks by frame number here, as loaders that use it do; the project's readers are those of
`clips.decoder`; torchcodec is measured where it can be imported and finds its FFmpeg. A frame is
wrong if another frame of the video is nearer to it.
"""

import os
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.clips import SPEC, prepared, timed
from benchmarks.videos import FORMS, make, pack_b_frames, textured, write
from zsvideo.data.decoding.packs import SUFFIX
from zsvideo.data.decoding.reading import open_video

Reader = Callable[[str, np.ndarray], list[np.ndarray]]


def opencv_seek(path: str, numbers: np.ndarray) -> list[np.ndarray]:
    """Read consecutive frames after a seek by number."""
    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_POS_FRAMES, int(numbers[0]))
    read = [capture.read()[1] for _ in numbers]
    capture.release()
    return [cv2.cvtColor(f, cv2.COLOR_BGR2RGB) for f in read if f is not None]


def by_project(decoder: str, path: str, numbers: np.ndarray) -> list[np.ndarray]:
    """Read frames as the project does."""
    with open_video(path, decoder=decoder) as video:
        return list(video.get(numbers))


def wrong(frames: list[np.ndarray], numbers: np.ndarray, small: np.ndarray) -> int:
    """Count frames that are nearest to another frame of the video, or are missing."""
    count = len(numbers) - len(frames)
    for frame, number in zip(frames, numbers, strict=False):
        distance = np.abs(small - shrunk(frame)).mean(axis=(1, 2, 3))
        count += int(distance.argmin() != number)
    return count


def every_frame(file: str) -> list[np.ndarray]:
    """Scale all frames of a video down, one after the other."""
    with open_video(file) as video:
        return [shrunk(frame) for frame in video.decode(np.arange(len(video)), None)]


def shrunk(frame: np.ndarray) -> np.ndarray:
    """Scale a frame down for comparison."""
    return cv2.resize(frame, (80, 60), interpolation=cv2.INTER_AREA).astype(np.float32)


def torchcodec_reader(mode: str, file: str) -> Reader | None:
    """Give torchcodec's reader with that seek mode; None where it or its FFmpeg is not there."""
    try:
        from torchcodec.decoders import VideoDecoder

        VideoDecoder(file)
    except (ImportError, RuntimeError):
        return None

    def read(path: str, numbers: np.ndarray) -> list[np.ndarray]:
        how = {"seek_mode": mode, "num_ffmpeg_threads": 1, "dimension_order": "NHWC"}
        try:
            got = VideoDecoder(path, **how).get_frames_at(numbers.tolist())
        except RuntimeError:
            return []
        return list(got.data.numpy())

    return read


def files(folder: Path) -> dict[str, Path]:
    """Make the files to read: as published data sets have them, and prepared."""
    made = {name: make(folder, name) for name in FORMS}
    single, packed = folder / "single.avi", folder / "packed.avi"
    write(single, "mpeg4", textured(250, 240, 320, 0), 25, {"bf": "1", "g": "250", "qmin": "4"})
    pack_b_frames(single, packed)
    kinetics = made["H.264 340x256, key 250"]
    return {
        "AVI 320x240, packed B-frames": packed,
        **made,
        "prepared: H.264": prepared(kinetics, "h264"),
        "prepared: pack": prepared(kinetics, "pack"),
    }


def main() -> None:
    """Print a line for each file."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    folder = Path(tempfile.gettempdir()) / "zero-shot-bench-natural"
    folder.mkdir(exist_ok=True)
    for name, path in files(folder).items():
        file = str(path)
        found: dict[str, Reader | None] = {
            "pyav": partial(by_project, "pyav"),
            "decord": partial(by_project, "decord"),
            "opencv seek": opencv_seek,
            "torchcodec exact": torchcodec_reader("exact", file),
            "torchcodec approximate": torchcodec_reader("approximate", file),
        }
        if path.suffix == SUFFIX:
            found = {"pack": partial(by_project, "pyav")}
        readers = {kind: read for kind, read in found.items() if read}
        small = np.stack(every_frame(file))
        times: dict[str, list[float]] = {kind: [] for kind in readers}
        errors = dict.fromkeys(readers, 0)
        rng = np.random.default_rng(0)
        rounds = 5 if "720p" in name else 20
        for _ in range(rounds):
            numbers = rng.integers(0, len(small) - SPEC.frames) + np.arange(SPEC.frames)
            for kind, read in readers.items():
                got: list[np.ndarray] = []
                job = lambda r=read, f=file, n=numbers, g=got: g.extend(r(f, n))  # noqa: E731
                times[kind].append(timed(job))
                errors[kind] += wrong(got, numbers, small)
        told = [f"{k} {statistics.median(t):.1f} ms, {errors[k]} wrong" for k, t in times.items()]
        print(f"{name} ({rounds * SPEC.frames} frames): {'; '.join(told)}", flush=True)


if __name__ == "__main__":
    main()
