"""Features of a frozen f_v, kept on disk: one pass over the videos, for any number of epochs.

A store is one file for one network, one kind of clips and one seed; a video in it is known by its
id and by the size and time of its file. Shapes: V videos, K clips, F features.
"""

import hashlib
import io
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch.utils.data import Dataset

from zsvideo.data.clips import Clips
from zsvideo.data.layouts import Video


@dataclass
class FeatureStore:
    """Features by video.

    Attributes:
        file: where they are kept.
        rows: id to its `print`, and its (K, F) float32 features or the reason why it has none.
    """

    file: Path
    rows: dict[str, tuple[str, np.ndarray | str]] = field(default_factory=dict)

    @staticmethod
    def open(folder: Path, made_by: dict[str, Any]) -> "FeatureStore":
        """Open the store of what made the features: weights, clips, seed; new where damaged."""
        key = hashlib.sha256(json.dumps(made_by, sort_keys=True).encode()).hexdigest()[:20]
        store = FeatureStore(folder / f"features-{key}.npz")
        try:
            with np.load(store.file) as saved:
                notes, features = json.loads(str(saved["notes"])), saved["features"]
                checksum = str(saved["sha256"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return store
        if checksum == store_hash(notes, features):
            rows = iter(features)
            for video, (seen, reason) in notes.items():
                store.rows[video] = (seen, reason or next(rows))
        return store

    def missing(self, videos: Sequence[Video]) -> list[Video]:
        """List the videos without features, whatever the reason was, or changed since."""
        none = ("", "")
        return [
            video
            for video in videos
            for seen, row in [self.rows.get(video.id, none)]
            if isinstance(row, str) or seen != file_version(video)
        ]

    def add(self, videos: Sequence[Video], results: dict[str, np.ndarray | str]) -> None:
        """Take in features (K, F), or reasons, by id; write the store, whole or not at all."""
        for video in videos:
            self.rows[video.id] = (file_version(video), results[video.id])
        notes = {
            video: (seen, row if isinstance(row, str) else "")
            for video, (seen, row) in self.rows.items()
        }
        arrays = [row for _, row in self.rows.values() if not isinstance(row, str)]
        features = np.stack(arrays) if arrays else np.zeros((0, 1, 1), np.float32)
        content = io.BytesIO()
        np.savez(
            content,
            notes=np.array(json.dumps(notes)),
            features=features,
            sha256=np.array(store_hash(notes, features)),
        )
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(f".{os.getpid()}.part")  # runs of a sweep share the store
        part.write_bytes(content.getbuffer())
        part.replace(self.file)


class FeatureClips(Dataset[dict[str, Any]]):
    """Samples as those of `Clips`, with `features` (F,) in place of frames.

    Epoch e takes the clip e modulo K of a video.
    """

    def __init__(self, clips: Clips, store: FeatureStore) -> None:
        """Read the features of all videos of `clips` from the store."""
        self.clips = clips
        rows = [store.rows[video.id][1] for video in clips.videos]
        self.reasons = {i: row for i, row in enumerate(rows) if isinstance(row, str)}
        arrays = [row for row in rows if not isinstance(row, str)]
        self.rows = np.cumsum([not isinstance(row, str) for row in rows]) - 1
        self.features = torch.from_numpy(np.stack(arrays)) if arrays else torch.zeros(0, 1, 1)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        epoch, index = key
        unreadable: list[tuple[str, str]] = []
        for other in chain([index], self.clips.others(epoch, index)):
            if other not in self.reasons:
                row = self.features[self.rows[other]]
                return {"features": row[epoch % len(row)]} | self.clips.about(other, unreadable)
            unreadable.append((self.clips.videos[other].id, self.reasons[other]))
        return {"ok": False, "unreadable": unreadable}


def file_version(video: Video) -> str:
    """Return what tells a version of a video's file: size and time; empty if it is gone."""
    try:
        stat = Path(video.path).stat()
    except OSError:
        return ""
    return json.dumps([stat.st_size, stat.st_mtime_ns, video.window])


def store_hash(notes: dict[str, Any], features: np.ndarray) -> str:
    """Hash what a store holds (sha256)."""
    digest = hashlib.sha256(json.dumps(notes).encode())
    digest.update(np.ascontiguousarray(features).data)
    return digest.hexdigest()
