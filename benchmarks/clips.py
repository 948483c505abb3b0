"""Clips a second on one core, beside the sequential method: `make bench`.

The sequential method reads every frame from the first on with OpenCV until the clip is complete,
resizes whole frames as float, normalises and crops them, as one tensor (C, frames, H, W), which is
the published way. Beside it are OpenCV with a seek, torchcodec where it is installed, and one JPEG
a frame, and as the limit the decoding alone of the frames that have to be. All read the same clips
by turns, in one process on one core; medians and the ratio of medians are printed. With `--cpu`,
for a machine that is not idle, times are those of the processor; through a DataLoader they are
always those of the clock.
"""

import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch import Tensor

from benchmarks.videos import FORMS, make, rates, textured
from zsvideo.data.clips import Clips, collate, read_frames
from zsvideo.data.decoding.forms import SUFFIXES, FormSpec, write_form
from zsvideo.data.decoding.packs import MAGIC
from zsvideo.data.decoding.pyav_reader import all_frames
from zsvideo.data.decoding.reading import index_of, open_video
from zsvideo.data.kenburns import draw_boxes, ken_burns
from zsvideo.data.options import ClipSpec
from zsvideo.data.sampling import clip_frames, test_starts, train_start
from zsvideo.data.transforms import random_crop, resize_short_side
from zsvideo.data.videos import Video
from zsvideo.semantics.class_vectors import ClassBank

SPEC = ClipSpec(16, 25, 128, 112, 0.5, "loop")
BANK = ClassBank(("a",), np.zeros((1, 300)))
MEAN, STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)  # as conf/model
CLOCK = time.process_time if "--cpu" in sys.argv else time.perf_counter
QUALITY = 85  # of packs, as conf/prepare.yaml
WORKING = 512  # pixels: short side to which the authors reduce images first
LOADED = "H.264 340x256, key 250"  # the form that is also read through a DataLoader


def sequential(path: str, starts: np.ndarray) -> Tensor:
    """Read clips (N, C, T, H, W) float32: all frames of all clips transformed whole, at once."""
    capture = cv2.VideoCapture(path)
    frames = []
    for _ in range(starts[-1] + SPEC.frames):
        _, frame = capture.read()
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    whole = np.stack([f for start in starts for f in frames[start : start + SPEC.frames]])
    pixels = torch.from_numpy(whole).permute(3, 0, 1, 2).to(torch.float32) / 255
    scale = SPEC.short_side / min(pixels.shape[-2:])
    size = [round(side * scale) for side in pixels.shape[-2:]]
    pixels = torch.nn.functional.interpolate(pixels, size, mode="bilinear")
    pixels = normalised(pixels)
    top, left = ((side - SPEC.crop) // 2 for side in pixels.shape[-2:])
    pixels = pixels[..., top : top + SPEC.crop, left : left + SPEC.crop]
    return pixels.unflatten(1, (len(starts), SPEC.frames)).transpose(0, 1).contiguous()


def normalised(pixels: Tensor) -> Tensor:
    """Normalise (C, T, H, W)."""
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (MEAN, STD))
    return (pixels - mean) / std


def authors_images(path: str, boxes: np.ndarray) -> Tensor:
    """Make a Ken Burns clip as the authors' code: scikit-image, then Pillow's crops as float.

    Raises:
        ImportError: scikit-image, which the project does not need, is not installed.
    """
    from skimage.io import imread
    from skimage.transform import resize

    image = imread(path)
    scale = min(WORKING / min(image.shape[:2]), 1)
    if scale < 1:
        size = [int(side * scale) for side in image.shape[:2]]
        image = (255 * resize(image, size, mode="constant", anti_aliasing=True)).astype("uint8")
    crops = []
    for top, left, side in (boxes * scale).astype(int):
        crop = Image.fromarray(image[top : top + side, left : left + side])
        pixels = np.array(crop.resize((SPEC.crop, SPEC.crop), Image.Resampling.BILINEAR))
        crops.append(torch.from_numpy(pixels).permute(2, 0, 1).float() / 255)
    return normalised(torch.stack(crops, 1))


def compare_images(folder: Path, rounds: int) -> None:
    """Print one line for the Ken Burns clip of each size of image."""
    for height, width in ((375, 500), (768, 1024), (1200, 1600)):
        file = folder / f"{width}.jpg"
        Image.fromarray(next(textured(1, height, width, 0))).save(file, quality=90)
        times: dict[str, list[float]] = {"sequential": [], "originals": []}
        for number in range(rounds):
            boxes = draw_boxes(np.random.default_rng(number), height, width, SPEC.frames)
            times["sequential"].append(timed(lambda b=boxes, f=file: authors_images(str(f), b)))
            rng = np.random.default_rng(number)
            job = lambda f=file, r=rng: ken_burns(str(f), r, SPEC.frames, SPEC.crop)  # noqa: E731
            times["originals"].append(timed(job))
        show(f"Ken Burns clip, JPEG {width}x{height}", times)


