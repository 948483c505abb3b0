"""Manifests: a CSV file with one row a labelled video, as `src.prepare` writes it or by hand.

Columns: `path` (relative to the file's folder, or absolute) and `class` (or `label`) are needed;
`id`, `start` and `end` (seconds), `frames` (that decode), `claimed` (frames that the original's
container claims), `status` (`ok` or not), `reason`, `prepared` (a file that stands for the
original) and `index` (of the packets of the file that is read) are used where they are there.
"""

import csv
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from math import isfinite
from pathlib import Path
from typing import Any

from zsvideo.data.videos import Video, Videos
from zsvideo.errors import UserError
from zsvideo.names import one_form
from zsvideo.options import MOST

NAME = "manifest.csv"
PREPARED = "videos"  # folder beside it, of the prepared files
NAMES = "surrogateescape"  # keeps file names that are no text
COLUMNS = (
    "id",
    "path",
    "class",
    "start",
    "end",
    "frames",
    "claimed",
    "width",
    "height",
    "fps",
    "seconds",
    "sha256",
    "status",
    "reason",
    "prepared",
    "index",
)


@dataclass(frozen=True)
class Manifest:
    """The videos of a manifest that can be used, and the reasons for the others by id."""

    videos: Videos
    quarantined: dict[str, str]


def read_manifest(file: Path, option: str) -> Manifest:
    """Read a manifest.

    Args:
        file: the CSV file.
        option: the config key of its place, for messages.

    Raises:
        UserError: it is no manifest, or a row cannot be used; names the line.
    """
    quarantined: dict[str, str] = {}
    try:
        with file.open(newline="", encoding="utf-8-sig", errors=NAMES) as lines:
            videos = Videos.of(usable_videos(lines, file, f"{option}={file}", quarantined))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{option}={file} cannot be read as a manifest ({error})") from None
    if not videos:
        raise UserError(f"{option}={file} lists no video that can be used")
    return Manifest(videos, quarantined)


def usable_videos(
    lines: Iterable[str], file: Path, name: str, quarantined: dict[str, str]
) -> Iterator[Video]:
    """Read the videos of a manifest one after the other.

    Args:
        lines: of the file.
        file: its path.
        name: of the file, for messages.
        quarantined: takes the reasons for the rows that cannot be used, by id.

    Raises:
        UserError: see `read_manifest`.
    """
    rows = rows_of(lines, name)
    first = next(rows, {})
    label = next((c for c in ("class", "label") if c in first), None)
    if label is None or "path" not in first:
        raise UserError(
            f"{name} is no manifest: it needs columns path and class, and a row a video"
        )
    folder, seen = str(file.parent), set()
    for number, row in enumerate(chain([first], rows), 2):
        place = f"{name}: line {number}"
        try:
            start, end = row.get("start", "").strip(), row.get("end", "").strip()
            if bool(start) != bool(end):
                raise UserError(f"{place} has half a window; give start and end, or neither")
            own = row.get("id") or row["path"] + (f"#{start}-{end}" if start else "")
            if (row.get("status") or "ok") != "ok":
                quarantined[own] = row.get("reason") or row["status"]
                continue
            path = as_spelled(os.path.join(folder, row.get("prepared") or row["path"]))
            window = (float(start), float(end)) if start else None
            if not (row["path"] and row[label].strip()) or not isfinite(sum(window or ())):
                raise ValueError
            frames, claimed = (int(row.get(k) or 0) or None for k in ("frames", "claimed"))
            if "\0" in row["path"] or not all(0 < n <= MOST for n in (frames, claimed) if n):
                raise ValueError
            name, index = one_form(row[label].strip()), row.get("index") or None
            video = Video(own, path, name, window, frames, claimed, index)
        except UserError:
            raise
        except (KeyError, ValueError):
            raise UserError(
                f"{place} cannot be used; it needs a path, a class, and "
                "numbers for start, end, frames and claimed"
            ) from None
        if own in seen:
            raise UserError(
                f"{place} repeats {own}; a video stands in one row, and "
                "one of several classes in several with a column id that tells them apart"
            )
        seen.add(own)
        yield video


def rows_of(lines: Iterable[str], name: str) -> Iterator[dict[str, str]]:
    """Read the rows of a CSV file one after the other.

    Args:
        lines: of the file, the columns' names first.
        name: of the file, for messages.

    Raises:
        UserError: a row has more values than there are columns; names the line.
    """
    rows = filter(None, csv.reader(lines))
    columns = next(rows, [])
    for number, values in enumerate(rows, 2):
        if any(more := values[len(columns) :]):
            raise UserError(
                f"{name}: line {number} has more values than columns ({', '.join(more)}); put "
                "quotes around a value that holds a comma"
            )
        yield dict(zip_longest(columns, values, fillvalue=""))


def read_rows(file: Path, name: str) -> list[dict[str, str]]:
    """Read the rows of a CSV file; names of files that are no text are kept.

    Args:
        file: with the columns' names in its first line.
        name: of the file, for messages.

    Raises:
        UserError: it is none, or a row has more values than there are columns; names the line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors=NAMES) as lines:
            return list(rows_of(lines, name))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{name} cannot be read as a manifest ({error})") from None


def as_spelled(path: str | Path) -> str:
    """Give the path of a file, in the Unicode form in which it is there; macOS may change it."""
    name = str(path)
    if name.isascii() or os.path.exists(name):
        return name
    forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return next((form for form in forms if os.path.exists(form)), name)


def write_table(file: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file so that a reader sees all of it or nothing."""
    part = file.with_name(file.name + ".part")
    with part.open("w", newline="", encoding="utf-8", errors=NAMES) as opened:
        writer = csv.DictWriter(opened, list(columns), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)
