"""Check every file of a data set by really decoding it, and write the form that trains fast.

Each file is handled in a process of its own, which is ended if it takes too long. What is known of
a file is written down at once, so that an interrupted preparation goes on where it was; nothing
under the data set's root is changed. Machines that share a folder take a part of the files each.
"""

import errno
import fcntl
import hashlib
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import av
import numpy as np
from pebble import ProcessPool
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zsvideo.data.decoding.base import NO_FRAME
from zsvideo.data.decoding.boxes import ends_early
from zsvideo.data.decoding.faults import UnreadableVideoError, check_file, reason
from zsvideo.data.decoding.forms import SUFFIXES, FormSpec, form_bytes, write_form
from zsvideo.data.decoding.limits import late, within
from zsvideo.data.decoding.pyav_reader import all_frames, claimed_frames
from zsvideo.data.decoding.reading import index_of, open_video
from zsvideo.data.kenburns import is_image, read_image
from zsvideo.data.manifest import COLUMNS, NAME, write_table
from zsvideo.data.videos import Video
from zsvideo.errors import UserError
from zsvideo.semantics.records import file_hash

JOURNAL = "progress.jsonl"  # of a preparation in one part
SHARD_JOURNAL = "progress-{1}-of-{0}.jsonl"
JOURNALS = "progress*.jsonl"
SAMPLE = 12  # files that the estimate of the disk looks at
PATIENCE = 60.0  # seconds to wait for a folder that is in use
FEW_FRAMES = 3  # a segment this short is looked at
CUT = "cut short; used as far as it goes"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


class Part(NamedTuple):
    """Which files of a set are prepared here; a file is always in the same of some number of parts.

    Attributes:
        shards: parts that the set is cut into; None prepares all of it here.
        shard: number of the part; None joins what the parts have left, and prepares nothing.
    """

    shards: int | None = None
    shard: int | None = None

    def of(self, path: str, root: Path) -> int:
        """Give the number of the part that has a file."""
        return int(digest(path, root), 16) % (self.shards or 1)


WHOLE = Part()


class Settings(NamedTuple):
    """What is the same for all files of a preparation, see `prepare`."""

    root: Path
    out: Path
    spec: FormSpec
    limit: float


