"""Video from a still image by the Ken Burns effect (Sec. 4.1): a crop that moves and zooms.

Shapes: T frames, H W, C = 3 (RGB).
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from zsvideo.data.decoding.faults import DAMAGED, UnreadableVideoError, check_file
from zsvideo.data.layouts import IMAGE_FILES

SMALLEST = 0.5  # side of the smallest crop, as a share of the image's short side; not in the paper
LEAD, NEAR, FAR = 24, 0.015, 0.06  # see `cut_fast`


def is_image(path: str | Path) -> bool:
    """Return whether a file is a still image, by its name."""
    return Path(path).suffix.lower() in IMAGE_FILES


def draw_boxes(rng: np.random.Generator, height: int, width: int, frames: int) -> np.ndarray:
    """Draw square crops that lead from a random start to a random end, both place and size.

    Args:
        rng: of the start and the end: side uniform in `SMALLEST`..1 of the short side, place
            uniform over the image.
        height: of the image.
        width: of the image.
        frames: T.

    Returns:
        (T, 3) float: top, left and side in pixels, linear in time, inside the image.
    """
    sides = rng.uniform(SMALLEST, 1, 2) * min(height, width)
    tops, lefts = rng.random(2) * (height - sides), rng.random(2) * (width - sides)
    ends = np.stack([tops, lefts, sides], axis=1)
    share = np.linspace(0, 1, frames)[:, None]
    windows: np.ndarray = (1 - share) * ends[0] + share * ends[1]
    return windows


def authors_boxes(
    rng: np.random.Generator, height: int, width: int, frames: int, size: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Draw crops by the rule of the authors' code: whole pixels, and sides of at least `size`.

    Images are first enlarged by the whole number of times that their short side fits into 172, or
    reduced to a short side of 512. So crops of images with a short side below `size` reach beyond
    it, where `cut` ends them, and are stretched.

    Returns:
        (T, 3) int: top, left and side; height and width of the image they are cut from.
    """
    short = min(height, width)
    scale = max(int(172 / short), 1) if short < 172 else min(512 / short, 1)
    sides = int(scale * height), int(scale * width)
    ends = np.zeros((2, 3), int)
    for end in ends:
        end[:2] = [rng.integers(0, max(side - size, 1)) for side in sides]
        room = int(min(sides - end[:2]))
        end[2] = rng.integers(size, max(room, size + 1))
    return np.linspace(ends[0], ends[1], frames).astype(int), sides


def ken_burns(
    path: str, rng: np.random.Generator, frames: int, size: int, rule: str = "ours"
) -> np.ndarray:
    """Make a clip of a still image of any size and mode.

    By `ours`, a JPEG is decoded at a reduced resolution that still has two pixels for one of the
    clip, and the crops are those of `cut_fast`: at least 45 dB to the exact ones, which are cut at
    fractional places from the whole picture, with antialiasing, by `cut`.

    Args:
        path: the image; of an animated one the first picture.
        rng: of the crops.
        frames: T.
        size: of a frame.
        rule: `ours`, or `authors_code`, see `authors_boxes`.

    Returns:
        (T, size, size, C) uint8.

    Raises:
        UnreadableVideoError: the file is missing, no image, or damaged.
    """
    if rule == "authors_code":
        whole = read_image(path)
        boxes, (height, width) = authors_boxes(rng, whole.height, whole.width, frames, size)
        return cut(whole.resize((width, height), Image.Resampling.BILINEAR), boxes, size)
    with opened(path) as image:
        orientation = image.getexif().get(0x0112, 1)
        width, height = image.size[::-1] if orientation >= 5 else image.size  # EXIF: on its side
        boxes = draw_boxes(rng, height, width, frames)
        if image.format == "JPEG" and image.mode in ("RGB", "L") and orientation == 1:
            spare = boxes[:, 2].min() / (2 * size)  # two pixels for one keep a reduction unseen
            reduced = 2 ** int(np.clip(np.log2(spare), 0, 3))
            pixels = read_jpeg(Path(path).read_bytes(), height, width, reduced)
            if pixels is not None:
                return cut_fast(pixels, boxes / reduced, size)
        upright = to_rgb(ImageOps.exif_transpose(image) or image)
    return cut_fast(np.asarray(upright), boxes, size)


