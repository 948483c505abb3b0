"""Manifests: a CSV file with one row a labelled video, as `src.prepare` writes it or by hand.

Columns: `path` (relative to the file's folder, or absolute) and `class` (or `label`) are needed;
`id`, `start` and `end` (seconds), `frames` (that decode), `claimed` (frames that the original's
container claims), `status` (`ok` or not), `reason` and `prepared` (a file that stands for the
original) are used where they are there.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from zsvideo.data.layouts import Video
from zsvideo.errors import UserError

NAME = "manifest.csv"
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
)


@dataclass(frozen=True)
class Manifest:
    """The videos of a manifest that can be used, and the reasons for the others by id."""

    videos: list[Video]
    quarantined: dict[str, str]


def read_manifest(file: Path, option: str) -> Manifest:
    """Read a manifest.

    Args:
        file: the CSV file.
        option: the config key of its place, for messages.

    Raises:
        UserError: it is no manifest, or a row cannot be used; names the line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig", errors=NAMES) as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{option}={file} cannot be read as a manifest ({error})") from None
    label = next((c for c in ("class", "label") if rows and c in rows[0]), None)
    if label is None or "path" not in rows[0]:
        raise UserError(
            f"{option}={file} is no manifest: it needs columns path and class, and a row a video"
        )
    videos: dict[str, Video] = {}
    quarantined = {}
    for number, row in enumerate(rows, 2):
        place = f"{option}={file}: line {number}"
        if any(row.get(None) or ()):
            raise UserError(
                f"{place} has more values than columns ({', '.join(row[None])}); "
                "put quotes around a value that holds a comma"
            )
        try:
            start, end = ((row.get(key) or "").strip() for key in ("start", "end"))
            if bool(start) != bool(end):
                raise UserError(f"{place} has half a window; give start and end, or neither")
            name = row.get("id") or row["path"] + (f"#{start}-{end}" if start and end else "")
            if (row.get("status") or "ok") != "ok":
                quarantined[name] = row.get("reason") or row["status"]
                continue
            path = file.parent / (row.get("prepared") or row["path"])
            window = (float(start), float(end)) if start else None
            if not (row["path"] and row[label].strip()) or not isfinite(sum(window or ())):
                raise ValueError
            frames, claimed = (int(row.get(k) or 0) or None for k in ("frames", "claimed"))
            video = Video(name, str(path), row[label].strip(), window, frames, claimed)
        except UserError:
            raise
        except (TypeError, ValueError, AttributeError):
            raise UserError(
                f"{place} cannot be used; it needs a path, a class, and "
                "numbers for start, end, frames and claimed"
            ) from None
        if name in videos:
            raise UserError(
                f"{place} repeats {name}; a video stands in one row, and "
                "one of several classes in several with a column id that tells them apart"
            )
        videos[name] = video
    if not videos:
        raise UserError(f"{option}={file} lists no video that can be used")
    return Manifest(list(videos.values()), quarantined)


def write_table(file: Path, columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a CSV file so that a reader sees all of it or nothing."""
    part = file.with_name(file.name + ".part")
    with part.open("w", newline="", encoding="utf-8", errors=NAMES) as opened:
        writer = csv.DictWriter(opened, list(columns), restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(file)
