"""Find the same video on both sides of a zero-shot test: by id, by bytes, by content (Sec. 3.3).

Shapes: T sampled frames.
"""

import logging
import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track

from zsvideo.data.content import fingerprint, same_content
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.limits import within
from zsvideo.data.layouts import VIDEO_FILES, existing_root, files_below
from zsvideo.data.manifest import NAME, as_spelled, read_rows
from zsvideo.errors import UserError
from zsvideo.names import legible
from zsvideo.semantics.records import file_hash

log = logging.getLogger(__name__)
LIMIT = 120.0  # seconds a video may take
YOUTUBE = r"[A-Za-z0-9_-]{11}"
IDS = (  # names that say which video a file is, in the data sets' own spelling
    rf"(?:v_)?({YOUTUBE})_\d{{6}}_\d{{6}}",  # Kinetics
    rf"v_({YOUTUBE})",  # ActivityNet
    rf"(?![A-Za-z]+\d*[_-]?\d+$)((?=.*[A-Z])(?=.*[a-z0-9]){YOUTUBE})",  # not IMG_1234567
    r"(v_[A-Za-z]+_g\d\d_c\d\d)",  # UCF101
    r"(.+_np\d_(?:le|ri|fr|ba)_(?:bad|med|goo)_\d+)",  # HMDB51
)


def compare_videos(
    source: Mapping[str, str], targets: Mapping[str, str], cache: Path
) -> dict[str, Any]:
    """Find the videos of the source that are videos of the targets too.

    Args:
        source: root by its config key; a folder, searched with all below it, or a manifest, a CSV
            file with a column `path` (relative to the file's folder) and perhaps `id`; or a folder
            with one, as `src.prepare` writes it.
        targets: roots by their config keys.
        cache: folder that keeps fingerprints, so that an interrupted comparison goes on.

    Returns:
        `compared` (files of `source` and of `targets`), `pairs` (each with `source`, `target` and
        `evidence`), and `unreadable` (path to reason).

    Raises:
        UserError: a root or manifest cannot be used.
    """
    ours = {p: i for option, root in source.items() for p, i in videos_with_ids(root, option)}
    theirs = {p: i for option, root in targets.items() for p, i in videos_with_ids(root, option)}
    evidence: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pair, key in joined(
        {p: video_id(p, i) for p, i in ours.items()}, {p: video_id(p, i) for p, i in theirs.items()}
    ):
        evidence[pair].append(f"same id {key}")
    for pair, _ in joined(*hash_equal_sizes(ours, theirs)):
        evidence[pair].append("same bytes")
    prints, unreadable = fingerprints([*ours, *theirs], cache)
    for pair, share in same_content(
        {p: prints[p] for p in ours if p in prints}, {p: prints[p] for p in theirs if p in prints}
    ):
        evidence[pair].append(f"same content, {100 * share:.0f} % of the shorter one")
    return {
        "compared": {"source": len(ours), "targets": len(theirs)},
        "pairs": [
            {"source": a, "target": b, "evidence": e} for (a, b), e in sorted(evidence.items())
        ],
        "unreadable": unreadable,
    }


def videos_with_ids(root: str, option: str) -> Iterator[tuple[str, str]]:
    """List the paths of the videos of a folder or a manifest, each with its id, empty if unknown.

    Of a prepared folder the originals are taken, and where they are gone what stands for them.

    Raises:
        UserError: there is nothing, or the manifest has no column `path`.
    """
    source = Path(root).expanduser()
    source = source / NAME if (source / NAME).is_file() else source
    if not source.is_file():
        source = existing_root(source, "a folder of videos or a manifest", option, "give one")
        yield from ((str(file), "") for file in files_below(source))
        return
    rows = read_rows(source, f"{option}={root}")
    if not rows or "path" not in rows[0]:
        raise UserError(
            f"{option}={root} is no manifest: a CSV file with a column `path`; give one, or a "
            "folder of videos"
        )
    for number, row in enumerate(rows, 2):
        if not row["path"] or "\0" in row["path"]:
            raise UserError(f"{option}={root}: line {number} names no path; mend or remove it")
        path = source.parent / row["path"]
        if row.get("prepared") and not path.is_file():
            path = source.parent / row["prepared"]
        yield as_spelled(path), row.get("id") or ""


