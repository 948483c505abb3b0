"""Features of a frozen f_v, kept on disk: one pass over the videos, for any number of epochs.

A store is a folder for one network, one kind of clips and one seed; a video in it is known by its
id and by the size and time of its file. It consists of shards, each of some videos that were
extracted together:

    00000.npy        (V, N, F) float32 or float16, zeros where a video has no features
    00000.mask.npy   (V, N) bool, False for a clip with the frames of the one before
    00000.json       id, version of the file, reason why it is unreadable; hashes; written last

Shapes: V videos, B of them, N clips a video, F features.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from zsvideo.data.videos import Video
from zsvideo.locks import lock
from zsvideo.semantics.records import file_hash

log = logging.getLogger(__name__)

FILE = re.compile(r"(\d{5})\.(?:json|npy|mask\.npy)")
Key = tuple[str, str]
"""Id of a video, and the version of its file."""


@dataclass
class Extracted:
    """Features of some videos, in their order.

    Attributes:
        features: (V, N, F), of any content where a video has none.
        mask: (V, N) bool, False for a clip with the frames of the one before.
        reasons: position to the reason why a video has none.
    """

    features: np.ndarray
    mask: np.ndarray
    reasons: dict[int, str]

    def readable(self, keys: list[Key]) -> tuple[list[Key], "Extracted"]:
        """Leave out the videos without features."""
        rows = [row for row in range(len(keys)) if row not in self.reasons]
        return [keys[row] for row in rows], Extracted(self.features[rows], self.mask[rows], {})


class FeatureTable:
    """Features of a list of videos, on disk: row i is the i-th video.

    Attributes:
        reasons: row to the reason why that video has no features.
        readable: (R,) the other rows.
        mask: (V, N) bool, see `Extracted`.
    """

    MAPS: ClassVar[int] = 256  # files that are open at once
    BYTES: ClassVar[int] = 1 << 24  # that are read at once

    def __init__(
        self, folder: Path, places: np.ndarray, mask: np.ndarray, reasons: dict[int, str]
    ) -> None:
        """Take where the features are: (V, 2) number of the shard, and row in it."""
        self.places, self.mask, self.reasons = places, mask, reasons
        self.readable = np.array([i for i in range(len(places)) if i not in reasons], dtype=int)

        @lru_cache(self.MAPS)
        def mapped(shard: int) -> np.ndarray:
            return np.asarray(np.load(folder / f"{shard:05}.npy", mmap_mode="r"))

        self.mapped = mapped

    def __len__(self) -> int:
        return len(self.places)

    def clips(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Read (B, N, F) float32 in time order, and (B, N) bool, False where a clip repeats."""
        features = self.gather(rows, lambda shard, positions, _: shard[positions])
        return torch.from_numpy(features), torch.from_numpy(self.mask[rows])

    def means(self, rows: np.ndarray) -> Tensor:
        """Read the mean over all N clips, in single precision: (B, F) float32."""

        def mean(shard: np.ndarray, positions: np.ndarray, _: np.ndarray) -> np.ndarray:
            clips = torch.from_numpy(np.array(shard[positions]))
            averages: np.ndarray = clips.float().mean(dim=1).numpy()
            return averages

        return torch.from_numpy(self.gather(rows, mean))

    def single(self, rows: np.ndarray, numbers: np.ndarray) -> Tensor:
        """Read one clip a video, by its number (B,) modulo N: (B, F) float32."""
        own = numbers % self.mask.shape[1]
        return torch.from_numpy(
            self.gather(rows, lambda shard, positions, at: shard[positions, own[at]])
        )

    def gather(
        self,
        rows: np.ndarray,
        read: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """Read (B, ...) float32 of rows, shard by shard and not too many at once.

        Args:
            rows: (B,).
            read: gives some of them from their shard (V, N, F), by their positions (b,) in it; the
                third argument is where they are in `rows`, (b,).
        """
        shards, positions = self.places[rows].T
        assert len(rows) and (shards >= 0).all(), "rows without features; see `readable`"
        result: np.ndarray | None = None
        for number in np.unique(shards):
            shard, own = self.mapped(int(number)), np.flatnonzero(shards == number)
            step = max(1, self.BYTES // shard[0].nbytes)
            for at in (own[start : start + step] for start in range(0, len(own), step)):
                part = read(shard, positions[at], at)
                if result is None:
                    result = np.empty((len(rows), *part.shape[1:]), np.float32)
                result[at] = part
        assert result is not None
        return result


@dataclass
class FeatureStore:
    """Features by video, in shards.

    Attributes:
        folder: where they are kept.
        size: videos a shard at most.
        places: of each version of a video, the number of its shard and its row there.
        reasons: of each that was unreadable, why.
        shards: numbers of the sound ones.
    """

    folder: Path
    size: int
    places: dict[Key, tuple[int, int]] = field(default_factory=dict)
    reasons: dict[Key, str] = field(default_factory=dict)
    shards: set[int] = field(default_factory=set)

    VIDEOS: ClassVar[int] = 4096  # a shard at most
    BYTES: ClassVar[int] = 1 << 27

    @staticmethod
    def open(folder: Path, made_by: dict[str, Any], row_bytes: int) -> "FeatureStore":
        """Open the store of what made the features: weights, clips, seed.

        Args:
            folder: of all stores.
            made_by: as plain data.
            row_bytes: of the features of one video.
        """
        text = json.dumps(made_by, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:20]
        size = max(1, min(FeatureStore.VIDEOS, FeatureStore.BYTES // row_bytes))
        store = FeatureStore(folder / key, size)
        store.folder.mkdir(parents=True, exist_ok=True)
        with (store.folder / "made_by.json").open("w") as file:  # for people
            json.dump(made_by, file, indent=1, sort_keys=True)
        store.read()
        return store

    def file(self, shard: int, suffix: str) -> Path:
        """Name a file of a shard."""
        return self.folder / f"{shard:05}{suffix}"

    def read(self, warn: bool = False) -> None:
        """Take in the shards that are new since; warn of damaged ones, which are not."""
        files = (FILE.fullmatch(file.name) for file in self.folder.iterdir())
        numbers = {int(file[1]) for file in files if file}
        damaged = []
        for shard in sorted(numbers - self.shards):
            try:
                index = json.loads(self.file(shard, ".json").read_text())
                hashes, videos = index["sha256"], index["videos"]
                sound = hashes["videos"] == text_hash(videos) and all(
                    hashes[suffix] == file_hash(self.file(shard, suffix))
                    for suffix in (".npy", ".mask.npy")
                )
            except (OSError, ValueError, KeyError, TypeError):
                sound = False
            if sound:
                self.take(shard, videos)
            else:
                damaged.append(shard)
        if damaged and warn:
            log.warning(
                "%s: %d shards are damaged or cut off; their videos are extracted again",
                self.folder,
                len(damaged),
            )

    def take(self, shard: int, videos: list[tuple[str, str, str]]) -> None:
        """Take in the index of a shard."""
        self.shards.add(shard)
        for row, (video, version, reason) in enumerate(videos):
            if reason:
                self.reasons[video, version] = reason
            else:
                self.places[video, version] = (shard, row)

    def missing(self, videos: Sequence[Video]) -> list[Video]:
        """List the videos without features, whatever the reason was, or changed since."""
        return [v for v in videos if (v.id, file_version(v)) not in self.places]

    def fill(
        self,
        videos: Sequence[Video],
        extract: Callable[[list[Video]], Extracted],
        name: str = "a data set",
    ) -> FeatureTable:
        """Extract what is missing, shard by shard, and give the features of all.

        Another process that fills the same store is waited for, and what it wrote is taken. A
        video that was unreadable is tried again, apart from the others: as new ones come in their
        order, an extraction that goes on after a kill gives the shards of an undisturbed one.

        Args:
            videos: of the table, in its order.
            extract: gives the features of some videos.
            name: of their data set, for messages.
        """
        keys = [(video.id, file_version(video)) for video in videos]  # before they are read
        if any(key not in self.places for key in keys):
            with self.locked():
                self.read(warn=True)
                self.extract_missing(dict(zip(keys, videos, strict=True)), extract, name)
        return self.table(keys)

    def extract_missing(
        self, videos: dict[Key, Video], extract: Callable[[list[Video]], Extracted], name: str
    ) -> None:
        """Extract what no shard has; see `fill`."""
        missing = [key for key in videos if key not in self.places]
        if missing:
            log.warning("computing features of %d videos of %s", len(missing), name)
        new = [key for key in missing if key not in self.reasons]
        again = [key for key in missing if key in self.reasons]
        done = 0
        for part in (*self.parts(new), *self.parts(again)):
            done += len(part)
            results = extract([videos[key] for key in part])
            if part[0] in self.reasons:  # nothing is written of those that are so still
                part, results = results.readable(part)
            if part:
                self.write(part, results)
            log.info("features of %s: %d of %d videos", name, done, len(missing))

    def parts(self, keys: list[Key]) -> list[list[Key]]:
        """Divide videos by shards."""
        return [keys[start : start + self.size] for start in range(0, len(keys), self.size)]

    def table(self, keys: Sequence[Key]) -> FeatureTable:
        """Give the features of videos in their order."""
        places = np.array([self.places.get(key, (-1, 0)) for key in keys], int).reshape(-1, 2)
        reasons = {row: self.reasons[key] for row, key in enumerate(keys) if key not in self.places}
        masks = {
            int(n): np.load(self.file(n, ".mask.npy")) for n in np.unique(places[:, 0]) if n >= 0
        }
        count = next(iter(masks.values())).shape[1] if masks else 1
        mask = np.zeros((len(keys), count), bool)
        for shard, own in masks.items():
            at = places[:, 0] == shard
            mask[at] = own[places[at, 1]]
        return FeatureTable(self.folder, places, mask, reasons)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to the store; those that do are waited for."""
        with (self.folder / "lock").open("w") as file:
            if not lock(file, wait=False):
                log.warning("waiting for another process that fills %s", self.folder)
                lock(file)
            yield

    def write(self, keys: Sequence[Key], found: Extracted) -> None:
        """Write a shard, whole or not at all."""
        shard = next(n for n in range(len(self.shards) + 1) if n not in self.shards)
        self.file(shard, ".json").unlink(missing_ok=True)  # of a damaged one
        found.features[list(found.reasons)] = found.mask[list(found.reasons)] = 0
        hashes = {}
        for suffix, array in ((".npy", found.features), (".mask.npy", found.mask)):
            part = self.file(shard, suffix + ".part")
            with part.open("wb") as opened:
                np.save(opened, array)
            hashes[suffix] = file_hash(part)
            part.replace(self.file(shard, suffix))
        videos = [(*key, found.reasons.get(row, "")) for row, key in enumerate(keys)]
        index = {"sha256": hashes | {"videos": text_hash(videos)}, "videos": videos}
        part = self.file(shard, ".json.part")
        part.write_text(json.dumps(index))
        part.replace(self.file(shard, ".json"))
        self.take(shard, videos)


def distinct(frame_indices: np.ndarray) -> np.ndarray:
    """Tell which clips show other frames than the one before: (B, N, T) to (B, N) bool."""
    mask = np.ones(frame_indices.shape[:2], bool)
    mask[:, 1:] = (frame_indices[:, 1:] != frame_indices[:, :-1]).any(axis=2)
    return mask


def file_version(video: Video) -> str:
    """Return what tells a version of a video's file: size and time; empty if it is gone."""
    try:
        stat = os.stat(video.path)  # Path takes three times as long
    except OSError:
        return ""
    window = "" if video.window is None else " {} {}".format(*video.window)
    return f"{stat.st_size} {stat.st_mtime_ns}{window}"


def text_hash(content: Any) -> str:
    """Hash plain data (sha256)."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
