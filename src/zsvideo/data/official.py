"""Official lists of the published data sets: read as they are, mistakes told with file and line."""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zsvideo.data.layouts import spelling_key
from zsvideo.errors import UserError
from zsvideo.semantics.words import class_names


def read_text(file: Path) -> str:
    """Read a list, without a byte order mark; raises UserError where it is no text."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as text ({error}); fetch it anew") from None


def read_lines(lists: Iterable[Path], pattern: str) -> list[tuple[str, str]]:
    """Read two parts of each line, the groups of a pattern.

    Raises:
        UserError: a line is another; names it.
    """
    found = []
    for file in lists:
        for number, line in enumerate(map(str.strip, read_text(file).splitlines()), 1):
            if line and not (parts := re.fullmatch(pattern, line)):
                raise UserError(
                    f"{file}: line {number} cannot be used ({line[:60]}); fetch it anew"
                )
            found += [(parts[1], parts[2])] if line and parts else []
    return found


def read_clips(file: Path, split: str) -> dict[str, str]:
    """Read a CSV of Kinetics: class by clip, `<id>_<start>_<end>`, or `<id>` where it has no times.

    Args:
        file: its columns `youtube_id` and `label` are needed; without them it lists nothing.
        split: leave out rows that are said to be of another split; empty for all.

    Raises:
        UserError: it is no text.
    """
    labels = {}
    for row in csv.DictReader(io.StringIO(read_text(file)), skipinitialspace=True):
        ours = not split or row.get("split") in (None, "", split)
        if ours and row.get("youtube_id") and row.get("label"):
            try:
                times = [int(float(row[key])) for key in ("time_start", "time_end")]
            except (KeyError, TypeError, ValueError):
                times = []
            labels["_".join([row["youtube_id"], *(f"{t:06d}" for t in times)])] = row["label"]
    return labels


def read_segments(file: Path) -> dict[str, list[tuple[str, tuple[float, float]]]]:
    """Read the JSON of ActivityNet: the labelled segments of each video, with start and end.

    Raises:
        UserError: it is none.
    """
    try:
        database: dict[str, Any] = json.loads(read_text(file))["database"]
        return {
            key: [
                (str(a["label"]), (float(a["segment"][0]), float(a["segment"][1])))
                for a in entry.get("annotations", [])
            ]
            for key, entry in sorted(database.items())
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"{file} is no list of ActivityNet: a database of videos with annotations "
            f"({type(error).__name__}: {error}); fetch it anew"
        ) from None


def respell(listed: Mapping[str, str], table: str | None) -> dict[str, str] | None:
    """Spell the classes of an official list as the set's table does; None of an empty list."""
    official = {spelling_key(name): name for name in class_names(table)} if table else {}
    return {k: official.get(spelling_key(v), v) for k, v in listed.items()} or None
