"""What the paper says of each study, held against the runs: differences paired by seed.

A claim holds where the 95 % interval of the mean difference lies above 0, fails where it lies
below, and is open otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zsvideo.reporting.studies.study import Job, Study, spread
from zsvideo.reporting.studies.tables import others, ticks

Score = Callable[[Job], float | None]
COMPARED = (
    "method",
    "pretrain",
    "clips.test_clips",
    "subset",
    "subset.classes",
    "subset.samples",
    "subset.clusters",
)


def top1(target: str) -> Score:
    """Score a job by its top-1 over all classes of a target."""
    return lambda job: job.score(target, "full", "top1")


def pairs(a: Sequence[Job], b: Sequence[Job], score: Score) -> list[float]:
    """Give score(a) - score(b) for each seed that both have; means, where a seed has several."""

    def by_seed(jobs: Sequence[Job]) -> dict[Any, float]:
        found: dict[Any, list[float]] = {}
        for job in jobs:
            if (value := score(job)) is not None:
                found.setdefault(job.axes["seed"], []).append(value)
        return {seed: sum(values) / len(values) for seed, values in found.items()}

    first, second = by_seed(a), by_seed(b)
    return [first[seed] - second[seed] for seed in first if seed in second]


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper and what became of it.

    Attributes:
        said: the sentence.
        became: `holds`, `fails`, `open` or `missing`.
        detail: the numbers.
        interval: of the difference that it says is above 0: mean, low, high; None without one.
        target: tested on, and what else its jobs have in common.
    """

    said: str
    became: str
    detail: str
    interval: tuple[float, float, float] | None = None
    target: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.target}: {self.said}: {self.became}{detail}"


def verdict(said: str, differences: Sequence[float], unit: str = "points") -> Claim:
    """Decide on a claim by differences that it says are above 0."""
    found = spread(differences)
    if found.mean is None:
        return Claim(said, "missing", "")
    if found.half is None:
        return Claim(said, "open", f"{found.mean:+.2f} {unit}, one seed")
    if found.half < 1e-9 and found.mean:
        return Claim(
            said,
            "open",
            f"{found.mean:+.2f} {unit} in each of {found.count} seeds: "
            "too coarse a scale for an interval",
        )
    low, high = found.mean - found.half, found.mean + found.half
    became = "holds" if low > 0 else "fails" if high < 0 else "open"
    detail = (
        f"{found.mean:+.2f} {unit}, 95 % interval {low:+.2f} to {high:+.2f}, {found.count} seeds"
    )
    return Claim(said, became, detail, (found.mean, low, high))


def claims(studies: Sequence[Study], artefact: str) -> list[Claim]:
    """Hold the paper's claims against the studies of an artefact, for each target."""
    jobs = [job for study in studies for job in study.jobs]
    targets = list(dict.fromkeys(t for study in studies for t in study.targets))
    make = {
        "table3": ablation,
        "fig4": sizes,
        "fig5": clusters,
        "fig6": pretraining,
        "fig7": distances,
    }.get(artefact.split("_")[0])
    if make is None:
        return []
    found = []
    for names, own in groups(jobs).items():
        for target in targets:
            shown = " ".join([target, *names])
            found += [replace(claim, target=shown) for claim in make(own, target)]
    return found


def groups(jobs: Sequence[Job]) -> dict[tuple[str, ...], list[Job]]:
    """Put jobs together that a claim may compare: of one model, one embedding and so on."""
    found: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        found.setdefault(tuple(others(job, COMPARED)), []).append(job)
    return found


def where(jobs: Sequence[Job], **axes: Any) -> list[Job]:
    """Choose jobs by axes, whose dots are written `__`; a job without the axis is left out."""
    return [
        job
        for job in jobs
        if all(job.axes.get(key.replace("__", "."), ...) == value for key, value in axes.items())
    ]


def ablation(jobs: Sequence[Job], target: str) -> list[Claim]:
    """Table 3: each part helps."""
    rows: dict[str, list[Job]] = {}
    for job in jobs:
        rows.setdefault(ticks(job), []).append(job)

    def step(said: str, more: str, less: str) -> Claim:
        return verdict(said, pairs(rows.get(more, []), rows.get(less, []), top1(target)))

    clean = [step("e2e above frozen features that saw no class kept out", "e2e", "clean baseline")]
    return [
        step("e2e above frozen features", "e2e", "none"),
        *clean * ("clean baseline" in rows),  # a row that the paper has not
        step("augment helps, one clip", "e2e + augment", "e2e"),
        step("multi helps", "e2e + multi", "e2e"),
        step("augment helps, many clips", "e2e + augment + multi", "e2e + multi"),
    ]


