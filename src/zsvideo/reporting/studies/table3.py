"""Table 3: what each part of the method adds, on UCF101."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from matplotlib.figure import Figure

from zsvideo.reporting.studies.claims import Claim, for_each_target, pairs, top1, verdict
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.study import Study, Trial
from zsvideo.reporting.studies.tables import table_figure, table_rows

title = "Table 3: ablation"
COLUMNS = list(product(("half", "full"), ("top1", "top5")))
AXES = ("method", "pretrain", "clips.test_clips")


def load(top: Path, name: str) -> list[Study]:
    """Read the study; of frozen features only the tests with one clip, as in the paper."""
    study = Study.load(top / name)
    trials = [t for t in study.trials if t.axes["method"] == "e2e" or t.clips in (None, 1)]
    return [replace(study, trials=trials)]


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make a row a set of parts; only on UCF101 where that is tested, as in the paper."""
    return table_rows(studies[0], "table3", COLUMNS, row_name, more_targets=False)


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the top-1 of each row."""
    return table_figure(rows)


def row_name(trial: Trial) -> str:
    """Name the row of a trial by its parts, and by other axes not as usual."""
    return " ".join([parts(trial), *trial.others(AXES)])


def parts(trial: Trial) -> str:
    """Name the parts of the method that a trial has."""
    method, pretrain, clips = (trial.axes[axis] for axis in AXES)
    names = ["clean baseline"] * (method == "baseline" and pretrain == "classify")
    names += ["e2e"] * (method == "e2e") + ["augment"] * (method == "e2e" and pretrain != "none")
    names += ["multi"] * (clips > 1)
    return " + ".join(names) or "none"


def claims(studies: Sequence[Study]) -> list[Claim]:
    """Decide whether each part helps."""
    return for_each_target(studies, ablation)


def ablation(trials: Sequence[Trial], target: str) -> list[Claim]:
    """Compare rows that differ in one part."""
    by_parts: dict[str, list[Trial]] = {}
    for trial in trials:
        by_parts.setdefault(parts(trial), []).append(trial)

    def step(sentence: str, more: str, less: str) -> Claim:
        differences = pairs(by_parts.get(more, []), by_parts.get(less, []), top1(target))
        return verdict(sentence, differences)

    clean = [step("e2e above frozen features that saw no class kept out", "e2e", "clean baseline")]
    return [
        step("e2e above frozen features", "e2e", "none"),
        *clean * ("clean baseline" in by_parts),  # a row that the paper has not
        step("augment helps, one clip", "e2e + augment", "e2e"),
        step("multi helps", "e2e + multi", "e2e"),
        step("augment helps, many clips", "e2e + augment + multi", "e2e + multi"),
    ]
