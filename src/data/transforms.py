"""Frames to network input (Sec. 4.4): short side, crop, flip, all on uint8.

Shapes: T frames, C channels, H W. Mean and standard deviation are applied on the network side.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

# Kinetics statistics of torchvision's video models, for RGB in 0..1 (Sec. 4.4).
MEAN = (0.43216, 0.394666, 0.37645)
STD = (0.22803, 0.22145, 0.216989)


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


def resize_short_side(frames: Tensor, size: int) -> Tensor:
    """Scale (T, C, H, W) uint8 to a short side of exactly `size`, keeping the aspect to 1 pixel.

    Bilinear without antialiasing, as in the paper's time.
    """
    height, width = frames.shape[-2:]
    scale = size / min(height, width)
    new = (max(size, round(height * scale)), max(size, round(width * scale)))
    return frames if new == (height, width) else F.interpolate(frames, new, mode="bilinear")


def to_input(frame: np.ndarray, short_side: int, size: int, crop: Crop) -> Tensor:
    """Resize and crop a decoded frame; it is not yet mirrored.

    Args:
        frame: (H, W, C) uint8.
        short_side: pixels of the short side after scaling.
        size: pixels of the square crop.
        crop: where.

    Returns:
        (C, size, size) uint8.
    """
    pixels = torch.from_numpy(frame).permute(2, 0, 1)
    pixels = resize_short_side(pixels[None], short_side)[0]
    height, width = pixels.shape[-2:]
    # Shares below 1 spread evenly over the height - size + 1 whole-pixel places; 0.5 is the centre.
    top = min(int(crop.top * (height - size + 1)), height - size)
    left = min(int(crop.left * (width - size + 1)), width - size)
    return pixels[:, top : top + size, left : left + size]
