"""Read a study: the jobs that a sweep listed, with what their run folders hold.

A run folder is all that is read; a job without `metrics.json` is missing, and shown as missing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import Check
from zsvideo.reporting.run import Run

REPEATS = ("seed",)  # axes over which a mean is taken


@dataclass(frozen=True)
class Job:
    """One run of a study.

    Attributes:
        axes: what it was given.
        folder: its run folder.
        sha256: of what it computes.
    """

    axes: Mapping[str, Any]
    folder: Path
    sha256: str

    @cached_property
    def check(self) -> Check | None:
        """How the numbers of its run agree with its predictions; None where it is missing."""
        if not (self.folder / "metrics.json").is_file():
            return None
        return Run(self.folder).check(with_intervals=False)  # a study shows none

    @cached_property
    def run(self) -> Run | None:
        """Its finished run; None where it is missing, or was changed."""
        return Run(self.folder) if self.check and not self.check.changed else None

    @property
    def changed(self) -> bool:
        """Whether its record does not agree with its predictions."""
        return bool(self.check and self.check.changed)

    @property
    def failure(self) -> str:
        """Why it is missing, as far as is known."""
        if self.check:
            return f"changed: {'; '.join(self.check.changed)}"
        file = self.folder / "error.txt"
        if file.is_file():
            return file.read_text(encoding="utf-8").split("\n", 1)[0]
        return "stopped or running" if self.folder.is_dir() else "not started"

    def score(self, target: str, evaluation: str, measure: str) -> float | None:
        """Give an accuracy in percent, a mean where the evaluation has draws."""
        numbers = self.run and self.run.metrics["targets"].get(target, {}).get(evaluation)
        if not numbers:
            return None
        value = numbers.get(measure, numbers.get(f"{measure}_mean"))
        return None if value is None else float(value)

    def curve(self, target: str) -> list[dict[str, Any]]:
        """Give the points of Fig. 7: `threshold`, `classes` beyond it, and their `top1`."""
        if not self.run:
            return []
        numbers = self.run.metrics["targets"].get(target, {})
        curve: list[dict[str, Any]] = numbers.get("distance", {}).get("curve", [])
        return curve

    @property
    def subset(self) -> Mapping[str, Any]:
        """What was trained on: `classes`, `videos`, `diversity` and how they were drawn."""
        return self.run.protocol["subset"] if self.run else {}


@dataclass(frozen=True)
class Study:
    """A study and its jobs.

    Attributes:
        folder: where its list of jobs lies and its report goes.
        name: as in `experiments/`.
        scale: `full` or `demo`.
        jobs: all that were asked for.
    """

    folder: Path
    name: str
    scale: str
    jobs: Sequence[Job]

    @staticmethod
    def load(folder: Path) -> "Study":
        """Read `jobs.json`; raises UserError where no sweep left one.

        Sweeps before version 0.2 called it `cells.json`.
        """
        file = folder / "jobs.json"
        if not file.is_file() and (folder / "cells.json").is_file():
            file = folder / "cells.json"
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError(
                f"no study at {folder}; run it first: python -m src.train -m "
                f"experiments={folder.name} scale={folder.parent.name}"
            ) from None
        jobs = [
            Job(entry["axes"], folder / entry["folder"], entry["sha256"])
            for entry in content[file.stem]
        ]
        return Study(folder, content["study"]["name"], folder.parent.name, jobs)

    @property
    def targets(self) -> list[str]:
        """Names of the targets tested, in the order of the runs."""
        found = [t for job in self.jobs if job.run for t in job.run.targets]
        return list(dict.fromkeys(found))

    @property
    def missing(self) -> list[Job]:
        """The jobs without a result."""
        return [job for job in self.jobs if not job.run]

    def groups(self, key: Callable[[Job], Any]) -> dict[Any, list[Job]]:
        """Put the jobs with the same key together, in the order of the study."""
        found: dict[Any, list[Job]] = {}
        for job in self.jobs:
            found.setdefault(key(job), []).append(job)
        return found


@dataclass(frozen=True)
class Spread:
    """A mean over repeats.

    Attributes:
        mean: of the values there are; None without one.
        half: half the width of the 95 % interval of the mean, by Student's t; None for one value.
        count: values there are.
        asked: values there should be.
    """

    mean: float | None
    half: float | None
    count: int
    asked: int

    def __str__(self) -> str:
        if self.mean is None:
            return "missing"
        digits = 1 if abs(self.mean) >= 1 else 2  # a distance, not percent
        half = "" if self.half is None else f" ± {self.half:.{digits}f}"
        text = f"{self.mean:.{digits}f}{half}"
        return text if self.count == self.asked else f"{text} ({self.count} of {self.asked})"


def spread(values: Sequence[float | None]) -> Spread:
    """Average repeats, of which some may be missing."""
    there = [value for value in values if value is not None]
    if not there:
        return Spread(None, None, 0, len(values))
    half = None
    if len(there) > 1:
        error = float(np.std(there, ddof=1)) / len(there) ** 0.5
        half = float(stats.t.ppf(0.975, len(there) - 1)) * error
    return Spread(float(np.mean(there)), half, len(there), len(values))
