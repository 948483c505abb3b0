"""Figures of studies, as wide as a column of the paper; each shows the rows of its table.

Errors and accuracies are in percent; bars and bands are 95 % intervals of the mean over repeats.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from zsvideo.reporting.studies.study import Spread
from zsvideo.reporting.studies.tables import Row, shown

WIDTH = 3.25  # inches: a column of the paper
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P")
PAPER, FIXED = "#000000", "#bbbbbb"
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "svg.hashsalt": "study",
    "text.parse_math": False,
}


def panels(count: int, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Make panels in rows of `columns`, each `height` inches high."""
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, height * rows), layout="constrained", squeeze=False
    )
    flat = list(axes.flat)
    for spare in flat[count:]:
        spare.set_visible(False)
    return figure, flat[:count]


def of(rows: Sequence[Row], **wanted: Any) -> list[Row]:
    """Choose the rows with these values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def distinct(rows: Sequence[Row], key: str) -> list[Any]:
    """List the values of a column in their order."""
    return list(dict.fromkeys(row[key] for row in rows))


def table_figure(rows: Sequence[Row]) -> Figure:
    """Draw the top-1 of a table: one panel a column, a point a row, the paper's open diamonds."""
    columns = [c for c in rows[0] if c.endswith("top1") and any(row[c] is not None for row in rows)]
    named = {c: distinct([row for row in rows if row[c] is not None], "row") for c in columns}
    heights = [0.45 + 0.16 * len(names) for names in named.values()]
    figure, axes = plt.subplots(
        len(columns) or 1,
        1,
        figsize=(WIDTH, sum(heights) + 0.3),
        layout="constrained",
        squeeze=False,
        height_ratios=heights or None,
    )
    for panel, (column, names) in zip(axes.flat, named.items(), strict=False):
        for place, name in enumerate(names):
            for row in of(rows, row=name):
                value = row[column]
                if row["from"] == "paper" and value is not None:
                    panel.plot(value, place, "D", mfc="none", color=PAPER)
                elif isinstance(value, Spread) and value.mean is not None:
                    panel.errorbar(value.mean, place, xerr=value.half, fmt="o", color=COLOURS[0])
                elif isinstance(value, Spread):
                    panel.text(
                        0.02,
                        place,
                        "missing",
                        transform=panel.get_yaxis_transform(),
                        va="center",
                        fontsize=6,
                        color=COLOURS[1],
                    )
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_xlim(0, 100)
        panel.set_xlabel(f"{column} (%)")
        panel.grid(axis="x", alpha=0.3)
    figure.legend(
        handles=[
            Line2D([], [], marker="o", ls="", color=COLOURS[0], label="ours (95 % interval)"),
            Line2D([], [], marker="D", ls="", mfc="none", color=PAPER, label="paper"),
        ],
        loc="outside upper center",
        ncols=2,
        frameon=False,
    )
    return figure


def curves(
    rows: Sequence[Row], x: str, y: str, x_label: str, y_label: str, log: bool = True
) -> Figure:
    """Draw one line a series over a number, one panel a target, with the paper's points."""
    targets = distinct(rows, "target")
    figure, axes = panels(len(targets), 2.1)
    series = distinct([row for row in rows if row["from"] == "ours"], "series")
    for panel, target in zip(axes, targets, strict=True):
        for number, name in enumerate(series):
            own = [r for r in of(rows, target=target, series=name) if drawable(r, x, y)]
            own.sort(key=lambda row: row[x])
            means = [row[y].mean for row in own]
            halves = [row[y].half or 0.0 for row in own]
            colour, at = COLOURS[number % len(COLOURS)], [row[x] for row in own]
            looks = {"color": colour, "label": name, "ls": "--" if "baseline" in name else "-"}
            if log:  # beside each other, so that intervals do not hide one another
                at = [place * 1.03 ** (number - (len(series) - 1) / 2) for place in at]
                marker = MARKERS[number % len(MARKERS)]
                panel.errorbar(
                    at, means, halves, marker=marker, elinewidth=0.7, capsize=1.5, **looks
                )
                continue
            panel.plot(at, means, drawstyle="steps-post", **looks)
            panel.fill_between(
                at,
                [m - h for m, h in zip(means, halves, strict=True)],
                [m + h for m, h in zip(means, halves, strict=True)],
                color=colour,
                alpha=0.18,
                lw=0,
                step="post",
            )
        for row in rows:
            if row["from"] == "paper" and row["target"] == target:
                panel.plot(row[x], row[y], "D", mfc="none", color=PAPER)
        lacking = sum(
            1
            for r in of(rows, target=target)
            if isinstance(r[y], Spread) and r[y].count < r[y].asked
        )
        panel.set_title(target + (f" ({lacking} points incomplete)" if lacking else ""))
        if log:
            panel.set_xscale("log")
            panel.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
            panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            panel.xaxis.set_minor_formatter(NullFormatter())
        low, high = panel.get_ylim()
        panel.set_ylim(max(low, 0), min(high, 100))
        panel.set_xlabel(x_label)
        panel.set_ylabel(y_label)
        panel.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels() if axes else ([], [])
    if any(row["from"] == "paper" for row in rows):
        handles.append(Line2D([], [], marker="D", ls="", mfc="none", color=PAPER))
        labels.append("paper")
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure


