"""Files by which processes keep out of each other's way."""

import fcntl
import logging
from typing import IO, Any

log = logging.getLogger(__name__)


def lock(file: IO[Any], wait: bool = True) -> bool:
    """Have an open file alone until it is closed; the lock ends with the process too.

    A file system without locks, as some of networks and containers are, has none: there processes
    work beside each other.

    Args:
        file: open for writing.
        wait: for another process that has it.

    Returns:
        Whether it is ours: False where another process has it, and `wait` is false.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        log.info("%s has no locks (%s)", file.name, error)
    return True
