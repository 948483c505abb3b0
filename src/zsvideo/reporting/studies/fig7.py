"""Fig. 7: accuracy on test classes ever farther from the training classes."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from zsvideo.evaluation.record import Numbers
from zsvideo.reporting.studies.claims import Finding, finding, for_each_target, pairs, where
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.sizes import SHOWN
from zsvideo.reporting.studies.study import Study, Trial, spread
from zsvideo.reporting.studies.style import curves

title = "Fig. 7: test classes ever farther from the training classes"


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make the points: one a series, target and threshold."""
    rows: list[Row] = []
    for name, trials in studies[0].groups(network_name).items():
        for target in studies[0].targets or ["-"]:
            points: dict[float, list[Numbers]] = {}
            for trial in trials:
                numbers = trial.numbers(target, "distance")
                for point in numbers.points if numbers else ():
                    points.setdefault(round(point.threshold, 6), []).append(point)
            none: list[tuple[float | None, list[Numbers]]] = [(None, [])]
            for threshold, same in sorted(points.items()) or none:
                values = [point.top1 for point in same]
                rows.append(
                    {
                        "series": name,
                        "from": "ours",
                        "target": target,
                        "distance": threshold,
                        "classes": same[0].classes if same else None,
                        "top-1": spread(values + [None] * (len(trials) - len(values))),
                    }
                )
    return rows


def network_name(trial: Trial) -> str:
    """Name the line of a trial."""
    method, pretrain = trial.axes["method"], trial.axes["pretrain"]
    name = "baseline" if method == "baseline" else "e2e"
    name += f" + {pretrain}" if method != "baseline" and pretrain != "none" else ""
    return " ".join([name, *trial.others(SHOWN)])


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the accuracy over the distance."""
    labels = ("distance from training classes", "top-1 accuracy (%)")
    return curves(rows, "distance", "top-1", *labels, log=False)


def claims(studies: Sequence[Study]) -> list[Finding]:
    """Decide whether e2e and pre-training help on the farther half of the test classes."""
    return for_each_target(studies, farther_half)


def farther_half(trials: Sequence[Trial], target: str) -> list[Finding]:
    """Compare the methods at the middle of their curves."""

    def far(trial: Trial) -> float | None:
        numbers = trial.numbers(target, "distance")
        return numbers.farthest_half.top1 if numbers else None

    e2e = where(trials, method="e2e", pretrain="none")
    first = [trial for trial in where(trials, method="e2e") if trial.axes["pretrain"] != "none"]
    return [
        finding(
            "e2e above frozen features on the farther half",
            pairs(e2e, where(trials, method="baseline"), far),
        ),
        finding("pre-training helps on the farther half", pairs(first, e2e, far)),
    ]
