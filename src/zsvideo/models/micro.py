"""The largest part of a batch that fits on the device, so that the effective batch stays."""

from collections.abc import Callable

import torch

from zsvideo.errors import UserError
from zsvideo.models.module import ZeroShotModule


def divisors(number: int) -> list[int]:
    """List the divisors, largest first."""
    return [n for n in range(number, 0, -1) if number % n == 0]


def largest_micro_batch(batch: int, fits: Callable[[int], bool]) -> int:
    """Find the largest divisor of the batch that fits.

    Args:
        batch: clips a step and device.
        fits: tries so many clips.

    Raises:
        UserError: not even one clip fits.
    """
    for size in divisors(batch):
        if fits(size):
            return size
    raise UserError(
        "not one clip fits into the device's memory; take a smaller model or clips.crop"
    )


def fits_on(
    model: ZeroShotModule, device: torch.device, frames: int, crop: int, precision: str
) -> Callable[[int], bool]:
    """Give a trial: forward and backward of so many random clips; the weights do not change.

    Args:
        model: to train.
        device: a GPU.
        frames: T.
        crop: H and W.
        precision: as in `trainer.precision`.
    """

    def fits(size: int) -> bool:
        shape = (size, 1, 3, frames, crop, crop)
        state = {k: v.clone() for k, v in model.state_dict().items()}
        try:
            model.to(device).train()
            clips = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
            with torch.autocast(device.type, torch.bfloat16, enabled=precision.startswith("bf16")):
                model(clips).float().square().mean().backward()
        except torch.OutOfMemoryError:
            return False
        finally:
            model.zero_grad(set_to_none=True)
            model.cpu().load_state_dict(state)
            if device.type == "cuda":
                torch.cuda.empty_cache()
        return True

    return fits
