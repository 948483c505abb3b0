"""Frames to network input (Sec. 4.4): short side, crop, flip, all on uint8.

Shapes: T frames, C channels, H W. Mean and standard deviation are applied on the network side.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

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
    """Scale (T, C, H, W) so that the short side is exactly `size`, keeping the aspect to 1 pixel.

    Bilinear without antialiasing, as in the paper's time.
    """
    height, width = frames.shape[-2:]
    scale = size / min(height, width)
    new = [max(size, round(height * scale)), max(size, round(width * scale))]
    return F.resize(frames, new, F.InterpolationMode.BILINEAR, antialias=False)


def to_input(frames: np.ndarray, short_side: int, size: int, crop: Crop) -> Tensor:
    """Resize, crop and mirror decoded frames.

    Args:
        frames: (T, H, W, C) uint8.
        short_side: pixels of the short side after scaling.
        size: pixels of the square crop.
        crop: where.

    Returns:
        (T, C, size, size) uint8.
    """
    pixels = resize_short_side(torch.from_numpy(frames).permute(0, 3, 1, 2), short_side)
    height, width = pixels.shape[-2:]
    # Shares below 1 spread evenly over the height - size + 1 whole-pixel places; 0.5 is the centre.
    top = min(int(crop.top * (height - size + 1)), height - size)
    left = min(int(crop.left * (width - size + 1)), width - size)
    pixels = pixels[:, :, top : top + size, left : left + size]
    return pixels.flip(-1) if crop.flip else pixels
