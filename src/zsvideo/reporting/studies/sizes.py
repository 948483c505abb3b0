"""Errors by how many classes and videos were trained on, for Fig. 4 and 6."""

from collections.abc import Callable

from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.study import Study, Trial, spread
from zsvideo.reporting.studies.tables import paper_values

SHOWN = ("method", "pretrain", "subset", "subset.classes", "subset.samples", "subset.clusters")


def size_rows(study: Study, size: str, series: Callable[[Trial], str]) -> list[Row]:
    """Make the points of a study: one a series, size and target, and the paper's of all classes.

    Args:
        study: of subsets.
        size: the axis that sets it.
        series: names the line of a trial, but for its other axes.
    """
    paper = paper_values("table2")["r2plus1d 664"]  # e2e, all classes
    groups = study.groups(
        lambda trial: (
            " ".join([series(trial), *trial.others(SHOWN)]),
            trial.axes["subset"],
            trial.axes.get(size),
        )
    )
    rows: list[Row] = []
    for target in study.targets or ["-"]:
        for (name, subset, asked), trials in groups.items():
            subsets = [trial.subset for trial in trials if trial.run]
            count = len(subsets)
            videos = sum(s.videos for s in subsets) / count if subsets else None
            classes = sum(len(s.classes) for s in subsets) / count if subsets else None
            diversity = spread([s.diversity for s in subsets]).mean if subsets else None
            rows.append(
                {
                    "series": name,
                    "from": "ours",
                    "target": target,
                    "asked": asked if subset != "none" else "all",
                    "classes": classes,
                    "videos": videos,
                    "diversity": diversity,
                    "error": spread([trial.error(target) for trial in trials]),
                }
            )
            stated = paper.get((target, "full", "top1"))
            if subset == "none" and videos and name.startswith("e2e") and stated:
                error = 100 - stated
                rows.append({**rows[-1], "from": "paper", "series": "e2e", "error": error})
    return rows
