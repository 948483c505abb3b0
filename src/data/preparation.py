"""Check every file of a data set by really decoding it, and pack its frames for training.

Each file is handled in a process of its own, which is ended if it takes too long. What is known of
a file is written down at once, so that an interrupted preparation goes on where it was; nothing
under the data set's root is changed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import TimeoutError as Timeout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from pebble import ProcessExpired, ProcessPool
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from src.data.decoding.faults import UnreadableVideo
from src.data.decoding.packs import SUFFIX, pack_bytes, shrink, write_pack
from src.data.decoding.pyav_reader import all_frames
from src.data.decoding.reading import SMALLEST, check_file, reason, time_limit
from src.data.layouts import Video
from src.data.manifest import COLUMNS, NAME, write_table
from src.errors import UserError

JOURNAL = "progress.jsonl"
SAMPLE = 12  # files that the estimate of the disk looks at


@dataclass(frozen=True)
class PackSpec:
    """How frames are packed; `short_side` is None where files are checked only."""

    short_side: int | None
    quality: int


def prepare(
    videos: Sequence[Video], out: Path, spec: PackSpec, workers: int, limit: float
) -> list[dict[str, Any]]:
    """Check and pack the files of some videos, and write the manifest.

    Args:
        videos: any number may share a file.
        out: folder for the manifest and packs.
        spec: how to pack.
        workers: processes.
        limit: seconds a file may take.

    Returns:
        The rows of the manifest.

    Raises:
        UserError: `out` cannot be written.
    """
    try:
        (out / "packs").mkdir(parents=True, exist_ok=True)
        journal = (out / JOURNAL).open("a", encoding="utf-8")
    except OSError as error:
        raise UserError(f"out={out} cannot be written ({error})") from None
    known = read_journal(out, spec)
    files = list(dict.fromkeys(video.path for video in videos))
    todo = [path for path in files if state(path) not in known]
    with journal, ProcessPool(workers) as pool, progress_bar() as bar:
        task = bar.add_task("files", total=len(files), completed=len(files) - len(todo))
        futures = {
            pool.schedule(examine, args=(path, str(out), spec), timeout=limit): path
            for path in todo
        }
        for future, path in futures.items():
            try:
                found = future.result()
            except Timeout:
                found = {"status": "bad", "reason": f"not decoded within {limit:.0f} s"}
            except ProcessExpired:
                found = {"status": "bad", "reason": "the decoder crashed"}
            known[state(path)] = found
            line = {"state": state(path), "spec": asdict(spec), "found": found}
            journal.write(json.dumps(line) + "\n")
            journal.flush()
            bar.advance(task)
    rows = [row(video, known[state(video.path)]) for video in videos]
    write_table(out / NAME, COLUMNS, rows)
    return rows


def progress_bar() -> Progress:
    """Show files done, and the time left."""
    return Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                    TimeRemainingColumn())  # fmt: skip


def state(path: str) -> str:
    """Name a state of a file, which a change of it ends."""
    try:
        found = os.stat(path)
    except OSError:
        return f"{os.path.abspath(path)} missing"
    return f"{os.path.abspath(path)} {found.st_size} {found.st_mtime_ns}"


def read_journal(out: Path, spec: PackSpec) -> dict[str, dict[str, Any]]:
    """Read what is known of files, in their state, with the same way of packing."""
    known = {}
    for line in (out / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the last line of a killed preparation
        pack = entry["found"].get("pack")
        if entry["spec"] == asdict(spec) and (not pack or (out / pack).is_file()):
            known[entry["state"]] = entry["found"]
    return known


def examine(path: str, out: str, spec: PackSpec) -> dict[str, Any]:
    """Decode a file from end to end, and pack its frames.

    Returns:
        `status` (`ok` or `bad`), `reason`, and of a good file `frames`, `width`, `height`, `fps`,
        `seconds`, `sha256` and, relative to `out`, its `pack`.
    """
    seen: dict[str, Any] = {"frames": 0}

    def shrunk(frames: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for frame in frames:
            seen["frames"] += 1
            seen["height"], seen["width"] = frame.shape[:2]
            if min(frame.shape[:2]) < SMALLEST:
                raise UnreadableVideo(f"smaller than {SMALLEST} pixels")
            yield shrink(frame, spec.short_side) if spec.short_side else frame

    try:
        check_file(path)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        fps, decoded = all_frames(path)
        frames = shrunk(decoded)
        pack = None
        if spec.short_side:
            name = hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:20]
            pack = f"packs/{name[:2]}/{name}{SUFFIX}"
            write_pack(Path(out) / pack, frames, fps, spec.quality)
        else:
            for _ in frames:
                pass
        if not seen["frames"]:
            raise UnreadableVideo("no frames")
    except UnreadableVideo as error:
        return {"status": "bad", "reason": str(error)}
    except (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError) as error:
        return {"status": "bad", "reason": reason(error)}
    return {"status": "ok", "reason": "", "fps": round(fps, 4), "sha256": digest, "pack": pack,
            "seconds": round(seen["frames"] / fps, 3), **seen}  # fmt: skip


def row(video: Video, found: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the manifest."""
    start, end = video.window or (None, None)
    return {**found, "id": video.id, "path": os.path.abspath(video.path), "class": video.label,
            "start": start, "end": end}  # fmt: skip


def disk_needed(videos: Sequence[Video], spec: PackSpec) -> int:
    """Estimate the bytes of the packs from a few files spread over the set."""
    files = sorted({video.path for video in videos})
    if not spec.short_side or not files:
        return 0
    sizes = []
    for i in np.unique(np.linspace(0, len(files) - 1, SAMPLE).astype(int)):
        try:
            check_file(files[i])
            with time_limit(10.0):
                sizes.append(pack_bytes(files[i], spec.short_side, spec.quality))
        except (UnreadableVideo, av.FFmpegError, OSError, ValueError):
            continue
    return int(np.mean(sizes) * len(files)) if sizes else 0


def check_disk(out: Path, needed: int) -> None:
    """Refuse to begin what does not fit; raises UserError."""
    place = next(p for p in (out, *out.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise UserError(
            f"out={out} needs about {needed / 1e9:.1f} GB and has {free / 1e9:.1f} GB free; choose "
            "another disk, or check the files only: pack=false"
        )
