"""A time limit on a file: an error where Python can raise one, else the end of the process."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from src.data.decoding.faults import UnreadableVideo

GRACE = 10.0  # seconds more after which a decoder is taken to hang where no signal reaches it

_deadline: tuple[float, str] | None = None
_watched: set[int] = set()  # processes that have a watching thread


@contextmanager
def time_limit(seconds: float, path: str | Path) -> Iterator[None]:
    """Stop a decoder that hangs; works in the main thread of a process, as loaders' workers are.

    Code that returns to Python now and then gets an UnreadableVideo. A library that never does
    cannot be stopped from within: the process says so and ends with 2, which a loader notices.
    """
    global _deadline
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise UnreadableVideo(f"not decoded within {seconds:.0f} s")

    if os.getpid() not in _watched:
        _watched.add(os.getpid())
        threading.Thread(target=watch, daemon=True).start()
    before = signal.signal(signal.SIGALRM, stop)
    _deadline = time.monotonic() + seconds + GRACE, str(path)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _deadline = None
        signal.signal(signal.SIGALRM, before)


def watch() -> None:
    """End the process once a file is past its time."""
    while True:
        time.sleep(GRACE / 4)
        current = _deadline
        if current and time.monotonic() > current[0]:
            print(
                f"error: the decoder hangs in {current[1]}; remove the file, or let "
                "`python -m src.prepare` find and quarantine it and give source.root=OUT",
                file=sys.stderr,
                flush=True,
            )
            os._exit(2)
