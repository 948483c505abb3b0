"""The systems of Table 1 and the usual heads on one cache of features, beside e2e and f_s."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from zsvideo.evaluation.record import HeadRecord
from zsvideo.reporting.studies.claims import Finding, finding, for_each_target, pairs, top1
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.remarks import remarks
from zsvideo.reporting.studies.study import Study, Trial
from zsvideo.reporting.studies.tables import table_figure, table_rows

title = "Table 1 on equal footing: the same features, classes, vectors and budget for every head"
COLUMNS = (("half", "top1"), ("full", "top1"))
OURS, FROZEN = "end to end", "f_s on frozen features"
EVEN = (
    "options of each head are chosen on held-out classes of the source, with the same budget; "
    "f_s and the network trained end to end keep those of the paper"
)


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make a row a system: the paper's and those it quotes, then ours, all measured alike."""
    study = studies[0]
    ours = study.groups(row_name)
    rows = table_rows(study, "table1", COLUMNS, row_name)
    first = study.targets[0] if study.targets else ""
    for row in rows:
        trials = ours.get(row["row"], []) if row["from"] == "ours" else []
        about = [row.pop(key) for key in ("source", "protocol")]
        row[f"{first} full 95 % (classes, videos)"] = interval(trials, first)
        for part in ("fit", "score"):
            row[f"{part} s"] = seconds(trials, part)
        row |= {"source": about[0], "protocol": "; ".join([about[1], *honesty(trials)])}
    return rows


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the top-1 of each row."""
    return table_figure(rows)


def notes(studies: Sequence[Study]) -> list[str]:
    """Add what is the same for all, and what quoted numbers are."""
    return [
        *remarks(studies),
        EVEN,
        "numbers of other works are quoted with their protocols and never measured here; "
        "rows of ours say what a re-implementation does in another way",
    ]


def claims(studies: Sequence[Study]) -> list[Finding]:
    """Compare every system with f_s on the same features, and e2e with every system."""
    return for_each_target(studies, differences)


def differences(trials: Sequence[Trial], target: str) -> list[Finding]:
    """Pair systems by seed."""
    named: dict[str, list[Trial]] = {}
    for trial in trials:
        named.setdefault(row_name(trial), []).append(trial)

    def above(one: str, other: str) -> Finding:
        return finding(f"{one} above {other}", pairs(named[one], named[other], top1(target)))

    found = [above(OURS, name) for name in named if name != OURS and OURS in named]
    heads = [name for name in named if name not in (OURS, FROZEN)]
    return [*found, *(above(name, FROZEN) for name in heads if FROZEN in named)]


def row_name(trial: Trial) -> str:
    """Name the row of a trial by its head."""
    if trial.axes["method"] == "e2e":
        return OURS
    if trial.axes["head"] == "linear":
        return FROZEN
    head = head_of([trial])
    return head.label if head else f"{trial.axes['head']} (re-implementation)"


def head_of(trials: Sequence[Trial]) -> HeadRecord | None:
    """Give the head of the first run that has one."""
    heads = [trial.run.record.head for trial in trials if trial.run]
    return next((head for head in heads if head), None)


def honesty(trials: Sequence[Trial]) -> list[str]:
    """Say of a re-implementation what was substituted, and what of the targets it has seen."""
    if (head := head_of(trials)) is None:
        return []
    return [
        f"substituted: {', '.join(head.substituted) or 'nothing known'}",
        f"target class names used in training: {'yes' if head.target_class_names_used else 'no'}",
        f"target videos used in training: {'yes' if head.target_videos_used else 'no'}",
    ]


def seconds(trials: Sequence[Trial], part: str) -> float | None:
    """Give the median over runs of the seconds that a part of a head took."""
    runs = [trial.run.record for trial in trials if trial.run]
    times = [run.head.seconds[part] for run in runs if run.head and part in run.head.seconds]
    return float(np.median(times)) if times else None


def interval(trials: Sequence[Trial], target: str) -> str | None:
    """Give the bootstrap interval of the first run, over classes and videos."""
    for trial in trials:
        numbers: Any = trial.numbers(target, "full")
        if numbers and (ends := numbers.interval.get("top1", {}).get("both")):
            return f"{ends[0]:.1f} to {ends[1]:.1f} (seed {trial.axes['seed']})"
    return None
