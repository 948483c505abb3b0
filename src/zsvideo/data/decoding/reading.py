"""Open a video file to read frames by index: the one place that chooses how."""

from pathlib import Path

from zsvideo.data.decoding.base import VideoReader
from zsvideo.data.decoding.faults import check_file, named_faults
from zsvideo.data.decoding.index import as_text, from_text
from zsvideo.data.decoding.packs import SUFFIX, PackReader
from zsvideo.data.decoding.pyav_reader import PyAVReader, claimed_frames

LONGEST = 20_000  # characters of an index in a manifest


def open_video(
    path: str | Path,
    window: tuple[float, float] | None = None,
    length: int | None = None,
    decoder: str = "pyav",
    index: str | None = None,
) -> VideoReader:
    """Make the reader of a video, or of a window of it.

        with open_video(path) as video:
            frames = video.get(np.arange(len(video)))

    Only `with` opens the file, and raises UnreadableVideoError where it is missing, no video,
    empty, or damaged.

    Args:
        path: a video file, or a pack of frames.
        window: start and end in seconds; the frames of the video are then those inside it.
        length: the number of frames that decode, where it is known.
        decoder: `pyav` or `decord`.
        index: of the file, as a manifest keeps it; that of another file is not used.
    """
    if str(path).endswith(SUFFIX):
        return PackReader(path, window)
    if decoder == "decord":
        from zsvideo.data.decoding.decord_reader import DecordReader

        return DecordReader(path, window, length)
    return PyAVReader(path, window, length, from_text(index) if index else None)


def index_of(path: str | Path) -> str:
    """Give the index of a video file as text; empty for a pack, or where it is very long.

    Raises:
        UnreadableVideoError: the file is missing, empty, or damaged.
    """
    with open_video(path) as video:
        text = as_text(video.index) if isinstance(video, PyAVReader) else ""
    return text if len(text) <= LONGEST else ""


def claimed_length(path: str | Path) -> int:
    """Return how many frames a video says it has; 0 where it says nothing, as a pack.

    Raises:
        UnreadableVideoError: the file is missing, empty, or no video.
    """
    check_file(path)
    with named_faults():
        return 0 if str(path).endswith(SUFFIX) else claimed_frames(path)
