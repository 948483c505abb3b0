"""A time limit on a file: the process that reads it is killed, since decoders hang inside C."""

import gc
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Timeout
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from zsvideo.data.decoding.faults import UnreadableVideoError

Made = TypeVar("Made")
START = "fork" if sys.platform == "linux" else "spawn"  # libraries of macOS end in forked processes


def within(
    limit: float,
    read: Callable[..., Made],
    files: Iterable[tuple[Any, ...]],
    workers: int,
    ahead: int = 100,
) -> Iterator[Made | UnreadableVideoError]:
    """Read files in other processes, each for a limited time; Python's own limits stop no decoder.

    Args:
        limit: seconds a file may take.
        read: reads one file.
        files: the arguments of `read` for each.
        workers: processes, started by `START`.
        ahead: files that are read before they are asked for, which bounds memory.

    Yields:
        What `read` returns for each file, in their order, or why it gave nothing.

    Raises:
        Exception: what `read` raises.
    """
    # A process leaves alone what it inherits: to free FFmpeg's threads, which it lacks, never ends.
    context = multiprocessing.get_context(START)
    with ProcessPool(workers, initializer=gc.freeze, context=context) as pool:
        begun: deque[Future[Made | UnreadableVideoError]] = deque()
        try:
            for file in files:
                begun.append(pool.schedule(read, args=file, timeout=limit))
                if len(begun) > workers + ahead:
                    yield outcome(begun.popleft(), limit)
            while begun:
                yield outcome(begun.popleft(), limit)
        except BaseException:
            pool.stop()  # type: ignore[no-untyped-call]  # or the pool first does all that is left
            raise


def outcome(
    reading: Future[Made | UnreadableVideoError], limit: float
) -> Made | UnreadableVideoError:
    """Wait for a file, and say why where it gave nothing."""
    try:
        return reading.result()
    except Timeout:
        return UnreadableVideoError(late(limit))
    except ProcessExpired:
        return UnreadableVideoError("the decoder crashed")


def late(limit: float) -> str:
    """Return the message of a file that took too long."""
    return f"not decoded within {limit:.0f} s"
