"""Samples that have features in place of frames, from those that are kept."""

from itertools import chain
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from zsvideo.data.clips import Clips
from zsvideo.data.features import FeatureTable


class FeatureClips(Dataset[dict[str, Any]]):
    """Samples as those of `Clips`, with `features` (F,) in place of frames.

    Epoch e takes the clip e modulo N of a video in training; a test takes the mean of all.
    """

    def __init__(self, clips: Clips, table: FeatureTable) -> None:
        """Join clips with the features of their videos."""
        assert len(clips) == len(table)
        self.clips, self.table = clips, table

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, Any]:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: list[tuple[int, int]]) -> list[dict[str, Any]]:
        samples = [self.about(*key) for key in keys]
        taken = [
            (s["index"], epoch) for s, (epoch, _) in zip(samples, keys, strict=True) if s["ok"]
        ]
        if taken:
            rows, epochs = np.array(taken).T
            train = self.clips.train
            features = self.table.single(rows, epochs) if train else self.table.means(rows)
            for sample, row in zip((s for s in samples if s["ok"]), features, strict=True):
                sample["features"] = row
        return samples

    def about(self, epoch: int, index: int) -> dict[str, Any]:
        """Give a sample without its features; another video replaces one that has none."""
        unreadable: list[tuple[str, str]] = []
        for other in chain([index], self.clips.others(epoch, index)):
            if (reason := self.table.reasons.get(other)) is None:
                return self.clips.about(other, unreadable)
            unreadable.append((self.clips.videos[other].id, reason))
        return {"ok": False, "unreadable": unreadable}
