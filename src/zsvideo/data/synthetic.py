"""Draw labelled videos of moving shapes: the real, encoded files behind the demo and the tests.

A class is three words, 'colour shape motion'. No single frame tells the motion: place, size and
angle are drawn alike for all motions, and the moving one of them starts at a random phase. Falling
and floating (up), expanding and contracting differ in the order of frames only. Mirroring a video
left to right keeps its class. The domain `stills` has pictures of 'colour shape' instead.

Shapes: T frames, H W, C = 3 (RGB). Lengths are in units of the short side, times in seconds.
"""

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from zsvideo.errors import UserError

# Hue and saturation. The words were chosen for word2vec vectors that are far apart.
PAINT = {"green": (0.36, 0.85), "purple": (0.80, 0.75), "white": (0.0, 0.0), "gold": (0.13, 0.9)}
COLOURS = tuple(PAINT)
SHAPES = ("square", "cross", "bar")
MOTIONS = ("falling", "floating", "expanding", "contracting", "spinning", "swinging")

SETTINGS = "synthetic.json"
SIZES = (0.17, 0.36)  # radius of a shape
ROOM = 0.6  # side of the central square in which a shape's centre moves


@dataclass(frozen=True)
class Domain:
    """How the videos of one domain look and are stored.

    Attributes:
        suffix, codec, options: container, encoder and what the encoder is told.
        size: width and height in pixels, even.
        fps: frames a second; speeds are per second, so it changes the motion per frame.
        lightness: range of the background's brightness, 0..1.
        texture: contrast of the background's pattern.
        noise: standard deviation of each pixel of each frame.
    """

    suffix: str
    codec: str
    options: dict[str, str]
    size: tuple[int, int]
    fps: int
    lightness: tuple[float, float]
    texture: float
    noise: float


# At these frame sizes x264's macroblock tree makes the same frames into differing files.
X264 = {"preset": "veryfast", "crf": "26", "x264-params": "mbtree=0"}

DOMAINS = {
    "source": Domain("mp4", "libx264", X264, (64, 48), 25, (0.02, 0.3), 0.04, 0.01),
    "target": Domain(
        "avi", "mpeg4", {"qmin": "5", "qmax": "5"}, (80, 60), 30, (0.25, 0.5), 0.10, 0.03
    ),
    "stills": Domain("png", "", {}, (120, 90), 25, (0.02, 0.5), 0.08, 0.02),
}
STILLS = tuple(sorted(" ".join(look) for look in product(COLOURS, SHAPES)))


def class_split(targets: int, planted: int, seed: int) -> tuple[list[str], list[str]]:
    """Divide all combinations of words into source and target classes.

    Target classes come in groups that differ in the motion only: half the motions of a colour and
    shape. The other half, and all motions of other colours and shapes, stay in the source.

    Args:
        targets: classes held out for the target; every word still occurs in a source class.
        planted: target classes listed in the source too, for the overlap rule to remove.
        seed: of the draw.

    Returns:
        The source classes, planted ones included, and the target classes; both sorted.
    """
    looks, half = list(product(COLOURS, SHAPES)), len(MOTIONS) // 2
    if not 0 <= planted <= targets <= half * (len(looks) - 1):
        raise UserError(f"cannot hold out {targets} synthetic classes and plant {planted} of them")
    rng = np.random.default_rng(seed)
    target_names: list[str] = []
    source_names: list[str] = []
    for look in rng.permutation(looks):
        names = [" ".join([*look, motion]) for motion in rng.permutation(MOTIONS)]
        share = min(half, targets - len(target_names))
        target_names += names[:share]
        source_names += names[share:]
    return sorted(source_names + target_names[:planted]), sorted(target_names)


def domain_classes(domain: str, targets: int, planted: int, seed: int) -> list[str]:
    """List the classes of one domain: all of `stills`, else as `class_split` draws them.

    Raises:
        UserError: there is no such domain, or the numbers do not fit.
    """
    if domain not in DOMAINS:
        raise UserError(f"domain={domain} is unknown; allowed: {', '.join(DOMAINS)}")
    if domain == "stills":
        return list(STILLS)
    return class_split(targets, planted, seed)[list(DOMAINS).index(domain)]


def domain_folder(root: Path, domain: str, classes: Sequence[str], videos: int, seed: int) -> Path:
    """Return the folder of one setting, so that settings do not get into each other's way."""
    made = repr((list(classes), videos, seed, DOMAINS[domain]))
    return root / f"{domain}-{hashlib.sha256(made.encode()).hexdigest()[:8]}"


