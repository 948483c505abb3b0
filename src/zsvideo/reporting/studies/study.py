"""Read a study: the jobs that a sweep listed, with what their run folders hold.

A run folder is all that is read; a job without `metrics.json` is missing, and shown as missing.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.limits import within
from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import Check
from zsvideo.evaluation.record import SUMS, Numbers, write_text
from zsvideo.reporting.run import Run
from zsvideo.resources import CONF
from zsvideo.semantics.records import Subset, lines_hash
from zsvideo.usage import typed_option

REPEATS = ("seed",)  # axes over which a mean is taken
CHECKED = "checked.json"  # in the folder of a study: its runs that were found whole
MANY, LIMIT = 16, 600.0  # runs for which processes are worth their start; seconds of a run
WHOLE = Check()
USUAL = {"method": "e2e", "head": "linear", "pretrain": "none"}


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its finished run, or why there is none.

    Attributes:
        folder: of the run.
        check: how the numbers of the run agree with its predictions; None where it is missing.
    """

    folder: Path
    check: Check | None

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
            jobs = [(dict(j["axes"]), folder / j["folder"]) for j in content[file.stem]]
            name = str(content["study"]["name"])
        except (OSError, ValueError, TypeError, KeyError):
            scale = folder.parent.name
            known = (CONF / "scale" / f"{scale}.yaml").is_file()
            place = "" if known else f" {typed_option('hydra.sweep.dir', folder.parent)}"
            raise UserError(
                f"no study at {folder}, or its {file.name} is damaged; run: python -m src.train -m "
                f"experiments={folder.name} scale={scale if known else 'SCALE'}{place}"
            ) from None
        runs = [run for _, run in jobs]
        outcomes = list(map(Outcome, runs, checked(runs, folder / CHECKED)))
        trials = [
            trial
            for (axes, _), outcome in zip(jobs, outcomes, strict=True)
            for trial in trials_of(axes, outcome)
            if not outcome.transductive  # never beside inductive ones; `remarks` names them
        ]
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


def checked(runs: Sequence[Path], notes: Path) -> list[Check | None]:
    """Check the finished runs among some, on all cores; None for the others.

    Those that were found whole are noted, and known as long as their files stay as they are.

    Args:
        runs: folders.
        notes: the file of these notes.
    """
    try:
        known = dict(json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    names = [os.path.relpath(run, notes.parent) for run in runs]
    states = [state(run) for run in runs]
    new = [n for n, name in enumerate(names) if states[n] and known.get(name) != states[n]]
    results = dict(zip(new, check_each([runs[n] for n in new]), strict=True))
    whole = {names[n]: states[n] for n in range(len(runs)) if results.get(n, WHOLE) == WHOLE}
    if new:
        content = {name: noted for name, noted in whole.items() if noted}
        with suppress(OSError):  # where nothing can be written all are checked again
            write_text(notes, json.dumps(content, indent=0))
    return [results.get(n, WHOLE) if states[n] else None for n in range(len(runs))]


def state(run: Path) -> str:
    """Say which files a finished run has, and when they last changed; empty for any other."""
    if not (run / "metrics.json").is_file():
        return ""
    own = ("metrics.json", "protocol.json", SUMS)
    files = [run / name for name in own if (run / name).is_file()]
    lines = []
    for file in [*files, *sorted(run.glob("predictions/*.npz"))]:
        about = file.stat()
        lines.append(f"{file.name} {about.st_ino} {about.st_size} {about.st_ctime_ns}")
    return lines_hash(lines)


def check_each(runs: Sequence[Path]) -> Iterator[Check]:
    """Check finished runs; many of them in other processes."""
    if len(runs) < MANY:
        yield from map(check, runs)
        return
    for result in within(LIMIT, check, [(run,) for run in runs], os.cpu_count() or 1):
        yield Check((str(result),)) if isinstance(result, UnreadableVideoError) else result


def check(run: Path) -> Check:
    """Compare the numbers of a finished run with its predictions."""
    try:
        return Run(run).check(with_intervals=False)  # a study shows none
    except UserError as error:
        return Check((str(error),))


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