def video_id(path: str, own_id: str) -> str:
    """Return which published video a file is, by its name or a manifest's id."""
    stem, suffix = os.path.splitext(own_id.rsplit("/", 1)[-1])
    for name in (Path(path).stem, stem if suffix.lower() in VIDEO_FILES else stem + suffix):
        for pattern in IDS:
            if match := re.fullmatch(pattern, name):
                return match[1]
    return ""


def joined(
    ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str], str]]:
    """Pair the paths with the same key on both sides; an empty key pairs with none."""
    by_key = defaultdict(list)
    for path, key in theirs.items():
        by_key[key].append(path)
    for path, key in ours.items():
        if key:
            yield from (((path, other), key) for other in by_key[key])


def hash_equal_sizes(
    ours: Mapping[str, str], theirs: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Hash (sha256) the files whose size occurs on both sides, each side by path."""
    sizes = [{p: size for p in side if (size := file_size(p))} for side in (ours, theirs)]
    common = set(sizes[0].values()) & set(sizes[1].values())
    hashed = []
    for side in sizes:
        hashed.append({p: file_hash(Path(p)) for p, size in side.items() if size in common})
    return hashed[0], hashed[1]


def file_size(path: str) -> int:
    """Return the size of a file in bytes; 0 if it cannot be read."""
    return os.path.getsize(path) if os.access(path, os.R_OK) else 0


def fingerprints(paths: Sequence[str], cache: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Hash the frames of videos (T,) uint64, on all cores; what is in the cache is not redone.

    Returns:
        The hashes by path, and the reason for each path that cannot be decoded.
    """
    keys = {path: cache_key(path) for path in dict.fromkeys(paths)}
    store, known = known_prints(cache)
    new = [path for path, key in keys.items() if key not in known]
    unreadable = {}
    cores = os.cpu_count() or 1
    results = zip(new, within(LIMIT, fingerprint, [(path,) for path in new], cores), strict=True)
    for path, result in track(results, "videos", len(new), disable=not new):
        if isinstance(result, str | UnreadableVideoError):
            unreadable[path] = str(result)
        else:
            known[keys[path]] = result.tobytes()
            keep(store, cache, keys[path], known[keys[path]])
    store.close()
    prints = {p: np.frombuffer(known[key], np.uint64) for p, key in keys.items() if key in known}
    return prints, unreadable


def keep(store: sqlite3.Connection, cache: Path, key: str, hashes: bytes) -> None:
    """Add a video to the cache; where that has no room, as on a full disk, go on without."""
    try:
        store.execute("insert or replace into seen values (?, ?)", (key, hashes))
        store.commit()
    except sqlite3.Error as error:
        warn_once(f"{cache} cannot be written ({error})")


@lru_cache
def warn_once(fault: str) -> None:
    """Say once that fingerprints are not kept."""
    log.warning("%s: videos are compared all the same, and anew the next time", fault)


def known_prints(cache: Path) -> tuple[sqlite3.Connection, dict[str, bytes]]:
    """Open the cache of fingerprints, made anew where it is damaged; gives what it holds too.

    Raises:
        UserError: it cannot be written.
    """
    file = cache / "fingerprints.sqlite"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        try:
            return read_prints(file)
        except (sqlite3.OperationalError, OSError):  # in use, or a place that cannot be written
            raise
        except sqlite3.DatabaseError as error:
            log.warning("%s is damaged (%s); videos are compared anew", file, error)
            file.unlink()
            return read_prints(file)
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"cannot write the cache {cache} ({error}); set paths.cache") from None


def read_prints(file: Path) -> tuple[sqlite3.Connection, dict[str, bytes]]:
    """Open a cache of fingerprints, and read those that are whole; raises sqlite3.Error."""
    store = sqlite3.connect(file)
    try:
        store.execute("create table if not exists seen (file text primary key, hashes blob)")
        rows = store.execute("select file, hashes from seen").fetchall()
    except sqlite3.Error:
        store.close()
        raise
    return store, {f: h for f, h in rows if isinstance(h, bytes) and len(h) % 8 == 0}


def cache_key(path: str) -> str:
    """Return the name of a state of a file; a missing one has no size."""
    try:
        state = os.stat(path)
    except OSError:
        return legible(path)
    return legible(f"{os.path.abspath(path)} {state.st_size} {state.st_mtime_ns}")
