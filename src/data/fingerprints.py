"""Find the same video on both sides of a zero-shot test: by id, by bytes, by content (Sec. 3.3).

Content is compared by a perceptual hash ten times a second (pHash, 64 bits), so that re-encoding,
resizing, another frame rate and a trim make no difference; pairs found so are decoded again and
compared as small pictures. Two shots of one scene by a fixed camera count as the same. A mirrored,
cropped, recoloured or much brighter copy is not found.

Shapes: T sampled frames.
"""

import csv
import hashlib
import os
import re
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import imagehash
import numpy as np
from PIL import Image
from rich.progress import track

from src.data.decoding.faults import UnreadableVideo
from src.data.decoding.limits import within
from src.data.layouts import VIDEO_FILES, existing_root, files_below
from src.errors import UserError

STEP = 0.1  # seconds between sampled frames
NEAR = 10  # of 64 bits that may differ between frames of one video
FLAT = 4.0  # standard deviation of grey levels below which a frame tells nothing
HINTS = 2  # near frames that make two videos a pair to look at
ALIKE, LEVELS = 0.9, 8.0  # correlation and mean difference of small pictures of one moment
LEAST, SHARE = 3, 0.3  # moments in the same order, and their share of the shorter video
BANDS = 4  # of 16 bits; frames are compared if one band is equal
CHUNK = 50_000  # frames compared at a time

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
            file with a column `path` (relative to the file's folder) and perhaps `id`.
        targets: roots by their config keys.
        cache: folder that keeps fingerprints, so that an interrupted comparison goes on.

    Returns:
        `compared` (files of `source` and of `targets`), `pairs` (each with `source`, `target` and
        `evidence`), and `unreadable` (path to reason).

    Raises:
        UserError: a root or manifest cannot be used.
    """
    ours = {p: i for option, root in source.items() for p, i in list_videos(root, option)}
    theirs = {p: i for option, root in targets.items() for p, i in list_videos(root, option)}
    evidence: dict[tuple[str, str], list[str]] = defaultdict(list)
    for pair, key in joined({p: video_id(p, i) for p, i in ours.items()},
                            {p: video_id(p, i) for p, i in theirs.items()}):  # fmt: skip
        evidence[pair].append(f"same id {key}")
    for pair, _ in joined(*hash_equal_sizes(ours, theirs)):
        evidence[pair].append("same bytes")
    prints, unreadable = fingerprints([*ours, *theirs], cache)
    for pair, share in same_content({p: prints[p] for p in ours if p in prints},
                                    {p: prints[p] for p in theirs if p in prints}):  # fmt: skip
        evidence[pair].append(f"same content, {100 * share:.0f} % of the shorter one")
    return {
        "compared": {"source": len(ours), "targets": len(theirs)},
        "pairs": [{"source": a, "target": b, "evidence": e}
                  for (a, b), e in sorted(evidence.items())],
        "unreadable": unreadable,
    }  # fmt: skip


def list_videos(root: str, option: str) -> Iterator[tuple[str, str]]:
    """List the paths of the videos of a folder or a manifest, each with its id, empty if unknown.

    Raises:
        UserError: there is nothing, or the manifest has no column `path`.
    """
    place = Path(root).expanduser()
    if not place.is_file():
        place = existing_root(place, "a folder of videos or a manifest", option, "give one")
        yield from ((str(file), "") for file in files_below(place))
        return
    try:
        with place.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error):
        rows = []
    if not rows or "path" not in rows[0]:
        raise UserError(
            f"{option}={root} is no manifest: a CSV file with a column `path`; give one, or a "
            "folder of videos"
        )
    for number, row in enumerate(rows, 2):
        if not row["path"] or "\0" in row["path"]:
            raise UserError(f"{option}={root}: line {number} names no path; mend or remove it")
        yield str(place.parent / row["path"]), row.get("id") or ""


def video_id(path: str, told: str) -> str:
    """Tell from a file name, or from a manifest's id, which published video a file is."""
    stem, suffix = os.path.splitext(told.rsplit("/", 1)[-1])
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
        digests = {}
        for path in (p for p, size in side.items() if size in common):
            with open(path, "rb") as file:
                digests[path] = hashlib.file_digest(file, "sha256").hexdigest()
        hashed.append(digests)
    return hashed[0], hashed[1]


def file_size(path: str) -> int:
    """Give the size of a file in bytes; 0 if it cannot be read."""
    return os.path.getsize(path) if os.access(path, os.R_OK) else 0


def fingerprints(paths: Sequence[str], cache: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Hash the frames of videos (T,) uint64, on all cores; what is in the cache is not redone.

    Returns:
        The hashes by path, and the reason for each path that cannot be decoded.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True)
        store = sqlite3.connect(cache / "fingerprints.sqlite")
        store.execute("create table if not exists seen (file text primary key, hashes blob)")
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"cannot write the cache {cache} ({error}); set paths.cache") from None
    keys = {path: cache_key(path) for path in dict.fromkeys(paths)}
    known = dict(store.execute("select file, hashes from seen"))
    new = [path for path, key in keys.items() if key not in known]
    unreadable = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        results = zip(new, pool.map(fingerprint, new, chunksize=4), strict=True)
        for path, result in track(results, "videos", len(new), disable=not new):
            if isinstance(result, str):
                unreadable[path] = result
            else:
                known[keys[path]] = result.tobytes()
                store.execute("insert or replace into seen values (?, ?)",
                              (keys[path], known[keys[path]]))  # fmt: skip
                store.commit()
    store.close()
    prints = {p: np.frombuffer(known[key], np.uint64) for p, key in keys.items() if key in known}
    return prints, unreadable