def read_jpeg(code: bytes, height: int, width: int, reduced: int) -> np.ndarray | None:
    """Decode a JPEG at a 1st, 2nd, 4th or 8th of its sides: (H, W, C) uint8.

    Gives None for a file that is not quite right: Pillow may still read it, or says what is wrong.
    """
    least = -(-height // reduced), -(-width // reduced)
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(
            code, "RGB", min_height=least[0], min_width=least[1], min_factor=reduced
        )
    except ValueError:
        return None
    return pixels if pixels.shape[:2] == least else None


def read_image(path: str) -> Image.Image:
    """Decode a still image in full, upright and RGB; raises UnreadableVideoError."""
    with opened(path) as image:
        return to_rgb(ImageOps.exif_transpose(image) or image)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert to RGB; a grey of 16 bits keeps its upper 8, as Pillow has it with colours.

    Whole numbers of 32 bits are taken for 16 where one is above 255, floats up to 1 for shares of
    white.
    """
    if image.mode.startswith("I") or image.mode == "F":
        grey = np.asarray(image)
        if image.mode == "F":
            grey = 255 * grey if grey.max() <= 1 else grey
        elif image.mode != "I" or grey.max() > 255:
            grey = grey >> 8
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


@contextmanager
def opened(path: str) -> Iterator[Image.Image]:
    """Open an image; faults of it, then and while it is decoded, become UnreadableVideoError."""
    check_file(path)
    try:
        with Image.open(path) as image:
            yield image
    except UnidentifiedImageError:
        raise UnreadableVideoError("not an image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UnreadableVideoError(DAMAGED.replace("frames do", "the image does")) from None


def cut(image: Image.Image, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut boxes (T, 3) from an image, each resized with antialiasing: (T, size, size, C) uint8."""
    corners = [(left, top, left + side, top + side) for top, left, side in boxes]
    inside = np.clip(corners, 0, [*image.size, *image.size])  # of rounding errors
    how = Image.Resampling.BILINEAR
    return np.stack([np.asarray(image.resize((size, size), how, tuple(b))) for b in inside])


def cut_fast(pixels: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut boxes (T, 3) from (H, W, C) uint8 as `cut` does, to about 50 dB and five times faster.

    PyTorch's antialiased resizing of bytes is fast, but begins where a pixel begins. So it begins a
    few pixels of the crop, `lead`, before the box, as many as bring the box to a whole pixel of the
    image but for `NEAR` of a pixel of the crop. Where none do, `cut` is taken.

    Returns:
        (T, size, size, C) uint8.
    """
    step = boxes[:, 2:, None] / size  # pixels of the image for one of the crop
    begins = boxes[:, :2, None] - np.arange(LEAD) * step
    off = np.abs(begins - np.round(begins)) / step
    leads = np.where((off < NEAR).any(axis=2), (off < NEAR).argmax(axis=2), off.argmin(axis=2))
    firsts = np.take_along_axis(np.round(begins), leads[..., None], 2)[..., 0].astype(int)
    missed = np.take_along_axis(off, leads[..., None], 2).max(axis=(1, 2)) > FAR
    made = np.empty((len(boxes), size, size, 3), np.uint8)
    for crop, box, (top, left), lead, away in zip(made, boxes, firsts, leads, missed, strict=True):
        if away:
            crop[:] = cut(Image.fromarray(pixels), box[None], size)[0]
            continue
        scale = size / box[2]
        height, width = np.ceil((lead + size + 1) / scale).astype(int)
        part = pixels[max(top, 0) : top + height, max(left, 0) : left + width]
        before = max(-top, 0), max(-left, 0)
        after = [
            max(math.ceil((n + size) / scale) + 1 - side - out, 0)
            for n, side, out in zip(lead, part.shape[:2], before, strict=True)
        ]
        if any((*before, *after)):
            part = cv2.copyMakeBorder(
                part, before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE
            )
        planes = torch.from_numpy(np.ascontiguousarray(part)[None]).permute(0, 3, 1, 2)
        resized = torch.nn.functional.interpolate(
            planes,
            scale_factor=(scale, scale),
            mode="bilinear",
            antialias=True,
            recompute_scale_factor=False,
        )
        rows, columns = (slice(n, n + size) for n in lead.tolist())
        cv2.merge(list(resized[0].numpy()[:, rows, columns]), crop)
    return made
