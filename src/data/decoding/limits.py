"""A time limit on a file: it is read in a thread, which is left behind where the decoder hangs."""

import ctypes
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from src.data.decoding.faults import UnreadableVideo

Made = TypeVar("Made")

_late: set[str] = set()  # files that this process waited for in vain


def within(seconds: float, path: str, read: Callable[[], Made]) -> Made:
    """Read a file, or give it up after some time, at once where it was given up before.

    Python code is ended then. A library that never returns to Python stays behind until the
    process ends, in a thread of its own; one that does not let other threads run cannot be told.

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
    answer: SimpleQueue[Made | BaseException] = SimpleQueue()

    def work() -> None:
        try:
            answer.put(read())
        except BaseException as error:  # SystemExit too, which ends this thread
            answer.put(error)

    thread = Thread(target=work, name=path, daemon=True)
    thread.start()
    try:
        got = answer.get(timeout=seconds)
    except Empty:
        _late.add(path)
        number = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SystemExit))
        raise late from None
    if not isinstance(got, BaseException):
        return got
    try:
        raise got
    finally:
        del got  # it holds this frame, which holds it
