"""Frames to network input (Sec. 4.4): short side, crop, flip, all on uint8.

Shapes: H W, C channels of a frame. The network side normalises.
"""

from dataclasses import dataclass

import cv2
import numpy as np

cv2.setNumThreads(0)  # loaders' workers are the threads


@dataclass(frozen=True)
class Crop:
    """Where a clip is cut from the resized frames: one place and one flip for all its frames.

    Attributes:
        top, left: position as a share 0..1 of the room there is; 0.5 is the centre.
        flip: mirror left to right.
    """

    top: float = 0.5
    left: float = 0.5
    flip: bool = False


def random_crop(rng: np.random.Generator, flip: float) -> Crop:
    """Draw a crop for training: uniform place, mirrored with probability `flip`."""
    top, left, coin = rng.random(3)
    return Crop(top, left, bool(coin < flip))


RESIZES = ("exact", "floor")


def resize_short_side(frame: np.ndarray, size: int, resize: str = "exact") -> np.ndarray:
    """Scale (H, W, C) uint8 to a short side of `size`, keeping the aspect to 1 pixel.

    Bilinear without antialiasing, as in the paper's time; OpenCV equals PyTorch to 1 grey level.
    `exact` gives just that size; `floor` cuts sides * (size / short side) as the authors' code did,
    which makes one pixel less of 40 of the sizes 64..720.
    """
    height, width = frame.shape[:2]
    scale = size / min(height, width)
    if resize == "floor":
        new = int(width * scale), int(height * scale)
    else:
        new = max(size, round(width * scale)), max(size, round(height * scale))
    return frame if new == (width, height) else cv2.resize(frame, new)


def to_input(
    frame: np.ndarray, short_side: int, size: int, crop: Crop, resize: str = "exact"
) -> np.ndarray:
    """Resize and crop a decoded frame; it is not yet mirrored.

    Args:
        frame: (H, W, C) uint8.
        short_side: pixels of the short side after scaling.
        size: pixels of the square crop.
        crop: where.
        resize: see `resize_short_side`.

    Returns:
        (size, size, C) uint8, a view.
    """
    pixels = resize_short_side(frame, short_side, resize)
    height, width = pixels.shape[:2]
    # Shares below 1 spread evenly over the height - size + 1 whole-pixel places; 0.5 is the centre.
    top = min(int(crop.top * (height - size + 1)), height - size)
    left = min(int(crop.left * (width - size + 1)), width - size)
    return pixels[top : top + size, left : left + size]
