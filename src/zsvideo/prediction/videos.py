"""Which files are to be answered: files, folders, globs, lists and manifests, each file once."""

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from zsvideo.data.decoding.packs import SUFFIX
from zsvideo.data.layouts import VIDEO_FILES, files_below, first_few
from zsvideo.data.manifest import as_spelled, read_rows
from zsvideo.errors import UserError

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Source:
    """A video to be answered.

    Attributes:
        path: the file.
        window: start and end in seconds, of a manifest's row; None for all of it.
        reason: why there is nothing to read, None if there may be.
    """

    path: str
    window: tuple[float, float] | None = None
    reason: str | None = None

    @property
    def name(self) -> str:
        """The path, with the window where there is one."""
        return (
            self.path
            if self.window is None
            else f"{self.path}#t={self.window[0]:g},{self.window[1]:g}"
        )


@dataclass(frozen=True)
class Sources:
    """Videos to be answered, each once, and how many were listed twice."""

    videos: tuple[Source, ...]
    duplicates: int


def list_videos(
    places: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], stdin: TextIO | None = None
) -> Sources:
    """List the videos of files, folders (at any depth), globs, manifests and standard input.

    A manifest is a CSV file with a column `path`, relative to its folder, and perhaps `start` and
    `end` in seconds. Files are named one a line on standard input (`-`), or with a NUL behind each.

    Args:
        places: one or more of them.
        stdin: where `-` reads from.

    Raises:
        UserError: a manifest is none, or there is nothing at all.
    """
    many = [places] if isinstance(places, (str, os.PathLike)) else list(places)
    videos: dict[tuple[str, tuple[float, float] | None], Source] = {}
    count = 0
    for place in many:
        for source in found_at(os.fspath(place), stdin):
            count += 1
            same = source.path if source.reason else os.path.realpath(source.path)
            videos.setdefault((same, source.window), source)
    if not videos:
        raise UserError(
            "no video is given; name files, folders, globs, a manifest.csv, or - for a list"
        )
    return Sources(tuple(videos.values()), count - len(videos))


def found_at(place: str, stdin: TextIO | None = None) -> Iterator[Source]:
    """List the videos of one place; one that has none gives a source with the reason."""
    if place == STANDARD_INPUT and stdin is not None:
        for line in stdin:
            for name in filter(None, line.rstrip("\r\n").split("\0")):  # `find -print0`
                yield from found_at(name)
        return
    if not place or "\0" in place:
        yield Source(place, reason="no file has such a name")
        return
    path = Path(place).expanduser()
    if path.is_dir():
        yield from in_folder(path)
    elif path.suffix.lower() == ".csv" and path.is_file():
        yield from in_manifest(path)
    elif not path.exists() and glob.has_magic(place):
        matches = sorted(glob.glob(str(path), recursive=True))
        for match in matches:
            yield from found_at(match)
        if not matches:
            yield Source(place, reason="nothing matches it")
    else:
        yield Source(str(path))


def in_folder(folder: Path) -> Iterator[Source]:
    """List the videos below a folder, sorted; folders that cannot be listed give a reason."""
    closed: list[Source] = []

    def note(error: OSError) -> None:
        closed.append(Source(str(error.filename), reason="no permission to list it"))

    files = files_below(folder, (*VIDEO_FILES, SUFFIX), note)
    yield from (Source(str(file)) for file in files)
    yield from closed
    if not files and not closed:
        yield Source(str(folder), reason=f"no video below it ({first_few(VIDEO_FILES)})")


def in_manifest(file: Path) -> Iterator[Source]:
    """List the videos of a manifest.

    Raises:
        UserError: it has no column `path`, or a row has a time that is none.
    """
    rows = read_rows(file, str(file))
    if rows and "path" not in rows[0]:
        raise UserError(
            f"{file} is no manifest: it needs a column path; it has {', '.join(rows[0])}"
        )
    for number, row in enumerate(rows, 2):
        if not row["path"]:
            continue
        times = [row.get(key) or "" for key in ("start", "end")]
        try:
            window = (float(times[0]), float(times[1])) if any(times) else None
        except ValueError:
            raise UserError(
                f"{file} line {number}: start and end must be seconds, not {times}"
            ) from None
        yield Source(as_spelled(file.parent / row["path"]), window)