def timed(job: Callable[[], object], clock: Callable[[], float] | None = None) -> float:
    """Give the milliseconds a job takes."""
    read = clock or CLOCK
    started = read()
    job()
    return 1e3 * (read() - started)


def prepared(file: Path, form: str) -> Path:
    """Write a video's prepared form as `src.prepare` does by default; give the file."""
    made = file.with_name(f"{file.stem}-{MAGIC.decode()}-{QUALITY}{SUFFIXES[form]}")
    if not made.exists():
        write_form(made, all_frames(file), FormSpec(form, SPEC.short_side, QUALITY, 18, 16))
    return made


def jpegs(file: Path) -> Path:
    """Write each frame of a video as a JPEG of its own, at the short side; give the folder."""
    folder = file.with_name(f"{file.stem}-jpegs")
    if not folder.exists():
        part = file.with_name(f"{file.stem}-part")
        part.mkdir(exist_ok=True)
        for number, (_, frame) in enumerate(all_frames(file).frames):
            small = resize_short_side(frame, SPEC.short_side)
            code = simplejpeg.encode_jpeg(small, QUALITY, colorsubsampling="420")
            (part / f"{number}.jpg").write_bytes(code)
        part.rename(folder)
    return folder


def by_jpegs(folder: Path, start: int) -> np.ndarray:
    """Read a clip (T, H, W, C) uint8 of JPEGs, and cut its centre."""
    numbers = range(start, start + SPEC.frames)
    codes = [(folder / f"{n}.jpg").read_bytes() for n in numbers]
    frames = np.stack([simplejpeg.decode_jpeg(code, fastupsample=True) for code in codes])
    top, left = ((side - SPEC.crop) // 2 for side in frames.shape[1:3])
    return frames[:, top : top + SPEC.crop, left : left + SPEC.crop].copy()


def by_opencv(path: str, start: int) -> np.ndarray:
    """Read a clip (T, H, W, C) uint8 by OpenCV with a seek by number, and cut its centre."""
    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_POS_FRAMES, start)
    read = [cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB) for _ in range(SPEC.frames)]
    capture.release()
    return cut(np.stack(read))


def by_torchcodec(path: str, start: int) -> np.ndarray:
    """Read a clip (T, H, W, C) uint8 by torchcodec, exact where it can be, and cut its centre."""
    from torchcodec.decoders import VideoDecoder

    how = {"seek_mode": "exact", "num_ffmpeg_threads": 1, "dimension_order": "NHWC"}
    read = VideoDecoder(path, **how).get_frames_at([*range(start, start + SPEC.frames)])
    return cut(read.data.numpy())


