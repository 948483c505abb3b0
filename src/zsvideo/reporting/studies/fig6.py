"""Fig. 6: pre-training on still images against none, on ever fewer classes."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from zsvideo.reporting.studies.claims import Claim, for_each_target, pairs, top1, verdict, where
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.sizes import size_rows
from zsvideo.reporting.studies.study import Study, Trial
from zsvideo.reporting.studies.style import curves

title = "Fig. 6: pre-training on still images"


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make the points: one a pre-training, number of classes and target."""
    return size_rows(studies[0], "subset.classes", series)


def series(trial: Trial) -> str:
    """Name the line of a trial."""
    pretrain = trial.axes["pretrain"]
    return "none" if pretrain == "none" else f"{pretrain} first"


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the error over the number of training classes."""
    return curves(rows, "classes", "error", "training classes", "top-1 error (%)")


def claims(studies: Sequence[Study]) -> list[Claim]:
    """Decide whether pre-training helps, at every number of classes."""
    return for_each_target(studies, pretraining)


def pretraining(trials: Sequence[Trial], target: str) -> list[Claim]:
    """Compare pre-training with none at each size, and over all."""
    without = where(trials, pretrain="none")
    arms = [trial for trial in trials if trial.axes["pretrain"] != "none"]
    sizes = dict.fromkeys((t.axes["subset"], t.axes["subset.classes"]) for t in trials)
    claims = []
    for subset, count in sizes:
        first, none = (where(t, subset=subset, subset__classes=count) for t in (arms, without))
        sentence = f"pre-training helps with {count or 'all'} classes"
        claims.append(verdict(sentence, pairs(first, none, top1(target))))
    overall = pairs(arms, without, top1(target))
    return [*claims, verdict("pre-training helps over all sizes", overall)]
