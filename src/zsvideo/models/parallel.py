"""What the processes of a run share, one a device."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import distributed


def gather_objects(trainer: pl.Trainer, mine: Any) -> list[Any]:
    """Give every process what each process has, in the order of ranks.

    Args:
        trainer: of this process.
        mine: plain data and CPU tensors.
    """
    if trainer.world_size == 1:
        return [mine]
    if trainer.strategy.root_device.type == "cuda":
        torch.cuda.set_device(trainer.strategy.root_device)
    everyone: list[Any] = [None] * trainer.world_size
    distributed.all_gather_object(everyone, mine)
    return everyone