def cut(frames: np.ndarray) -> np.ndarray:
    """Scale frames to the short side and cut their centre."""
    small = np.stack([resize_short_side(frame, SPEC.short_side) for frame in frames])
    top, left = ((side - SPEC.crop) // 2 for side in small.shape[1:3])
    return small[:, top : top + SPEC.crop, left : left + SPEC.crop].copy()


def decoding(path: str, index: str, start: int) -> None:
    """Decode the frames that a clip needs, and do nothing with them."""
    with open_video(path, index=index) as video:
        deque(video.frames(np.arange(start, start + SPEC.frames)), maxlen=0)


def by_project(video: Video, start: int) -> Tensor:
    """Read a clip as training does, from a start that is given."""
    crop = random_crop(np.random.default_rng(start), SPEC.flip)
    choose = partial(clip_frames, np.array([start]), frames=SPEC.frames, short_videos="loop")
    return read_frames(video, SPEC, crop, choose)["frames"]


def ways(file: Path, places: dict[str, Path]) -> dict[str, Callable[[int], object]]:
    """Give the ways to read a training clip from a start, by name."""
    path, index, folder = str(file), index_of(file), jpegs(file)
    found: dict[str, Callable[[int], object]] = {
        "sequential": lambda start: sequential(path, np.array([start])),
        "OpenCV seek": partial(by_opencv, path),
        "torchcodec": partial(by_torchcodec, path),
        "JPEGs": partial(by_jpegs, folder),
        "limit of originals": partial(decoding, path, index),
        "limit of h264": partial(decoding, str(places["h264"]), index_of(places["h264"])),
        "originals": partial(by_project, Video("v", path)),
    }
    for kind, place in places.items():
        found |= {
            f"{kind} prepared": partial(by_project, Video("v", str(place), index=index_of(place)))
        }
    try:
        by_torchcodec(path, 0)
    except (ImportError, RuntimeError):
        del found["torchcodec"]
    return found


def compare(name: str, file: Path, rounds: int) -> None:
    """Print lines for training clips and one for the 25-clip test."""
    print(f"{name}: {rates(file)}", flush=True)
    length = FORMS[name][2]
    rng = np.random.default_rng(0)
    pack, h264 = prepared(file, "pack"), prepared(file, "h264")
    places = {"originals": file, "h264": h264, "pack": pack}
    read = ways(file, places)
    times: dict[str, list[float]] = {kind: [] for kind in read}
    for _ in range(rounds):
        start = train_start(length, SPEC.frames, rng)
        for kind, way in read.items():
            times[kind].append(timed(lambda w=way, s=start: w(s)))
    show(f"{name}: one training clip", times)
    readers = {
        kind: Clips([Video("v", str(path), "a", index=index_of(path))], BANK, SPEC, 0, False)
        for kind, path in places.items()
    }
    times = {kind: [] for kind in ("sequential", *places)}
    spread = test_starts(length, SPEC.frames, SPEC.test_clips)
    for number in range(max(rounds // 8, 3)):
        if length <= 300 or number == 0:
            times["sequential"].append(timed(lambda: sequential(str(file), spread)))
        for kind, clips in readers.items():
            job = lambda c=clips, n=number: c[(n, 0)]  # noqa: E731
            times[kind].append(timed(job))
    show(f"{name}: 25 test clips", times, SPEC.test_clips)
    sizes = [f"{kind} {path.stat().st_size / 1e3:.0f} kB" for kind, path in places.items()]
    print(f"{name}: {', '.join(sizes)}", flush=True)
    if name == LOADED:
        compare_loaders(places, length)


class Sequential(torch.utils.data.Dataset[Tensor]):
    """Clips of one video by the sequential method."""

    def __init__(self, path: Path, length: int, clips: int) -> None:
        self.path, self.length, self.clips = path, length, clips

    def __len__(self) -> int:
        return self.clips

    def __getitem__(self, index: int) -> Tensor:
        start = train_start(self.length, SPEC.frames, np.random.default_rng(index))
        return sequential(str(self.path), np.array([start]))[0]


def compare_loaders(places: dict[str, Path], length: int) -> None:
    """Print clips a second through a DataLoader with 2 workers, on two cores."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    rates: dict[str, list[float]] = {k: [] for k in ("sequential", *places)}
    for _ in range(3):
        for kind, seen in rates.items():
            clips = {"sequential": 44, "originals": 220}.get(kind, 2200)  # seconds, not start-up
            path = places.get(kind, places["originals"])
            index = index_of(path)  # clips differ by the names of their videos
            videos = [Video(f"v{n}", str(path), "a", index=index) for n in range(clips)]
            data = (
                Sequential(places["originals"], length, clips)
                if kind == "sequential"
                else Clips(videos, BANK, SPEC, 0, True)
            )
            sampler = range(clips) if kind == "sequential" else [(0, i) for i in range(clips)]
            joined = None if kind == "sequential" else collate
            loader: Any = torch.utils.data.DataLoader(
                data, batch_size=22, sampler=sampler, num_workers=2, collate_fn=joined
            )
            seen.append(clips * 1e3 / timed(lambda x=loader: deque(x, maxlen=0), time.perf_counter))
    medians = {kind: statistics.median(seen) for kind, seen in rates.items()}
    told = [f"{k} {r:.0f} clips/s ({r / medians['sequential']:.1f}x)" for k, r in medians.items()]
    print(f"{LOADED}: DataLoader, 2 workers: {', '.join(told)}", flush=True)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def show(what: str, times: dict[str, list[float]], clips: int = 1) -> None:
    """Print medians, clips a second, and ratios to the sequential method where it was run."""
    medians = {kind: statistics.median(seen) for kind, seen in times.items() if seen}
    base = medians.get("sequential", 0.0)
    told = []
    for kind, ms in medians.items():
        ratio = f", {base / ms:.1f}x" if base and kind != "sequential" else ""
        told.append(f"{kind} {ms:.1f} ms ({1e3 * clips / ms:.0f} clips/s{ratio})")
    print(f"{what}: {', '.join(told)}", flush=True)


def main(wanted: list[str]) -> None:
    """Compare on all forms, or on those whose name holds a given word."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    folder = Path(tempfile.gettempdir()) / "zero-shot-bench-natural"
    folder.mkdir(exist_ok=True)
    for name in FORMS:
        if not wanted or any(word in name for word in wanted):
            compare(name, make(folder, name), 7 if "720p" in name else 40)
    if not wanted or "images" in wanted:
        compare_images(folder, 15)


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word != "--cpu"])
