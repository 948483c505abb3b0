"""Read a run folder: what every table, figure and panel starts from."""

import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import Check, check_run, read_target
from zsvideo.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Run:
    """A finished run folder."""

    folder: Path
    loaded: dict[str, Predictions] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds.

        Raises:
            UserError: the folder holds no finished run.
        """
        return self.read("metrics.json")

    @cached_property
    def protocol(self) -> dict[str, Any]:
        """What `protocol.json` holds; raises UserError like `metrics`."""
        return self.read("protocol.json")

    def read(self, name: str) -> dict[str, Any]:
        """Read one of the folder's JSON files."""
        try:
            content: dict[str, Any] = json.loads((self.folder / name).read_text())
            return content
        except (OSError, ValueError):
            raise UserError(
                f"{self.folder} (run) holds no finished run: {name} is not there or damaged; give "
                "a folder under runs/ or multirun/"
            ) from None

    @property
    def targets(self) -> list[str]:
        """Names of the targets tested."""
        return list(self.metrics["targets"])

    def predictions(self, target: str) -> Predictions:
        """Load the saved predictions of a target; raises UserError if they were changed."""
        if target not in self.loaded:
            self.loaded[target] = read_target(self.folder, target, self.metrics, self.protocol)
        return self.loaded[target]

    def check(self, with_intervals: bool = True) -> Check:
        """Compare the numbers of the record with the predictions; see `check_run`."""
        return check_run(self.folder, self.metrics, self.protocol, with_intervals)

    def samples(self, target: str) -> list[tuple[np.ndarray, str, str]]:
        """List some test clips (T, H, W, C) uint8 with their true and their predicted class."""
        file = self.folder / "samples" / f"{target}.npz"
        if not file.is_file():
            return []
        predictions = self.predictions(target)
        rows = {video: row for row, video in enumerate(predictions.ids)}
        nearest = predictions.nearest()
        names = predictions.class_names
        with np.load(file) as samples:
            return [
                (clip, str(names[predictions.labels[rows[v]]]), str(names[nearest[rows[v]]]))
                for v, clip in zip(samples["ids"], samples["clips"], strict=True)
            ]

    def per_class(self, target: str) -> list[tuple[str, int, float]]:
        """List each class with its number of videos and its top-1 (percent), best first."""
        predictions = self.predictions(target)
        right = predictions.nearest() == predictions.labels
        rows = [
            (str(name), int(own.sum()), 100.0 * float(right[own].mean()))
            for label, name in enumerate(predictions.class_names)
            if (own := predictions.labels == label).any()
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
