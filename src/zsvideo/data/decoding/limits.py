"""A time limit on a file: the process that reads it is killed, since decoders hang inside C."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as Timeout
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from zsvideo.data.decoding.faults import UnreadableVideoError

Made = TypeVar("Made")


def within(
    limit: float, read: Callable[..., Made], files: Iterable[tuple[Any, ...]], workers: int
) -> Iterator[Made | UnreadableVideoError]:
    """Read files in other processes, each for a limited time; Python's own limits stop no decoder.

    Args:
        limit: seconds a file may take.
        read: reads one file.
        files: the arguments of `read` for each.
        workers: processes.

    Yields:
        What `read` returns for each file, in their order, or why it gave nothing.

    Raises:
        Exception: what `read` raises.
    """
    with ProcessPool(workers) as pool:
        try:
            for future in [pool.schedule(read, args=file, timeout=limit) for file in files]:
                try:
                    made: Made | UnreadableVideoError = future.result()
                except Timeout:
                    made = UnreadableVideoError(late(limit))
                except ProcessExpired:
                    made = UnreadableVideoError("the decoder crashed")
                yield made
        except BaseException:
            pool.stop()  # type: ignore[no-untyped-call]  # or the pool first does all that is left
            raise


def late(limit: float) -> str:
    """Return the message of a file that took too long."""
    return f"not decoded within {limit:.0f} s"
