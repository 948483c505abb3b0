"""A time limit on a file: the process that reads it is killed, since decoders hang inside C."""

import gc
import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Timeout
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from zsvideo.data.decoding.faults import UnreadableVideoError

Made = TypeVar("Made")
CRASHED = "the decoder crashed"
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
        return UnreadableVideoError(CRASHED)


def late(limit: float) -> str:
    """Return the message of a file that took too long."""
    return f"not decoded within {limit:.0f} s"


def apart(limit: float, read: Callable[..., Iterator[Made]], *file: Any) -> Iterator[Made]:
    """Read one file in another process, part by part, each for a limited time.

    Args:
        limit: seconds that a part may take.
        read: yields the parts of a file; one is read ahead.
        file: the arguments of `read`.

    Yields:
        What `read` yields.

    Raises:
        UnreadableVideoError: a part takes too long, or the process ends in it.
        Exception: what `read` raises.
    """
    context = multiprocessing.get_context(START)
    parts, end = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined]  # of every kind but the base
        target=send_parts, args=(parts, end, read, file), daemon=True
    )
    process.start()
    end.close()
    try:
        while parts.poll(limit):
            part, error = parts.recv()
            if error is not None:
                raise error
            if part is None:
                return
            yield part
        raise UnreadableVideoError(late(limit))
    except EOFError:
        raise UnreadableVideoError(CRASHED) from None
    finally:
        process.kill()
        process.join()
        parts.close()


def send_parts(
    other: Connection, end: Connection, read: Callable[..., Iterator[Any]], file: tuple[Any, ...]
) -> None:
    """Send what `read` yields, then None, or what it raises."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    gc.freeze()  # see `within`
    other.close()  # or this process would wait for ever where the one that asks is killed
    try:
        for part in read(*file):
            end.send((part, None))
        end.send((None, None))
    except BrokenPipeError:  # nobody asks any more
        pass
    except Exception as error:
        end.send((None, error))
