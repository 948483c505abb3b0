"""A time limit on a file: it is read in a thread, which is left behind where the decoder hangs."""

import ctypes
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from zsvideo.data.decoding.faults import UnreadableVideo

LIMIT = 120.0  # seconds a video may take

Made = TypeVar("Made")

_own = threading.local()  # the reader of each thread
_late: set[str] = set()  # files that this process waited for in vain


class Reader(threading.Thread):
    """Does one job after the other: a new thread for each would fill its memory anew."""

    def __init__(self) -> None:
        super().__init__(name="reader", daemon=True)
        self.jobs: SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]]] = SimpleQueue()
        self.start()

    def run(self) -> None:
        """Answer each job by what it makes or raises, until told to exit."""
        while True:
            job, answer = self.jobs.get()
            try:
                answer.put(job())
            except SystemExit:
                return
            except BaseException as error:
                answer.put(error)

    def exit(self) -> None:
        """End as soon as it runs Python code."""
        number = ctypes.c_ulong(self.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit))


def within(seconds: float, path: str, read: Callable[[], Made]) -> Made:
    """Read a file, or give it up after some time, at once where it was given up before.

    Python code is ended then. A library that never returns to Python stays behind in its thread
    until the process ends; one that lets no other thread run cannot be given up.

    Args:
        seconds: to wait.
        path: of the file.
        read: reads it.

    Raises:
        UnreadableVideo: it took too long; and whatever `read` raises.
    """
    late = UnreadableVideo(f"not decoded within {seconds:.0f} s")
    if path in _late:
        raise late
    reader: Reader | None = getattr(_own, "reader", None)
    if reader is None or not reader.is_alive():  # as after a fork
        reader = _own.reader = Reader()
    answer: SimpleQueue[Made | BaseException] = SimpleQueue()
    reader.jobs.put((read, answer))
    try:
        got = answer.get(timeout=seconds)
    except Empty:
        _late.add(path)
        del _own.reader
        reader.exit()
        raise late from None
    if not isinstance(got, BaseException):
        return got
    try:
        raise got
    finally:
        del got  # it holds this frame, which holds it
