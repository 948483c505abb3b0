"""What can be wrong with a video file, in a few words each."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from zsvideo.data.decoding.boxes import is_cut

DAMAGED = "damaged: frames do not decode"
PLAYLISTS = (
    b"ffconcat",
    b"#EXTM3U\n",
    b"#EXTM3U\r",
)  # which FFmpeg would open, whatever their name


class UnreadableVideoError(Exception):
    """A video file that cannot be decoded; the text says why."""


class ShorterVideoError(UnreadableVideoError):
    """A video has fewer frames than its packets promise.

    Attributes:
        frames: how many it has.
    """

    def __init__(self, frames: int) -> None:
        super().__init__(DAMAGED)
        self.frames = frames


@contextmanager
def named_faults() -> Iterator[None]:
    """Turn what decoders and the file system raise into UnreadableVideoError."""
    try:
        yield
    except (av.FFmpegError, OSError, RuntimeError, ValueError, MemoryError) as error:
        raise UnreadableVideoError(reason(error)) from None


def reason(error: Exception) -> str:
    """Return the fault of a file in a few words."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "missing file"
    if isinstance(error, av.InvalidDataError):
        opening = getattr(error, "log", None) is not None or "avcodec" not in str(error)
        return "not a video file" if opening else DAMAGED
    if isinstance(error, MemoryError):
        return "frames too large for memory"
    return DAMAGED


def check_file(path: str | Path) -> None:
    """Check what can be told without opening a video; raises UnreadableVideoError."""
    try:
        state = (file := Path(path)).stat()
    except PermissionError:
        raise UnreadableVideoError("no permission to read it") from None
    except OSError:
        raise UnreadableVideoError("missing file") from None
    if not stat.S_ISREG(state.st_mode):
        raise UnreadableVideoError("not a regular file")
    if state.st_size == 0:
        raise UnreadableVideoError("empty file")
    try:
        with file.open("rb", buffering=0) as opened:
            playlist = opened.read(8) in PLAYLISTS
            cut = is_cut(opened.fileno(), state.st_size)  # decoders read what is left of it
    except OSError:
        raise UnreadableVideoError("no permission to read it") from None
    if playlist:
        raise UnreadableVideoError("a list of other files")
    if cut:
        raise UnreadableVideoError("truncated")
