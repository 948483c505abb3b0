"""Files of a cache: read whole or not at all, since what is damaged is made again."""

import os
import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from zsvideo.errors import UserError

Shape = tuple[int | None, ...]
UNREADABLE = (  # what numpy says of a file that is damaged, or holds other things
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    NotImplementedError,
    EOFError,
    BadZipFile,
    zlib.error,
)


def cached_arrays(file: Path, **expected: tuple[str, Shape]) -> dict[str, np.ndarray] | None:
    """Read arrays of a `.npz` file; None where it is not there, is damaged, or holds others.

    Args:
        file: without pickles.
        expected: of each array its kind, as NumPy names it (`f`, `U`), and its shape, with None for
            any length.
    """
    try:
        with np.load(file) as saved:
            arrays = {name: np.asarray(saved[name]) for name in expected}
    except UNREADABLE:
        return None
    for name, (kind, shape) in expected.items():
        own = arrays[name]
        if own.dtype.kind != kind or own.ndim != len(shape):
            return None
        if any(n not in (None, m) for n, m in zip(shape, own.shape, strict=True)):
            return None
    return arrays


def write_atomically(file: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or nothing.

    Raises:
        UserError: the folder cannot be written.
    """
    part = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(file)
    except OSError as error:
        raise UserError(
            f"cannot write the cache {file.parent} ({error}); set paths.cache"
        ) from None
