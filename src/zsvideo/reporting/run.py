"""Read a run folder: what every table, figure and panel starts from."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zsvideo.errors import UserError
from zsvideo.evaluation.diagnosis import diagnose
from zsvideo.evaluation.integrity import Check, check_run, read_target
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.record import RunRecord, read_record
from zsvideo.semantics.caches import UNREADABLE


@dataclass(frozen=True)
class Run:
    """A finished run folder."""

    folder: Path
    loaded: dict[str, Predictions] = field(default_factory=dict, compare=False, repr=False)
    diagnoses: dict[str, dict[str, Any]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def record(self) -> RunRecord:
        """What the run wrote down; raises UserError if the folder holds no finished run."""
        return read_record(self.folder)

    @property
    def targets(self) -> list[str]:
        """Names of the targets tested."""
        return list(self.record.targets)

    def predictions(self, target: str) -> Predictions:
        """Load the saved predictions of a target; raises UserError if they were changed."""
        if target not in self.loaded:
            self.loaded[target] = read_target(self.folder, target, self.record)
        return self.loaded[target]

    def check(self, with_intervals: bool = True) -> Check:
        """Compare the numbers of the record with the predictions; see `check_run`."""
        return check_run(self.folder, self.record, self.predictions, with_intervals)

    def diagnosis(self, target: str) -> dict[str, Any]:
        """Say what is behind the accuracy on a target, from its predictions; see `diagnose`."""
        if target not in self.diagnoses:
            self.diagnoses[target] = diagnose(self.predictions(target))
        return self.diagnoses[target]

    def samples(self, target: str) -> list[tuple[np.ndarray, str, str]]:
        """List some test clips (T, H, W, C) uint8 with their true and their predicted class.

        Raises:
            UserError: their file is damaged.
        """
        file = self.folder / "samples" / f"{target}.npz"
        if not file.is_file():
            return []
        predictions = self.predictions(target)
        rows = {video: row for row, video in enumerate(predictions.ids)}
        nearest = predictions.nearest()
        names = predictions.class_names
        try:
            with np.load(file) as samples:
                return [
                    (clip, str(names[predictions.labels[rows[v]]]), str(names[nearest[rows[v]]]))
                    for v, clip in zip(samples["ids"], samples["clips"], strict=True)
                ]
        except UNREADABLE as error:
            raise UserError(
                f"{file} is damaged ({error}); remove it, it only serves pictures"
            ) from None

    def per_class(self, target: str) -> list[tuple[str, int, float]]:
        """List each class with its number of videos and its top-1 (percent), best first."""
        rows = [
            (row["class"], row["videos"], row["top1"])
            for row in self.diagnosis(target)["per_class"]
            if row["videos"]
        ]
        return sorted(rows, key=lambda row: (-row[2], row[0]))

    def confusions(self, target: str, most: int = 100) -> list[tuple[str, str, int]]:
        """List the pairs of a class and the one it is taken for, most videos first."""
        predictions = self.predictions(target)
        nearest = predictions.nearest()
        wrong = nearest != predictions.labels
        names = predictions.class_names
        pairs = Counter(zip(predictions.labels[wrong], nearest[wrong], strict=True))
        listed = [(str(names[a]), str(names[b]), n) for (a, b), n in pairs.items()]
        return sorted(listed, key=lambda row: (-row[2], row))[:most]
