"""What an encoder must give for fixed texts and a fixed clip, whatever library version runs it.

The same weights give other numbers through other libraries: another activation, another tokenizer,
another order of colours. So the cosines of three texts and two clips are compared with stored ones.

Shapes: T frames, H W, C channels.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zsvideo.errors import UserError
from zsvideo.models.encoders.base import Encoder

TEXTS = ("a person shoots an arrow", "Playing Guitar", "a dog runs along the beach.")
DIGITS = 5


def fixed_frames(frames: int, height: int, width: int) -> np.ndarray:
    """Draw a clip by whole numbers alone, the same everywhere: (T, H, W, 3) uint8.

    A gradient of each colour, and a bright square that moves from the upper left.
    """
    time, rows, columns = np.ogrid[:frames, :height, :width]
    red = 40 + 150 * columns // width + 0 * rows + 0 * time
    green = 60 + 120 * rows // height + 0 * columns + 0 * time
    blue = 200 - 90 * (rows + columns) // (height + width) + 0 * time
    clip = np.stack(np.broadcast_arrays(red, green, blue), axis=-1)
    top, left = height * (time + 1) // (2 * frames + 2), width * (time + 1) // (frames + 2)
    inside = (rows >= top) & (rows < top + height // 4)
    inside = inside & (columns >= left) & (columns < left + width // 4)
    clip[inside] = (250, 230, 60)
    return clip.astype(np.uint8)


def normalised(frames: np.ndarray, mean: list[float], std: list[float]) -> Tensor:
    """Make the input of an encoder: (T, H, W, 3) uint8 to (1, 3, T, H, W)."""
    pixels = torch.from_numpy(frames.copy()).movedim(-1, 0)[None] / 255
    shape = (-1, 1, 1, 1)
    return (pixels - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


@torch.inference_mode()
def parity_of(encoder: Encoder) -> list[float]:
    """Give the cosines of a clip, its mirror image and `TEXTS`, pair by pair.

    Returns:
        10 numbers, rounded; of an encoder without a text side one.
    """
    spec = encoder.spec
    clip = fixed_frames(1 if spec.kind == "image-text" else spec.frames, spec.size, spec.size)
    pair = [clip, clip[:, :, ::-1]]
    device = next(encoder.vision.parameters()).device
    inputs = torch.cat([normalised(own, spec.mean, spec.std) for own in pair]).to(device)
    features = encoder.vision(inputs).float()
    videos = F.normalize(features, dim=1).double()
    cosines = videos @ videos.T
    if spec.texts:
        texts = torch.from_numpy(encoder.encode_texts(TEXTS)).to(device)
        between, alike = encoder.vision.scores(features, texts), texts.double() @ texts.double().T
        cosines = torch.cat([torch.cat([cosines, between], 1), torch.cat([between.T, alike], 1)])
    rows, columns = np.triu_indices(len(cosines), 1)
    return [round(float(value), DIGITS) for value in cosines[rows, columns]]


def check_parity(encoder: Encoder) -> None:
    """Check that an encoder gives the stored cosines; raises UserError where it does not."""
    spec = encoder.spec
    stored, now = spec.parity or [], parity_of(encoder)
    if len(stored) != len(now):
        raise UserError(f"encoder.parity of {spec.name} must be {len(now)} numbers")
    worst = max(abs(a - b) for a, b in zip(stored, now, strict=True))
    if not worst <= spec.tolerance:
        raise UserError(
            f"encoder={spec.name} gives other numbers than it should: a cosine differs by "
            f"{worst:.4f}, more than encoder.tolerance={spec.tolerance:g}; the weights, or "
            f"{spec.library} {encoder.version}, are others than those of encoder.parity"
        )