def generate(root: Path, classes: Sequence[str], videos: int, domain: str, seed: int) -> None:
    """Write `videos` files for each class as root/<class>/<nnn>.<mp4 or avi>, once.

    A video depends on the seed, its domain, its class and its number only. The set is built beside
    `root` and moved there when complete, so `root` is either a finished set or absent.

    Raises:
        UserError: the domain or a class is unknown, or `root` holds something else.
    """
    root = Path(root)
    settings = {"classes": list(classes), "videos": videos, "domain": domain, "seed": seed}
    known = STILLS if domain == "stills" else map(" ".join, product(COLOURS, SHAPES, MOTIONS))
    if unknown := set(classes) - set(known):
        raise UserError(f"no class of the synthetic videos: {', '.join(sorted(unknown))}")
    if domain not in DOMAINS:
        raise UserError(f"domain {domain!r} is unknown; allowed: {', '.join(DOMAINS)}")
    if root.exists() and any(root.iterdir()):
        record = root / SETTINGS
        if record.exists() and json.loads(record.read_text()) == settings:
            return
        raise UserError(f"{root} holds another set of files; delete it or name another folder")
    partial = root.with_name(f"{root.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name in classes:
        (partial / name).mkdir(parents=True)
        for number in range(videos):
            rng = np.random.default_rng([seed, zlib.crc32(f"{domain}/{name}/{number}".encode())])
            file = partial / name / f"{number:03d}.{DOMAINS[domain].suffix}"
            frames = draw_video(name, DOMAINS[domain], rng)
            if domain == "stills":
                Image.fromarray(frames[0]).save(file)
            else:
                encode(file, frames, DOMAINS[domain])
    (partial / SETTINGS).write_text(json.dumps(settings, indent=1))
    try:
        partial.replace(root)
    except OSError:  # another process was faster: it made the same files
        shutil.rmtree(partial)
        generate(root, classes, videos, domain, seed)


def encode(file: Path, frames: np.ndarray, domain: Domain) -> None:
    """Write (T, H, W, C) uint8 frames to a video file."""
    import av  # heavy: names of classes need none of it

    with av.open(str(file), "w") as container:
        stream = container.add_stream(domain.codec, rate=domain.fps, options=domain.options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = domain.size
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def draw_video(name: str, domain: Domain, rng: np.random.Generator) -> np.ndarray:
    """Draw one video of a class.

    Returns:
        (T, H, W, C) uint8, T in 24..40.
    """
    colour, shape, motion = [*name.split(), "spinning"][:3]  # a picture may stand at any angle
    width, height = domain.size
    seconds = np.arange(rng.integers(24, 41)) / domain.fps
    x, y, radius, angle = trajectory(motion, seconds, width / height, rng)

    rows, columns = (np.mgrid[:height, :width] + 0.5) / height
    across, down = columns - x[:, None, None], rows - y[:, None, None]
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    radius = radius[:, None, None]
    outside = edge_distance(
        shape, (cos * across + sin * down) / radius, (cos * down - sin * across) / radius
    )
    cover = np.clip(0.5 - outside * radius * height, 0, 1)[..., None]

    hue, saturation = PAINT[colour]
    paint = rgb(hue + rng.uniform(-0.03, 0.03), saturation, rng.uniform(0.8, 1.0))
    picture = cover * paint + (1 - cover) * background(domain, rng)
    picture += rng.normal(0, domain.noise, picture.shape)
    pixels: np.ndarray = np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    return pixels


def trajectory(
    motion: str, seconds: np.ndarray, aspect: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Place a shape over time: centre x and y, radius and angle, each (T,).

    The motion drives one of the four through its whole range, again and again; the others rest.
    """
    x, y, size, turn = rng.random(4)[:, None] + np.zeros(len(seconds))
    cycle = rng.random() + seconds * rng.uniform(0.7, 1.3)
    if motion in ("falling", "floating"):
        y = cycle % 1 if motion == "falling" else -cycle % 1
    elif motion in ("expanding", "contracting"):
        size = cycle % 1 if motion == "expanding" else -cycle % 1
    elif motion == "spinning":
        turn = cycle * rng.choice([-1, 1])
    else:
        x = np.abs(2 * (cycle % 1) - 1)
    low, high = SIZES
    return (
        aspect / 2 + (x - 0.5) * ROOM,
        0.5 + (y - 0.5) * ROOM,
        low * (high / low) ** size,
        2 * np.pi * turn,
    )


def edge_distance(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the distance of points to the edge of a shape of radius 1, negative inside."""
    edge: np.ndarray
    near, far = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    if shape == "square":
        edge = far - 0.8
    elif shape == "bar":
        edge = np.maximum(np.abs(x) - 1, np.abs(y) - 0.3)
    else:
        edge = np.maximum(near - 0.25, far - 1)
    return edge


def background(domain: Domain, rng: np.random.Generator) -> np.ndarray:
    """Draw a still, smooth pattern (H, W, C) in pale colours, 0..1."""
    width, height = domain.size
    base = rgb(rng.random(), rng.uniform(0, 0.3), rng.uniform(*domain.lightness))
    rows, columns = np.mgrid[:height, :width] / height
    waves = np.zeros((height, width))
    for _ in range(4):
        along, across, phase = rng.uniform(-8, 8), rng.uniform(-8, 8), rng.uniform(0, 2 * np.pi)
        waves += np.sin(along * columns + across * rows + phase) / 2
    return base + domain.texture * waves[..., None]


def rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """Turn hue (in turns), saturation and value, 0..1, into (C,) red, green, blue."""
    ramp = np.abs((hue + np.array([0, 2 / 3, 1 / 3])) % 1 * 6 - 3) - 1
    colour: np.ndarray = value * (1 - saturation * (1 - np.clip(ramp, 0, 1)))
    return colour
