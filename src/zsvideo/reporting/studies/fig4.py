"""Fig. 4: many classes with few videos each, against few classes with many.

Two studies, `fig4_classes` and `fig4_samples`, make one figure.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zsvideo.reporting.studies.claims import (
    Claim,
    Score,
    for_each_target,
    pairs,
    top1,
    verdict,
    where,
)
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.sizes import size_rows
from zsvideo.reporting.studies.study import Study, Trial, load_studies
from zsvideo.reporting.studies.style import curves

title = "Fig. 4: number of training classes against number of videos"
PARTS = ("fig4_classes", "fig4_samples")


def load(top: Path, name: str) -> list[Study]:
    """Read the study asked for, and the other one if it has been run."""
    return load_studies(top, name, *(part for part in PARTS if part != name))


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make the points: one a series, size and target."""
    return [row for study in studies for row in part_rows(study)]


def part_rows(study: Study) -> list[Row]:
    """Make the points of one of the studies."""
    part = study.name.split("_")[-1]
    return size_rows(study, f"subset.{part}", lambda trial: f"{trial.axes['method']}, {part}")


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the error over the number of training videos."""
    return curves(rows, "videos", "error", "training videos", "top-1 error (%)")


def claims(studies: Sequence[Study]) -> list[Claim]:
    """Decide whether classes matter, and more for e2e, which wins with many and not with few."""
    return for_each_target(studies, sizes)


def sizes(trials: Sequence[Trial], target: str) -> list[Claim]:
    """Compare few classes with all, and classes with videos, within each method and across."""
    score = top1(target)
    by_classes = where(trials, subset="classes")
    counts = sorted({trial.axes["subset.classes"] for trial in by_classes})
    few = where(by_classes, subset__classes=counts[0]) if counts else []
    whole = where(trials, subset="none")
    claims: list[Claim] = []
    for method in ("e2e", "baseline"):
        of_all, of_few = (where(chosen, method=method) for chosen in (whole, few))
        claims += [
            verdict(
                f"{method}: all classes above {counts[0] if counts else '-'}",
                pairs(of_all, of_few, score),
            ),
            verdict(
                f"{method}: many classes with few videos each above few classes "
                "with many, at an equal number of videos",
                equal_videos(where(trials, method=method), score),
            ),
        ]
    for size, chosen in [("all", whole), *((str(n), few) for n in counts[:1])]:
        e2e, baseline = (where(chosen, method=method) for method in ("e2e", "baseline"))
        claims.append(
            verdict(f"e2e above baseline with {size} classes", pairs(e2e, baseline, score))
        )
    return claims


def equal_videos(trials: Sequence[Trial], score: Score) -> list[float]:
    """Subtract class subsets from sample subsets of the same size within a quarter, by seed."""
    finished = [trial for trial in trials if trial.run]
    samples = where(finished, subset="samples")
    by_seed: dict[Any, list[float]] = {}
    for one in where(finished, subset="classes"):
        videos, seed = one.subset.videos, one.axes["seed"]
        near = [
            trial
            for trial in where(samples, seed=seed)
            if abs(trial.subset.videos / videos - 1) <= 0.25
        ]
        if near:
            best = min(near, key=lambda trial: abs(trial.subset.videos - videos))
            by_seed.setdefault(seed, []).extend(pairs([best], [one], score))
    return [sum(values) / len(values) for values in by_seed.values() if values]
