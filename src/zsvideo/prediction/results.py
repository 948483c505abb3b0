"""Results of many files: an append-only journal that a stopped command goes on with, CSV, JSON.

The journal has one JSON line a video, after a first line that says what is computed. CSV, JSON and
HTML are views of it, written when all videos are done; neither holds them all in memory.
"""

import base64
import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from zsvideo.data.manifest import NAMES
from zsvideo.errors import UserError
from zsvideo.prediction.answers import SCHEMA, VideoAnswer
from zsvideo.prediction.videos import Source
from zsvideo.texts import cell

COLUMNS = (
    "path",
    "status",
    "reason",
    "start",
    "end",
    "rank",
    "name",
    "score",
    "probability",
    "none_of_these",
    "nearest_trained",
    "distance",
    "notes",
)
SHEET = "sheet"  # JPEG pictures of a video in the journal, for the HTML page


class Journal:
    """What is answered so far, in a file that only grows.

    Attributes:
        places: name of a video to the place of its line, and the state of its file.
    """

    def __init__(self, file: Path, header: Mapping[str, Any]) -> None:
        """Open the journal; one that is there goes on.

        Args:
            file: where it lies.
            header: what is computed.

        Raises:
            UserError: it cannot be written, or is of another command.
        """
        self.file, self.header = file, dict(header)
        self.places: dict[str, tuple[int, str]] = {}
        first = json.dumps(self.header)
        try:
            if file.is_file() and file.stat().st_size:
                self.resume(first)
            self.out = file.open("ab")
            if not self.out.tell():
                self.write(first)
        except OSError as error:
            raise UserError(f"{file.parent} cannot be written ({error.strerror})") from None

    def resume(self, first: str) -> None:
        """List what is done; a line that was cut short is done again."""
        with self.file.open("r+b") as lines:
            line = lines.readline()
            if line.decode(errors="replace").rstrip("\n") != first:
                raise UserError(
                    f"{self.file} is of another command (other model, classes or options); remove "
                    "it, or give other names of results"
                )
            whole = lines.tell()
            for line in iter(lines.readline, b""):
                if not line.endswith(b"\n"):
                    break
                entry = json.loads(line)
                self.places[entry["path"]] = (whole, entry["state"])
                whole = lines.tell()
            lines.truncate(whole)

    def done(self, source: Source) -> bool:
        """Tell whether a video is answered, and its file is still the same."""
        return self.places.get(source.name, (0, None))[1] == state_of(source)

    def add(self, source: Source, answer: VideoAnswer, pictures: bool) -> None:
        """Append an answer."""
        entry = answer.plain() | {"state": state_of(source)}
        if pictures and answer.frames is not None:
            entry[SHEET] = [jpeg(frame) for frame in answer.frames]
        self.places[source.name] = (self.out.tell(), entry["state"])
        self.write(json.dumps(entry))

    def write(self, line: str) -> None:
        """Append a line, so that it is there if the next moment is the last."""
        self.out.write(line.encode() + b"\n")
        self.out.flush()

    def entries(self, sources: Sequence[Source]) -> Iterator[dict[str, Any]]:
        """Read the answers in the order of the videos."""
        self.out.flush()
        with self.file.open("rb") as lines:
            for source in sources:
                lines.seek(self.places[source.name][0])
                entry = json.loads(lines.readline())
                del entry["state"]
                yield entry

    def close(self, done: bool) -> None:
        """Close it, and remove it where nothing is left to do."""
        self.out.close()
        if done:
            self.file.unlink()


def state_of(source: Source) -> str:
    """Name a file as it is now, by size and time; empty where there is none."""
    try:
        stat = os.stat(source.path)
    except OSError:
        return ""
    return f"{stat.st_size} {stat.st_mtime_ns}"


def jpeg(frame: np.ndarray) -> str:
    """Encode a frame (H, W, 3) uint8 as JPEG in base64."""
    encoded, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert encoded
    return base64.b64encode(data.tobytes()).decode()


def write_answers(file: Path, entries: Iterator[dict[str, Any]]) -> None:
    """Write one row an answer: of whole videos without start and end, then of spans."""
    part = file.with_name(file.name + ".tmp")
    with part.open("w", newline="", encoding="utf-8", errors=NAMES) as lines:
        table = csv.DictWriter(lines, COLUMNS, restval="")
        table.writeheader()
        for entry in entries:
            table.writerows({k: cell(v) for k, v in row.items()} for row in answer_rows(entry))
    part.replace(file)


def answer_rows(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the rows of a video."""
    video = {key: entry[key] for key in ("path", "status", "reason")}
    if not entry["top"]:
        yield video
    for part in (entry, *entry["spans"]):
        times = {key: part[key] for key in ("start", "end") if key in part}
        for rank, answer in enumerate(part["top"], 1):
            near = answer["nearest"][0] if answer["nearest"] else {"name": "", "distance": ""}
            yield {
                **video,
                **times,
                "rank": rank,
                **{key: answer[key] for key in ("name", "score", "probability")},
                "none_of_these": part["none_of_these"],
                "nearest_trained": near["name"],
                "distance": near["distance"],
                "notes": "; ".join(answer["notes"]),
            }


def write_json(file: Path, header: Mapping[str, Any], entries: Iterator[dict[str, Any]]) -> None:
    """Write one document: the header's fields, then `videos`, one after the other."""
    part = file.with_name(file.name + ".tmp")
    with part.open("w", encoding="utf-8") as out:
        out.write(json.dumps({"schema": SCHEMA, **header}, indent=1)[:-2])
        out.write(',\n "videos": [')
        write_list(out, entries)
        out.write("\n ]\n}\n")
    part.replace(file)


def write_list(out: TextIO, entries: Iterator[dict[str, Any]]) -> None:
    """Write the elements of a JSON list."""
    comma = ""
    for entry in entries:
        entry.pop(SHEET, None)
        out.write(f"{comma}\n  {json.dumps(entry)}")
        comma = ","
