"""Video from a still image by the Ken Burns effect (Sec. 4.1): a crop that moves and zooms.

Shapes: T frames, H W, C = 3 (RGB).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from src.data.decoding.faults import DAMAGED, UnreadableVideo
from src.data.decoding.reading import check_file
from src.data.layouts import IMAGE_FILES

RULES = ("ours", "authors_code")
SMALLEST = 0.5  # side of the smallest crop, as a share of the image's short side; not in the paper


def is_image(path: str | Path) -> bool:
    """Tell by its name whether a file is a still image."""
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
    return (1 - share) * ends[0] + share * ends[1]


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

    A JPEG is decoded at a reduced resolution that still has more pixels than are needed.

    Args:
        path: the image; of an animated one the first picture.
        rng: of the crops.
        frames: T.
        size: of a frame.
        rule: `ours`, or `authors_code`, see `authors_boxes`.

    Returns:
        (T, size, size, C) uint8.

    Raises:
        UnreadableVideo: the file is missing, no image, or damaged.
    """
    if rule == "authors_code":
        whole = read_image(path)
        boxes, (height, width) = authors_boxes(rng, whole.height, whole.width, frames, size)
        return cut(whole.resize((width, height), Image.Resampling.BILINEAR), boxes, size)
    with opened(path) as image:
        orientation = image.getexif().get(0x0112, 1)
        width, height = image.size[::-1] if orientation >= 5 else image.size  # EXIF: on its side
        boxes = draw_boxes(rng, height, width, frames)
        needed = 2 * size / boxes[:, 2].min()  # two pixels for one keep the reduction unseen
        if needed < 1 and orientation == 1:  # turned ones would begin in part of a pixel
            image.draft("RGB", (int(image.width * needed), int(image.height * needed)))
        reduced = 2 ** round(
            np.log2(max(width, height) / max(image.size))
        )  # the decoder's 1, 2, 4, 8
        upright = (ImageOps.exif_transpose(image) or image).convert("RGB")
    return cut(upright, boxes / reduced, size)


def read_image(path: str) -> Image.Image:
    """Decode a still image in full, upright and RGB; raises UnreadableVideo."""
    with opened(path) as image:
        return (ImageOps.exif_transpose(image) or image).convert("RGB")


@contextmanager
def opened(path: str) -> Iterator[Image.Image]:
    """Open an image; faults of it, then and while it is decoded, become UnreadableVideo."""
    check_file(path)
    try:
        with Image.open(path) as image:
            yield image
    except UnidentifiedImageError:
        raise UnreadableVideo("not an image") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise UnreadableVideo(DAMAGED.replace("frames do", "the image does")) from None


def cut(image: Image.Image, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut boxes (T, 3) from an image, each resized with antialiasing: (T, size, size, C) uint8."""
    corners = [(left, top, left + side, top + side) for top, left, side in boxes]
    inside = np.clip(corners, 0, [*image.size, *image.size])  # of rounding errors
    how = Image.Resampling.BILINEAR
    return np.stack([np.asarray(image.resize((size, size), how, tuple(b))) for b in inside])