def sizes(jobs: Sequence[Job], target: str) -> list[Claim]:
    """Fig. 4: classes matter, more for e2e; e2e wins with many classes and not with few."""
    score = top1(target)
    lines: list[Claim] = []
    by_classes = [job for job in jobs if job.axes["subset"] == "classes"]
    counts = sorted({job.axes["subset.classes"] for job in by_classes})
    for method in ("e2e", "baseline"):
        few = where(by_classes, method=method, subset__classes=counts[0]) if counts else []
        whole = where(jobs, method=method, subset="none")
        lines.append(
            verdict(
                f"{method}: all classes above {counts[0] if counts else '-'}",
                pairs(whole, few, score),
            )
        )
        lines.append(
            verdict(
                f"{method}: many classes with few videos each above few classes "
                "with many, at an equal number of videos",
                equal_videos(where(jobs, method=method), score),
            )
        )
    for said, subset in [("all", "none"), *((str(n), n) for n in counts[:1])]:
        chosen = (
            where(jobs, subset="none")
            if subset == "none"
            else where(by_classes, subset__classes=subset)
        )
        lines.append(
            verdict(
                f"e2e above baseline with {said} classes",
                pairs(where(chosen, method="e2e"), where(chosen, method="baseline"), score),
            )
        )
    return lines


def equal_videos(jobs: Sequence[Job], score: Score) -> list[float]:
    """Subtract class subsets from sample subsets of the same size within a quarter, by seed."""
    drawn = [job for job in jobs if job.run]
    some = [c for c in drawn if c.axes["subset"] == "samples"]
    whole = [c for c in drawn if c.axes["subset"] == "classes"]
    by_seed: dict[Any, list[float]] = {}
    for one in whole:
        videos = one.subset["videos"]
        near = [
            s
            for s in some
            if s.axes["seed"] == one.axes["seed"] and abs(s.subset["videos"] / videos - 1) <= 0.25
        ]
        if near:
            best = min(near, key=lambda s: abs(s.subset["videos"] - videos))
            by_seed.setdefault(one.axes["seed"], []).extend(pairs([best], [one], score))
    return [sum(values) / len(values) for values in by_seed.values() if values]


def clusters(jobs: Sequence[Job], target: str) -> list[Claim]:
    """Fig. 5: the more clusters, the less diverse the classes and the higher the error."""
    counts = sorted({job.axes["subset.clusters"] for job in jobs})
    few, many = (where(jobs, subset__clusters=n) for n in (counts[0], counts[-1]))
    lines = []
    for n in counts[1:]:
        own = where(jobs, subset__clusters=n)
        lines.append(
            verdict(
                f"classes drawn from all above those of one of {n} clusters",
                pairs(few, own, top1(target)),
            )
        )
    spread_of = pairs(few, many, lambda job: job.subset.get("diversity"))
    return [
        *lines,
        verdict(
            f"diversity falls from {counts[0]} to {counts[-1]} clusters", spread_of, "of distance"
        ),
    ]


def pretraining(jobs: Sequence[Job], target: str) -> list[Claim]:
    """Fig. 6: pre-training on still images helps, at every number of classes."""
    lines = []
    arms = [job for job in jobs if job.axes["pretrain"] != "none"]
    without = where(jobs, pretrain="none")
    for subset, count in dict.fromkeys(
        (job.axes["subset"], job.axes["subset.classes"]) for job in jobs
    ):
        chosen = {"subset": subset, "subset__classes": count}
        lines.append(
            verdict(
                f"pre-training helps with {count or 'all'} classes",
                pairs(where(arms, **chosen), where(without, **chosen), top1(target)),
            )
        )
    return [
        *lines,
        verdict("pre-training helps over all sizes", pairs(arms, without, top1(target))),
    ]


def distances(jobs: Sequence[Job], target: str) -> list[Claim]:
    """Fig. 7: e2e and pre-training help on the farther half of the test classes."""

    def far(job: Job) -> float | None:
        curve = job.curve(target)
        return curve[len(curve) // 2]["top1"] if curve else None

    e2e = where(jobs, method="e2e", pretrain="none")
    sun = [c for c in where(jobs, method="e2e") if c.axes["pretrain"] != "none"]
    return [
        verdict(
            "e2e above frozen features on the farther half",
            pairs(e2e, where(jobs, method="baseline"), far),
        ),
        verdict("pre-training helps on the farther half", pairs(sun, e2e, far)),
    ]
