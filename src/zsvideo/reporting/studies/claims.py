"""What the paper says of a study, held against the runs: differences paired by seed.

A claim holds where the 95 % interval of the mean difference lies above 0, fails where it lies
below, and is open otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zsvideo.reporting.studies.study import Study, Trial, spread

Score = Callable[[Trial], float | None]
COMPARED = (
    "method",
    "head",
    "pretrain",
    "clips.test_clips",
    "subset",
    "subset.classes",
    "subset.samples",
    "subset.clusters",
)


@dataclass(frozen=True)
class Finding:
    """A sentence of the paper and what became of it.

    Attributes:
        said: the sentence.
        became: `holds`, `fails`, `open` or `missing`.
        detail: the numbers.
        interval: of the difference that it says is above 0: mean, low, high; None without one.
        target: tested on, and what else its trials have in common.
    """

    said: str
    became: str
    detail: str
    interval: tuple[float, float, float] | None = None
    target: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.target}: {self.said}: {self.became}{detail}"


def for_each_target(
    studies: Sequence[Study], make: Callable[[Sequence[Trial], str], list[Finding]]
) -> list[Finding]:
    """Decide claims for each target, within one network, one embedding and so on at a time.

    Args:
        studies: of an artefact.
        make: decides them from trials that may be compared, and the name of a target.
    """
    alike: dict[tuple[str, ...], list[Trial]] = {}
    for trial in (trial for study in studies for trial in study.trials):
        alike.setdefault(tuple(trial.others(COMPARED)), []).append(trial)
    targets = list(dict.fromkeys(target for study in studies for target in study.targets))
    return [
        replace(claim, target=" ".join([target, *names]))
        for names, trials in alike.items()
        for target in targets
        for claim in make(trials, target)
    ]


def finding(said: str, differences: Sequence[float], unit: str = "points") -> Finding:
    """Decide a claim by differences that it says are above 0."""
    mean = spread(differences)
    if mean.mean is None:
        return Finding(said, "missing", "")
    if mean.half is None:
        return Finding(said, "open", f"{mean.mean:+.2f} {unit}, one seed")
    if mean.half < 1e-9 and mean.mean:
        return Finding(
            said,
            "open",
            f"{mean.mean:+.2f} {unit} in each of {mean.count} seeds: "
            "too coarse a scale for an interval",
        )
    low, high = mean.mean - mean.half, mean.mean + mean.half
    became = "holds" if low > 0 else "fails" if high < 0 else "open"
    detail = f"{mean.mean:+.2f} {unit}, 95 % interval {low:+.2f} to {high:+.2f}, {mean.count} seeds"
    return Finding(said, became, detail, (mean.mean, low, high))


def pairs(a: Sequence[Trial], b: Sequence[Trial], score: Score) -> list[float]:
    """Return score(a) - score(b) for each seed that both have; means, where it has several."""

    def by_seed(trials: Sequence[Trial]) -> dict[Any, float]:
        scores: dict[Any, list[float]] = {}
        for trial in trials:
            if (value := score(trial)) is not None:
                scores.setdefault(trial.axes["seed"], []).append(value)
        return {seed: sum(values) / len(values) for seed, values in scores.items()}

    first, second = by_seed(a), by_seed(b)
    return [first[seed] - second[seed] for seed in first if seed in second]


def top1(target: str) -> Score:
    """Score a trial by its top-1 over all classes of a target."""
    return lambda trial: trial.score(target, "full", "top1")


def where(trials: Sequence[Trial], **axes: Any) -> list[Trial]:
    """Choose trials by axes, whose dots are written `__`; one without the axis is left out."""
    return [
        trial
        for trial in trials
        if all(trial.axes.get(key.replace("__", "."), ...) == value for key, value in axes.items())
    ]
