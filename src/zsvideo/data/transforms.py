"""Frames to network input (Sec. 4.4): short side, crop, flip, all on uint8.

Shapes: H W, C channels of a frame. The network side normalises.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import cv2
import numpy as np
from PIL import Image

from zsvideo.data.options import ClipSpec

cv2.setNumThreads(0)  # loaders' workers are the threads


CENTRE = 0.5
CUBIC = "bicubic"
PILLOW = "pillow"


@dataclass(frozen=True)
class Crop:
    """Where a clip is cut from the resized frames: one place and one flip for all its frames.

    Attributes:
        top, left: position as a share 0..1 of the room there is; 0.5 is the centre, rounded to
            whole pixels as torchvision does: half a pixel goes to the even one.
        flip: mirror left to right.
    """

    top: float = CENTRE
    left: float = CENTRE
    flip: bool = False


def random_crop(rng: np.random.Generator, flip: float) -> Crop:
    """Draw a crop for training: uniform place, mirrored with probability `flip`."""
    top, left, coin = rng.random(3)
    return Crop(top, left, bool(coin < flip))


def scaled_size(height: int, width: int, size: int, resize: str = "exact") -> tuple[int, int]:
    """Return height and width for a short side of `size`, the aspect kept to 1 pixel.

    `exact` gives just that size; `floor` cuts sides * (size / short side) as the authors' code did,
    which makes one pixel less of 40 of the sizes 64..720. `shortest` is torchvision's, which cuts
    the long side; `squash` makes a square of any frame.
    """
    if resize == "squash":
        return size, size
    if resize == "shortest":
        long = int(size * max(height, width) / min(height, width))
        return (size, long) if height <= width else (long, size)
    scale = size / min(height, width)
    if resize == "floor":
        return int(height * scale), int(width * scale)
    return max(size, round(height * scale)), max(size, round(width * scale))


def resize_short_side(frame: np.ndarray, size: int, resize: str = "exact") -> np.ndarray:
    """Scale (H, W, C) uint8 to a short side of `size`, see `scaled_size`.

    Bilinear without antialiasing, as in the paper's time; OpenCV equals PyTorch to 1 grey level.
    """
    height, width = frame.shape[:2]
    new = scaled_size(height, width, size, resize)
    return frame if new == (height, width) else cv2.resize(frame, new[::-1])


class FramePart(NamedTuple):
    """The part of frames of one size that is kept, and how it is scaled.

    Attributes:
        top, bottom, left, right: the pixels of a frame that are needed; the others need be neither
            decoded, where a decoder can leave them out, nor converted.
        scale: factors for height and width; None where the frame keeps its size.
        rows, columns: of the scaled pixels, that are kept.
        antialias: a pixel that is made smaller is a mean over all that it covers: by PyTorch, or
            `pillow`.
        interpolation: `bilinear` or `bicubic`.
    """

    top: int
    bottom: int
    left: int
    right: int
    scale: tuple[float, float] | None
    rows: slice
    columns: slice
    antialias: bool | str = False
    interpolation: str = "bilinear"

    def of(self, frame: np.ndarray) -> np.ndarray:
        """Take the part from a whole frame (H, W, C) uint8."""
        return self.finish(frame[self.top : self.bottom, self.left : self.right])

    def finish(self, pixels: np.ndarray) -> np.ndarray:
        """Scale the needed pixels (bottom - top, right - left, C) uint8, and keep the rest cut."""
        if self.scale and self.antialias == PILLOW:
            size = [round(s * n) for s, n in zip(self.scale, pixels.shape, strict=False)]
            mode = Image.Resampling[self.interpolation.upper()]
            pixels = np.asarray(Image.fromarray(pixels).resize(size[::-1], mode))
        elif self.scale and self.antialias:
            import torch  # heavy: the audit reads frames without it
            from torch.nn import functional as F

            planes = torch.from_numpy(np.ascontiguousarray(pixels)[None]).permute(0, 3, 1, 2)
            # PyTorch cuts the new size off, which must not lose a pixel by rounding.
            scaled = F.interpolate(
                planes,
                scale_factor=tuple(factor * (1 + 1e-9) for factor in self.scale),
                mode=self.interpolation,
                antialias=True,
                recompute_scale_factor=False,
            )
            pixels = scaled[0].permute(1, 2, 0).numpy()
        elif self.scale:
            taps = cv2.INTER_CUBIC if self.interpolation == CUBIC else cv2.INTER_LINEAR
            pixels = cv2.resize(
                pixels, None, fx=self.scale[1], fy=self.scale[0], interpolation=taps
            )
        return pixels[self.rows, self.columns]


def whole(height: int, width: int) -> FramePart:
    """Keep whole frames, as they are."""
    return FramePart(0, height, 0, width, None, slice(height), slice(width))


@dataclass(frozen=True)
class View:
    """What a clip shows of its frames: they are scaled to a short side, and a square is cut.

    Attributes:
        short_side: pixels after scaling.
        size: pixels of the square.
        crop: where it is.
        resize: see `scaled_size`.
        antialias: see `FramePart`; OpenCV scales without.
        interpolation: see `FramePart`.
        centre: half a pixel of the centre is rounded, or cut off by `floor`.
    """

    short_side: int
    size: int
    crop: Crop = Crop()
    resize: str = "exact"
    antialias: bool | str = False
    interpolation: str = "bilinear"
    centre: str = "round"

    @classmethod
    def of(cls, spec: ClipSpec, crop: Crop) -> Self:
        """Make the view of the clips of a spec, cut at a place."""
        return cls(
            spec.short_side,
            spec.crop,
            crop,
            spec.resize,
            spec.antialias,
            spec.interpolation,
            spec.centre,
        )

    def part(self, height: int, width: int) -> FramePart:
        """Find the pixels of frames of a size that the crop is made of.

        Scaling of these alone gives the crop of the whole scaled frame, to a grey level:
        they begin where a pixel of the frame and one of the scaled frame begin at the same place,
        and end beyond what the last pixels of the crop are made of.
        """
        sides = scaled_size(height, width, self.short_side, self.resize)
        scale = None if sides == (height, width) else (sides[0] / height, sides[1] / width)
        (top, bottom, rows), (left, right, columns) = (
            self.stretch(old, new, share)
            for old, new, share in zip(
                (height, width), sides, (self.crop.top, self.crop.left), strict=True
            )
        )
        return FramePart(
            top, bottom, left, right, scale, rows, columns, self.antialias, self.interpolation
        )

    def stretch(self, old: int, new: int, share: float) -> tuple[int, int, slice]:
        """Give, along one side of `old` pixels scaled to `new`: first and end needed, and kept."""
        # Shares below 1 spread evenly over the new - size + 1 whole-pixel starts.
        room = new - self.size
        if share == CENTRE:
            start = room // 2 if self.centre == "floor" else round(room / 2)
        else:
            start = min(int(share * (room + 1)), room)
        if old == new:
            return start, start + self.size, slice(self.size)
        # OpenCV copies a part whose size would not change; Pillow scales to whole pixels alone.
        if self.size * abs(new - old) < new or self.antialias == PILLOW:
            return 0, old, slice(start, start + self.size)
        taps = 2 if self.interpolation == CUBIC else 1  # pixels to both sides of a pixel's middle
        reach = taps * max(old / new, 1) if self.antialias else taps - 1
        made_of = (np.array([start, start + self.size - 1]) + 0.5) * old / new - 0.5
        made_of += [-reach, reach]
        step = old // math.gcd(old, new)  # every so many pixels, pixels of both begin together
        first = int(max(made_of[0], 0)) // step * step
        end = min(int(made_of[1]) + 3, old)
        kept = start - first * new // old
        return first, end, slice(kept, kept + self.size)