def cache_key(path: str) -> str:
    """Name a state of a file; a missing one has no size."""
    try:
        state = os.stat(path)
    except OSError:
        return path
    return f"{os.path.abspath(path)} {state.st_size} {state.st_mtime_ns}"


def fingerprint(path: str) -> np.ndarray | str:
    """Hash the sampled frames of a video, without flat ones (T,) uint64; or say why not."""
    hashes = []
    try:
        for picture in sampled(path):
            if np.asarray(picture.convert("L")).std() >= FLAT:
                hashes.append(int(str(imagehash.phash(picture)), 16))
    except UnreadableVideo as error:
        return str(error)
    except (av.FFmpegError, OSError, ValueError) as error:
        if not hashes:
            return str(error) or type(error).__name__
    return np.array(hashes, np.uint64)


def sampled(path: str) -> Iterator[Image.Image]:
    """Decode a frame each `STEP` seconds, upright, as pictures of 64 x 64."""
    with av.open(path, metadata_errors="ignore") as container:
        due = -np.inf
        stream = container.streams.best("video")
        if not isinstance(stream, av.VideoStream):
            raise UnreadableVideo("no video stream")
        for number, frame in enumerate(container.decode(stream)):
            time = number * STEP if frame.time is None else frame.time
            if time >= due:
                due = time + STEP - 1e-3
                small = frame.reformat(64, 64, "rgb24", interpolation="AREA").to_ndarray()
                yield Image.fromarray(np.rot90(small, frame.rotation // 90))


def same_content(
    ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]
) -> Iterator[tuple[tuple[str, str], float]]:
    """Pair the videos with the same content.

    Yields:
        The paths, and the share of the shorter video that is found in the other one, in order.
    """
    names = list(ours), list(theirs)
    for a, b in candidates(list(ours.values()), list(theirs.values())):
        short, long = sorted((small_pictures(names[0][a]), small_pictures(names[1][b])), key=len)
        found = common(short, long)
        if found >= LEAST and found >= SHARE * len(short):
            yield (names[0][a], names[1][b]), found / len(short)


def candidates(
    ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> Iterator[tuple[int, int]]:
    """Find pairs of videos (numbers) in which at least `HINTS` frames have a near one."""
    if not ours or not theirs:
        return
    sides = [[np.unique(h, return_counts=True) for h in side] for side in (ours, theirs)]
    left, right = (np.concatenate([h for h, _ in side]) for side in sides)
    owner = [np.repeat(np.arange(len(side)), [len(h) for h, _ in side]) for side in sides]
    times = np.concatenate([counts for _, counts in sides[0]])
    hits: dict[tuple[int, int], set[int]] = defaultdict(set)
    for band in range(BANDS):
        shift, mask = np.uint64(16 * band), np.uint64(0xFFFF)
        keys = (right >> shift) & mask
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for start in range(0, len(left), CHUNK):
            part = left[start : start + CHUNK]
            wanted = (part >> shift) & mask
            first = np.searchsorted(keys, wanted, "left")
            counts = np.searchsorted(keys, wanted, "right") - first
            mine = np.repeat(np.arange(len(part)), counts)
            offset = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            other = order[np.repeat(first, counts) + offset]
            near = np.bitwise_count(part[mine] ^ right[other]) <= NEAR
            for i, j in zip((mine[near] + start).tolist(), other[near].tolist(), strict=True):
                hits[(int(owner[0][i]), int(owner[1][j]))].add(i)
    yield from sorted(pair for pair, frames in hits.items() if times[list(frames)].sum() >= HINTS)


def common(short: np.ndarray, long: np.ndarray) -> int:
    """Count the moments of one video that occur in another, in the same order.

    Args:
        short: small pictures (T, 768) float32.
        long: those of the other video.
    """
    units = []
    for pictures in (short, long):
        centred = pictures - pictures.mean(axis=1, keepdims=True)
        units.append(centred / np.linalg.norm(centred, axis=1, keepdims=True))
    best = np.zeros(len(long) + 1, int)  # moments found among the first n of the other video
    for picture, unit in zip(short, units[0], strict=True):
        same = (units[1] @ unit >= ALIKE) & (np.abs(long - picture).mean(axis=1) <= LEVELS)
        best[1:] = np.maximum(best[1:], best[:-1] + same)
        best = np.maximum.accumulate(best)
    return int(best[-1])


@lru_cache(maxsize=64)
def small_pictures(path: str) -> np.ndarray:
    """Decode the sampled frames that are not flat, 16 x 16 x 3, as rows (T, 768) float32."""
    pictures = []
    try:
        for picture in sampled(path):
            if np.asarray(picture.convert("L")).std() >= FLAT:
                small = picture.resize((16, 16), Image.Resampling.BOX)
                pictures.append(np.asarray(small, np.float32).ravel())
    except (av.FFmpegError, OSError, ValueError):
        pass  # a damaged end; `fingerprint` stopped there too
    return np.reshape(np.array(pictures, np.float32), (-1, 768))
