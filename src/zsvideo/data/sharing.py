"""Batches from the processes that load them: in shared memory, or where that is full by a pipe."""

import ctypes
import logging
from functools import cache
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

log = logging.getLogger(__name__)
EVERY = 50  # batches after which a loading process gives memory back
numbers = count(1)  # of the batches that this process sends


def send(batch: dict[str, Any]) -> dict[str, Any]:
    """Move the tensors of a batch to shared memory; where there is no room make arrays of them.

    PyTorch itself would lose the batch then, and its reader would wait for it. An array is copied
    through a pipe. Outside a loading process nothing is done.
    """
    if get_worker_info() is None:
        return batch
    if next(numbers) % EVERY == 0:
        give_back()
    tensors = {key: value for key, value in batch.items() if isinstance(value, Tensor)}
    try:
        for tensor in tensors.values():
            tensor.share_memory_()  # type: ignore[no-untyped-call]
    except RuntimeError:
        return batch | {key: tensor.numpy().copy() for key, tensor in tensors.items()}
    return batch


def give_back() -> None:
    """Give the system what is freed, where the C library can.

    A loading process is forked from one that has freed much: what it needs for a moment it takes
    from all over there, which copies page after page.
    """
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)


def receive(batch: dict[str, Any]) -> dict[str, Any]:
    """Make tensors of arrays again, where they are read."""
    arrays = {key: value for key, value in batch.items() if isinstance(value, np.ndarray)}
    if arrays:
        tell()
    return batch | {key: torch.from_numpy(array) for key, array in arrays.items()}


@cache
def tell() -> None:
    """Say once that shared memory is full, and how to have more."""
    log.warning(
        "little shared memory (/dev/shm), so clips take a slower way; have more of it "
        "(docker run --shm-size=8g), or load less ahead: fewer loader.workers, a smaller batch"
    )