def drawable(row: Row, x: str, y: str) -> bool:
    """Tell whether a row of ours has a point."""
    return row["from"] == "ours" and row[x] is not None and row[y].mean is not None


def cluster_panels(rows: Sequence[Row]) -> Figure:
    """Draw Fig. 5: a panel for each number of clusters, a mean a target, a dot a draw."""
    targets, counts = distinct(rows, "target"), distinct(rows, "clusters")
    figure, axes = panels(len(counts), 1.8, columns=2)
    for panel, clusters in zip(axes, counts, strict=True):
        own = of(rows, clusters=clusters)
        for place, row in enumerate(own):
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
            panel.errorbar(
                place,
                row["error"].mean,
                row["error"].half,
                fmt="o",
                capsize=2,
                color=COLOURS[place % len(COLOURS)],
            )
            panel.plot(
                [place + 0.2] * len(row["draws"]),
                row["draws"],
                ".",
                ms=3,
                color=COLOURS[place % len(COLOURS)],
            )
        name = "all classes" if clusters == 1 else f"one of {clusters} clusters"
        spreads = own[0]["diversity"] if own else None
        panel.set_title(
            f"{name}\ndiversity {spreads.mean:.2f}" if spreads and spreads.mean else name
        )
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
    drawn = [d for row in rows for d in row["draws"]]
    low = max(0, min(drawn) - 8) if drawn else 0
    for panel in axes:
        panel.set_ylim(low, 100)
    return figure


def errors_and_schemes(rows: Sequence[Row]) -> Figure:
    """Draw Fig. 1: above the error of each method, ours in colour, below the methods as blocks."""
    tall = 0.6 + 0.17 * len(rows)
    figure = plt.figure(figsize=(WIDTH, tall + 1.1), layout="constrained")
    places: Any = figure.subfigures(2, 1, height_ratios=[tall, 1.1])
    panel = places[0].subplots()
    for place, row in enumerate(rows):
        ours, value = row["from"] != "paper", row["error"]
        mean, half = (value.mean, value.half) if ours else (value, None)
        if mean is not None:
            panel.barh(place, mean, xerr=half, color=COLOURS[0] if ours else FIXED)
        ink = "white" if ours and mean is not None else PAPER
        panel.text(2, place, shown(value), va="center", fontsize=6, color=ink)
    names = [
        f"{r['row']} ({'paper' if r['from'] == 'paper' else 'ours, ' + r['target']})" for r in rows
    ]
    panel.set_yticks(range(len(rows)), names)
    panel.invert_yaxis()
    panel.set_xlim(0, 100)
    panel.set_xlabel("top-1 error, half the classes (%)")
    schemes(places[1].subplots())
    return figure


def schemes(panel: Axes) -> None:
    """Draw what each method trains: a fixed block is grey, a colour is a stage of training."""
    blocks = (
        ("clip", 0.0, 0.7),
        ("f_v: 3D CNN", 1.0, 1.1),
        ("f_s: linear", 2.4, 1.1),
        ("nearest class", 3.8, 1.2),
    )
    trained = {"baseline": (FIXED, COLOURS[1]), "e2e": (COLOURS[0], COLOURS[0])}
    for place, (name, colours) in enumerate(trained.items()):
        panel.text(-0.15, place, name, ha="right", va="center", fontsize=7)
        for (text, x, wide), colour in zip(blocks, ("none", *colours, "none"), strict=True):
            ink = "white" if colour == COLOURS[0] else PAPER
            panel.add_patch(Rectangle((x, place - 0.3), wide, 0.6, fc=colour, ec=PAPER, lw=0.6))
            panel.text(x + wide / 2, place, text, ha="center", va="center", fontsize=6, color=ink)
            if x:
                panel.annotate(
                    "", (x, place), (x - 0.3, place), arrowprops={"arrowstyle": "->", "lw": 0.6}
                )
    panel.text(2.2, 1.65, "grey: fixed; a colour: one stage of training", ha="center", fontsize=6)
    panel.set_xlim(-1.3, 5.1)
    panel.set_ylim(1.9, -0.5)
    panel.axis("off")
