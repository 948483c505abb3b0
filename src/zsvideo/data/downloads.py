"""Official archives by URL, into a data set's folder: resumed, checked, unpacked.

Each data set names its own (`archives`). They lie in
`<root>/archives` until they are unpacked; what was seen of each stays there as `<name>.json`.
"""

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import requests
from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from zsvideo.data.datasets.base import Archive
from zsvideo.data.unpacking import GROWTH, unpack
from zsvideo.errors import UserError

TRIES = 5  # in a row that bring nothing
CHUNK = 1 << 16


def download(
    items: Iterable[Archive], root: Path, pause: float = 1.0, growth: float = GROWTH
) -> None:
    """Fetch files and unpack them into a data set's folder; what is there already is passed over.

    Args:
        items: official files of the set.
        root: of the data set.
        pause: seconds before the second try, doubled before each next one.
        growth: times its size that an archive may take unpacked.

    Raises:
        UserError: an address names no file, the folder cannot be written, a file cannot be fetched,
            is not the one expected, or cannot be unpacked; starting again goes on there.
    """
    archives = root / "archives"
    try:
        archives.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"root={root} cannot be written ({error})") from None
    for item in items:
        if item.name in ("", ".", "..") or "\0" in item.name:
            raise UserError(f"{item.url} names no file; correct it where it is listed")
        file, note = archives / item.name, archives / f"{item.name}.json"
        if read_note(note).get("unpacked"):
            continue
        if not file.exists():
            fetch(item, file, note, pause)
        check(item, file, note)
        if file.suffix == ".txt":
            urls = [
                line.strip()
                for line in file.read_text(errors="replace").splitlines()
                if line.strip()
            ]
            listed = [replace(item, url=u, size=None, checksum="") for u in urls]
            download(listed, root, pause, growth)
            continue
        unpack(file, root / item.part, growth)
        write_note(note, read_note(note) | {"unpacked": True})
        file.unlink()


def fetch(item: Archive, file: Path, note: Path, pause: float) -> None:
    """Fetch a file, going on where an earlier try ended; raises UserError."""
    part = file.with_name(file.name + ".part")
    tries = 0
    with Progress(TextColumn("{task.description}"), DownloadColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task(item.name, total=item.size)
        while True:
            before = size_of(part)
            try:
                if fetch_rest(item, part, note, partial(bar.update, task)):
                    break
                problem = "the connection was cut"
            except requests.RequestException as error:
                problem = f"{type(error).__name__}: no connection, or it was cut"
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise UserError(
                        f"{part} cannot be written: the disk is full; free some space and start "
                        f"again, it goes on at {size_of(part):,} bytes"
                    ) from None
                raise UserError(f"{part} cannot be written ({error})") from None
            tries = tries + 1 if size_of(part) <= before else 0
            if tries >= TRIES:
                raise UserError(
                    f"{item.url} cannot be fetched ({problem}; {TRIES} tries); start again to go "
                    f"on, or fetch it by other means and put it at {file}"
                )
            time.sleep(pause * 2**tries)
    part.replace(file)


def fetch_rest(item: Archive, part: Path, note: Path, tell: Any) -> bool:
    """Ask once for what is missing of a file; tell whether it is whole now.

    Raises:
        UserError: the server has no such file, or another one than expected, or no room for it.
    """
    have, record = size_of(part), read_note(note)
    headers = {"Accept-Encoding": "identity"}
    if have and (record.get("validator") or item.checksum):
        headers["Range"] = f"bytes={have}-"
        if record.get("validator"):
            headers["If-Range"] = record["validator"]
    with requests.get(item.url, headers=headers, stream=True, timeout=30) as answer:
        code = answer.status_code
        if code == 416:  # it has no byte there: the part is whole, or of another file
            if answer.headers.get("Content-Range", "").endswith(f"/{have}"):
                return True
            part.unlink()
            return False
        if code in (408, 429) or code >= 500:
            raise requests.HTTPError(f"status {code}")
        if code not in (200, 206):
            raise UserError(
                f"{item.url} cannot be fetched (status {code}); the address may have changed: "
                f"fetch {item.name} by other means and put it at {part.with_suffix('')}"
            )
        resumed = code == 206 and answer.headers.get("Content-Range", "").startswith(
            f"bytes {have}-"
        )
        if code == 206 and not resumed:
            part.unlink(missing_ok=True)
            return False
        length = answer.headers.get("Content-Length")
        total = (have if resumed else 0) + int(length) if length else None
        if item.size and total and total != item.size:
            raise UserError(
                f"{item.url} has {total:,} bytes where {item.size:,} are expected: it is another "
                f"file now; fetch {item.name} by other means and put it at {part.with_suffix('')}"
            )
        tag = answer.headers.get("ETag", "")
        validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
        write_note(note, {"url": item.url, "size": total, "validator": validator})
        check_room(part, (total or 0) - (have if resumed else 0))
        with part.open("ab" if resumed else "wb") as opened:
            for data in answer.iter_content(CHUNK):
                opened.write(data)
                tell(completed=opened.tell(), total=total)
    return total is None or size_of(part) == total


def check_room(part: Path, needed: int) -> None:
    """Refuse a file that does not fit; raises UserError."""
    free = shutil.disk_usage(part.parent).free
    if needed > free:
        raise UserError(
            f"{part.with_suffix('').name} needs {needed / 1e9:.1f} GB and {part.parent} has "
            f"{free / 1e9:.1f} GB free; free some space or choose root=FOLDER on another disk"
        )


def check(item: Archive, file: Path, note: Path) -> None:
    """Compare a file with its known checksum or size, or with what was seen of it before.

    Raises:
        UserError: it differs; it is removed then.
    """
    record = read_note(note)
    expected = item.checksum or record.get("checksum") or ""
    kind = expected.partition(":")[0] or "sha256"
    with file.open("rb") as opened:
        checksum = f"{kind}:{hashlib.file_digest(opened, kind).hexdigest()}"
    size = file.stat().st_size
    problem = ""
    if expected and checksum != expected:
        problem = f"has {checksum} where {expected} is expected"
    elif (item.size or record.get("size")) not in (None, size):
        problem = f"has {size:,} bytes where {item.size or record.get('size'):,} are expected"
    if problem:
        file.unlink()
        note.unlink(missing_ok=True)
        raise UserError(
            f"{file} {problem}, so it was removed; start again, and if that does not help fetch "
            f"{item.url} by other means"
        )
    write_note(note, record | {"url": item.url, "size": size, "checksum": checksum})


def size_of(file: Path) -> int:
    """Return the bytes of a file, 0 if it is not there."""
    return file.stat().st_size if file.exists() else 0


def read_note(note: Path) -> dict[str, Any]:
    """Read what was seen of a file before."""
    try:
        content = json.loads(note.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_note(note: Path, record: dict[str, Any]) -> None:
    """Write down what was seen of a file, whole or not at all."""
    part = note.with_name(note.name + ".part")
    part.write_text(json.dumps(record))
    part.replace(note)