def prepare(
    videos: Sequence[Video],
    root: Path,
    out: Path,
    spec: FormSpec,
    workers: int,
    limit: float,
    dataset: str,
    part: Part = WHOLE,
    needed: int = 0,
) -> list[dict[str, Any]]:
    """Check the files of some videos, write their prepared form, and the manifest.

    Args:
        videos: any number may share a file.
        root: of the data set; what is known of a file stays true when all of it is moved.
        out: folder for the manifest and the prepared videos.
        spec: their form.
        workers: processes.
        limit: seconds a file may take.
        dataset: its name.
        part: the part of the files that is prepared here; only the whole has a manifest.
        needed: bytes that all prepared videos need.

    Returns:
        The rows of the manifest; none of a part.

    Raises:
        UserError: `out` cannot be written, is used by another preparation, is of another set, or
            lacks files of some parts that are joined.
    """
    settings, alone = Settings(root, out, spec, limit), part.shard is None
    try:
        (out / "videos").mkdir(parents=True, exist_ok=True)
        with ExitStack() as opened:
            journal = opened.enter_context((out / JOURNAL).open("a+", encoding="utf-8"))
            lock(journal, out, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            if not alone:
                own = out / SHARD_JOURNAL.format(*part)
                journal = opened.enter_context(own.open("a+", encoding="utf-8"))
                lock(journal, out)
            known = read_journals(journal, settings, dataset, part)
            states = [state(video.path, root) for video in videos]
            files = dict(zip(states, (video.path for video in videos), strict=True))
            todo = {key: path for key, path in files.items() if key not in known}
            if not alone:
                todo = {k: path for k, path in todo.items() if part.of(path, root) == part.shard}
            elif part.shards:
                refuse_unfinished(todo.values(), root, part)
            check_disk(out, needed * len(todo) // max(len(files), 1))
            examine_all(todo, known, journal, settings, workers)
            if not alone:
                return []
            rows = [row(v, known[key]) for v, key in zip(videos, states, strict=True)]
            write_table(out / NAME, COLUMNS, rows)
    except OSError as error:
        raise UserError(
            f"out={out} cannot be written ({error}); mend that and start again, it goes on there"
        ) from None
    return rows


def refuse_unfinished(files: Collection[str], root: Path, part: Part) -> None:
    """Raise UserError where files of some parts are not prepared; names the parts."""
    if unfinished := sorted({part.of(path, root) for path in files}):
        names = ",".join(map(str, unfinished))
        raise UserError(
            f"{len(files)} files are not prepared; run their shards again: python -m src.prepare "
            f"{'-m ' * (len(unfinished) > 1)}shard={names}, with the other options as before"
        )


def examine_all(
    todo: Mapping[str, str],
    known: dict[str, dict[str, Any]],
    journal: TextIO,
    settings: Settings,
    workers: int,
) -> None:
    """Examine files, path by state, and write down at once what is found."""
    limit = settings.limit
    try:
        with progress_bar(disable=not todo) as bar:
            task = bar.add_task("files", total=len(todo))
            outcomes = within(limit, examine, [(path, settings) for path in todo.values()], workers)
            for key, outcome in zip(todo, outcomes, strict=True):
                if isinstance(outcome, UnreadableVideoError):
                    outcome = {"status": "bad", "reason": str(outcome)}
                known[key] = outcome
                line = {"state": key, "spec": asdict(settings.spec), "found": outcome}
                journal.write(json.dumps(line) + "\n")
                journal.flush()
                bar.advance(task)
    finally:
        for key, path in todo.items():
            if known.get(key, {}).get("status") != "ok":  # its process may have been killed
                Path(f"{prepared_file(path, settings)}.part").unlink(missing_ok=True)


def lock(journal: TextIO, out: Path, kind: int = fcntl.LOCK_EX) -> None:
    """Have a journal alone, or shared; a process of a killed preparation may need a moment to end.

    Raises:
        UserError: another preparation uses it.
    """
    for _ in range(int(10 * PATIENCE)):
        try:
            return fcntl.flock(journal, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        except OSError:  # a file system without locks
            return None
    raise UserError(f"out={out} is used by another preparation; let it end, or take another out")


def progress_bar(disable: bool) -> Progress:
    """Show files done, and the time left."""
    left = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *left, disable=disable)


def state(path: str, root: Path) -> str:
    """Return the name of a state of a file, which a change of it ends."""
    name = os.path.relpath(path, root)
    try:
        status = os.stat(path)
    except OSError:
        return f"{name} missing"
    return f"{name} {status.st_size} {status.st_mtime_ns}"


def read_journals(
    journal: TextIO, settings: Settings, dataset: str, part: Part
) -> dict[str, dict[str, Any]]:
    """Read what all parts know of files, in their state, with the same form.

    Bad files are tried again, as a permission may be there now, unless that takes all the time or
    parts are joined.

    Args:
        journal: to be continued; a new one gets its head.
        settings: of the preparation.
        dataset: its name.
        part: what is prepared here.

    Raises:
        UserError: a journal is of another data set.
    """
    _, out, spec, limit = settings
    entries = []
    for file in sorted(out.glob(JOURNALS)):
        for line in file.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # the last line of a killed preparation
                entries.append(json.loads(line))
    others = {entry["dataset"] for entry in entries if "dataset" in entry} - {dataset}
    if others:
        raise UserError(
            f"out={out} holds dataset={', '.join(others)}; choose another folder for {dataset}"
        )
    journal.seek(0)
    text = journal.read()
    head = json.dumps({"dataset": dataset}) + "\n"
    journal.write(head if not text else "" if text.endswith("\n") else "\n")
    joined = part.shards is not None and part.shard is None
    known: dict[str, dict[str, Any]] = {}
    for entry in entries:
        facts = entry.get("found", {})
        made = facts.get("prepared")
        usable = facts.get("status") == "ok" or facts.get("reason") == late(limit)
        if not facts or entry["spec"] != asdict(spec):
            continue
        if usable and (not made or (out / made).is_file()):
            known[entry["state"]] = facts
        elif joined and not usable:
            known.setdefault(entry["state"], facts)
    return known


def examine(path: str, settings: Settings) -> dict[str, Any]:
    """Decode a file from end to end, and write its prepared form.

    Returns:
        `status` (`ok` or `bad`), `reason` (empty or `CUT` where ok), and of a good file `frames`,
        `claimed`, `width`, `height`, `fps`, `seconds`, `sha256`, the `prepared` file, relative to
        `out`, and the `index` of the file that will be read.

    Raises:
        OSError: there is no room for the prepared form.
    """
    try:
        check_file(path)
        digest = file_hash(Path(path))
        facts = examine_image(path) if is_image(path) else examine_video(path, settings)
    except UnreadableVideoError as error:
        return {"status": "bad", "reason": str(error)}
    except (av.FFmpegError, OSError, ValueError, RuntimeError, MemoryError) as error:
        if (number := getattr(error, "errno", None)) in NO_ROOM:
            raise OSError(number, os.strerror(number)) from None
        return {"status": "bad", "reason": reason(error)}
    early = CUT if not is_image(path) and ends_early(path) else ""
    return {"status": "ok", "reason": early, "sha256": digest, **facts}


def examine_image(path: str) -> dict[str, Any]:
    """Decode a still image, which is a clip by the Ken Burns effect and has no prepared form."""
    image = read_image(path)
    return {"frames": 1, "width": image.width, "height": image.height}


def examine_video(path: str, settings: Settings) -> dict[str, Any]:
    """Decode a video and write its prepared form."""
    spec = settings.spec
    whole = all_frames(path)
    seen: dict[str, Any] = {"frames": 0, "fps": round(float(whole.rate), 4)}
    last = 0

    def watched() -> Iterator[tuple[int, np.ndarray]]:
        nonlocal last
        for last, frame in whole.frames:
            seen["frames"] += 1
            seen["height"], seen["width"] = frame.shape[:2]
            yield last, frame

    if spec.form == "check":
        for _ in watched():
            pass
    else:
        file = prepared_file(path, settings)
        seen["prepared"] = file.relative_to(settings.out).as_posix()
        write_form(file, whole._replace(frames=watched()), spec)
    if not seen["frames"]:
        raise UnreadableVideoError("no frames")
    seen["claimed"] = claimed_frames(path)
    seen["index"] = index_of(path if spec.form == "check" else file)
    seen["seconds"] = round(float(last * whole.time_base + 1 / whole.rate), 3)
    return seen


def digest(path: str, root: Path) -> str:
    """Hash the name of a file inside its data set."""
    return hashlib.sha256(os.fsencode(os.path.relpath(path, root))).hexdigest()[:20]


def prepared_file(path: str, settings: Settings) -> Path:
    """Name the prepared form of a file."""
    name = digest(path, settings.root)
    return settings.out / "videos" / name[:2] / f"{name}{SUFFIXES.get(settings.spec.form, '')}"


def row(video: Video, facts: dict[str, Any]) -> dict[str, Any]:
    """Make a row of the manifest."""
    start, end = video.window or (None, None)
    if "fps" in facts and "claimed" not in facts:  # by an earlier version
        facts = facts | {"claimed": claimed_frames(video.path)}
    if video.window and facts["status"] == "ok" and not has_frame(video, facts):
        facts = facts | {"status": "bad", "reason": NO_FRAME}
    return {
        **facts,
        "id": video.id,
        "path": os.path.abspath(video.path),
        "class": video.label,
        "start": start,
        "end": end,
    }


def has_frame(video: Video, facts: dict[str, Any]) -> bool:
    """Tell whether a frame lies in a labelled segment, as training will see it."""
    start, end = video.window or (0, facts["seconds"])
    if start >= min(end, facts["seconds"]):
        return False
    if (
        end - start > FEW_FRAMES / facts["fps"]
        and start < facts["seconds"] - FEW_FRAMES / facts["fps"]
    ):
        return True
    try:
        with open_video(video.path, video.window):
            return True
    except UnreadableVideoError:
        return False


def disk_needed(videos: Sequence[Video], spec: FormSpec) -> int:
    """Estimate the bytes of the prepared videos from a few files spread over the set."""
    files = sorted({video.path for video in videos if not is_image(video.path)})
    if spec.form == "check" or not files:
        return 0
    sizes = []
    with ProcessPool(1, context=multiprocessing.get_context("fork")) as pool:
        for i in np.unique(np.linspace(0, len(files) - 1, SAMPLE).astype(int)):
            try:
                check_file(files[i])
                sizes.append(pool.schedule(form_bytes, args=(files[i], spec), timeout=10).result())
            except (UnreadableVideoError, av.FFmpegError, OSError, ValueError, RuntimeError):
                continue
    return int(np.mean(sizes) * len(files)) if sizes else 0


def check_disk(out: Path, needed: int) -> None:
    """Refuse to begin what does not fit; raises UserError."""
    folder = next(p for p in (out, *out.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"out={out} needs about {needed / 1e9:.1f} GB and has {free / 1e9:.1f} GB free; choose "
            "another disk, or take a smaller form: form=h264, or form=check, which writes none"
        )
