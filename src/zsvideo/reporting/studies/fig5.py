"""Fig. 5: classes drawn from all, or from one of some clusters of the class vectors."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zsvideo.reporting.studies.claims import Finding, finding, for_each_target, pairs, top1, where
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.study import Study, Trial, spread
from zsvideo.reporting.studies.style import COLOURS, column_values, of, panels

title = "Fig. 5: diversity of the training classes"
AXES = ("subset", "subset.clusters", "subset.classes")


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make a row a number of clusters and target."""
    rows: list[Row] = []
    groups = studies[0].groups(lambda t: (t.axes["subset.clusters"], *t.others(AXES)))
    for (clusters, *names), trials in groups.items():
        diversity = spread([trial.subset.diversity for trial in trials if trial.run])
        for target in studies[0].targets or ["-"]:
            errors = [trial.error(target) for trial in trials]
            rows.append(
                {
                    "clusters": clusters,
                    "from": "ours",
                    "target": " ".join([target, *names]),
                    "diversity": diversity,
                    "error": spread(errors),
                    "draws": [error for error in errors if error is not None],
                }
            )
    return rows


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw a panel for each number of clusters, a mean a target, a dot a draw."""
    targets, counts = column_values(rows, "target"), column_values(rows, "clusters")
    figure, axes = panels(len(counts), 1.8, columns=2)
    for panel, clusters in zip(axes, counts, strict=True):
        own = of(rows, clusters=clusters)
        for place, row in enumerate(own):
            colour = COLOURS[place % len(COLOURS)]
            if row["error"].mean is None:
                panel.text(
                    place,
                    0.5,
                    "missing",
                    transform=panel.get_xaxis_transform(),
                    ha="center",
                    fontsize=6,
                    color=COLOURS[1],
                )
                continue
            mean, half = row["error"].mean, row["error"].half
            panel.errorbar(place, mean, half, fmt="o", capsize=2, color=colour)
            beside = [place + 0.2] * len(row["draws"])
            panel.plot(beside, row["draws"], ".", ms=3, color=colour)
        name = "all classes" if clusters == 1 else f"one of {clusters} clusters"
        diversity = own[0]["diversity"].mean
        panel.set_title(f"{name}\ndiversity {diversity:.2f}" if diversity else name)
        panel.set_xticks([])
        panel.set_xlim(-0.7, len(targets) - 0.3)
        panel.set_ylabel("top-1 error (%)")
    keys = [
        Line2D([], [], marker="o", ls="", color=COLOURS[n % len(COLOURS)], label=name)
        for n, name in enumerate(targets)
    ]
    figure.legend(
        handles=keys,
        loc="outside lower center",
        frameon=False,
        ncols=1 if any(" " in name for name in targets) else 3,
    )
    errors = [error for row in rows for error in row["draws"]]
    low = max(0, min(errors) - 8) if errors else 0
    for panel in axes:
        panel.set_ylim(low, 100)
    return figure


def claims(studies: Sequence[Study]) -> list[Finding]:
    """Decide whether with more clusters the classes are less diverse and the error is higher."""
    return for_each_target(studies, cluster_findings)


def cluster_findings(trials: Sequence[Trial], target: str) -> list[Finding]:
    """Compare classes of all with those of one of some clusters."""
    counts = sorted({trial.axes["subset.clusters"] for trial in trials})
    by_count = {count: where(trials, subset__clusters=count) for count in counts}
    first, last = counts[0], counts[-1]
    diversity = pairs(by_count[first], by_count[last], lambda trial: trial.subset.diversity)
    return [
        *(
            finding(
                f"classes drawn from all above those of one of {count} clusters",
                pairs(by_count[first], by_count[count], top1(target)),
            )
            for count in counts[1:]
        ),
        finding(f"diversity falls from {first} to {last} clusters", diversity, "of distance"),
    ]
