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
from zsvideo.evaluation.record import Numbers
from zsvideo.reporting.run import Run
from zsvideo.semantics.records import Subset

REPEATS = ("seed",)  # axes over which a mean is taken
USUAL = {"method": "e2e", "head": "linear", "pretrain": "none"}


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its finished run, or why there is none.

    Attributes:
        folder: of the run.
    """

    folder: Path

    @cached_property
    def check(self) -> Check | None:
        """How the numbers of its run agree with its predictions; None where it is missing."""
        if not (self.folder / "metrics.json").is_file():
            return None
        try:
            return Run(self.folder).check(with_intervals=False)  # a study shows none
        except UserError as error:
            return Check((str(error),))

    @cached_property
    def run(self) -> Run | None:
        """Its finished run; None where it is missing, or was changed."""
        return Run(self.folder) if self.check and not self.check.changed else None

    @property
    def changed(self) -> bool:
        """Whether its record does not agree with its predictions."""
        return bool(self.check and self.check.changed)

    @property
    def transductive(self) -> bool:
        """Whether videos of the targets were used in its training."""
        return bool(self.run and self.run.record.transductive)

    @property
    def failure(self) -> str:
        """Why it is missing, as far as is known."""
        if self.check:
            return f"changed: {'; '.join(self.check.changed)}"
        file = self.folder / "error.txt"
        if file.is_file():
            return file.read_text(encoding="utf-8").split("\n", 1)[0]
        return "stopped or running" if self.folder.is_dir() else "not started"


@dataclass(frozen=True)
class Trial:
    """A network of a study, tested with one number of clips.

    Attributes:
        axes: the options that tell it from others; `clips.test_clips` is one number.
        outcome: of the job that trained and tested it, perhaps with other numbers of clips too.
        clips: that number, where the job has several.
    """

    axes: Mapping[str, Any]
    outcome: Outcome
    clips: int | None = None

    @property
    def run(self) -> Run | None:
        """Its finished run; None where it is missing, or was changed."""
        return self.outcome.run

    def numbers(self, target: str, evaluation: str) -> Numbers | None:
        """Return what an evaluation gives for a target; None where it was not tested so."""
        tested = self.run.record.targets if self.run else {}
        for name, entry in tested.items():
            tests = (name, None) if self.clips is None else (entry.target, entry.test_clips)
            if tests == (target, self.clips):
                return entry.evaluations.get(evaluation)
        return None

    def score(self, target: str, evaluation: str, measure: str) -> float | None:
        """Return an accuracy in percent, a mean where the evaluation has draws."""
        numbers = self.numbers(target, evaluation)
        return numbers.accuracy(measure) if numbers else None

    def error(self, target: str) -> float | None:
        """Return the top-1 error in percent over all classes of a target."""
        value = self.score(target, "full", "top1")
        return None if value is None else 100 - value

    @property
    def subset(self) -> Subset:
        """What was trained on."""
        return (self.run and self.run.record.protocol.subset) or Subset()

    def others(self, known: Sequence[str]) -> list[str]:
        """List its axes, beyond those known and the repeats, that are not as usual."""
        return [
            f"{axis.split('.')[-1]}={value}"
            for axis, value in self.axes.items()
            if axis not in (*known, *REPEATS) and USUAL.get(axis) != value
        ]


@dataclass(frozen=True)
class Study:
    """A study: its jobs, and the trials that they make.

    Attributes:
        folder: where its list of jobs lies and its report goes.
        name: as in `experiments/`.
        scale: `full` or `demo`.
        outcomes: of all jobs that were asked for.
        trials: of these jobs.
    """

    folder: Path
    name: str
    scale: str
    outcomes: Sequence[Outcome]
    trials: Sequence[Trial]

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
            jobs = [(dict(j["axes"]), Outcome(folder / j["folder"])) for j in content[file.stem]]
            name = str(content["study"]["name"])
        except (OSError, ValueError, TypeError, KeyError):
            raise UserError(
                f"no study at {folder}, or its {file.name} is damaged; run: python -m src.train -m "
                f"experiments={folder.name} scale={folder.parent.name}"
            ) from None
        trials = [
            trial
            for axes, outcome in jobs
            for trial in trials_of(axes, outcome)
            if not outcome.transductive  # never beside inductive ones; `remarks` names them
        ]
        outcomes = [outcome for _, outcome in jobs]
        return Study(folder, name, folder.parent.name, outcomes, trials)

    @property
    def targets(self) -> list[str]:
        """Names of the targets tested, in the order of the runs."""
        records = [outcome.run.record for outcome in self.outcomes if outcome.run]
        names = (entry.target or name for r in records for name, entry in r.targets.items())
        return list(dict.fromkeys(names))

    @property
    def missing(self) -> list[Outcome]:
        """The jobs without a result."""
        return [outcome for outcome in self.outcomes if not outcome.run]

    def groups(self, key: Callable[[Trial], Any]) -> dict[Any, list[Trial]]:
        """Put the trials with the same key together, in the order of the study."""
        groups: dict[Any, list[Trial]] = {}
        for trial in self.trials:
            groups.setdefault(key(trial), []).append(trial)
        return groups


def trials_of(axes: Mapping[str, Any], outcome: Outcome) -> list[Trial]:
    """List the trials of a job: one for each number of test clips."""
    counts = axes.get("clips.test_clips")
    if not isinstance(counts, list):
        return [Trial(axes, outcome)]
    return [Trial({**axes, "clips.test_clips": count}, outcome, count) for count in counts]


def load_studies(top: Path, first: str, *more: str) -> list[Study]:
    """Read a study of a scale, and more of them where they have been run."""
    names = [first, *(name for name in more if (top / name / "jobs.json").is_file())]
    return [Study.load(top / name) for name in names]


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
    numbers = [value for value in values if value is not None]
    if not numbers:
        return Spread(None, None, 0, len(values))
    half = None
    if len(numbers) > 1:
        error = float(np.std(numbers, ddof=1)) / len(numbers) ** 0.5
        half = float(stats.t.ppf(0.975, len(numbers) - 1)) * error
    return Spread(float(np.mean(numbers)), half, len(numbers), len(values))
