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
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from src.reporting.studies.study import Spread
from src.reporting.studies.tables import Row

WIDTH = 3.25  # inches: a column of the paper
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P")
PAPER = "#000000"
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
    names = distinct(rows, "row")
    figure, axes = panels(len(columns) or 1, 0.5 + 0.16 * len(names))
    for panel, column in zip(axes, columns, strict=False):
        for place, name in enumerate(names):
            for row in of(rows, row=name):
                value = row[column]
                if row["from"] == "paper" and value is not None:
                    panel.plot(value, place, "D", mfc="none", color=PAPER)
                elif isinstance(value, Spread) and value.mean is not None:
                    panel.errorbar(value.mean, place, xerr=value.half, fmt="o", color=COLOURS[0])
                elif isinstance(value, Spread):
                    panel.text(0.02, place, "missing", transform=panel.get_yaxis_transform(),
                               va="center", fontsize=6, color=COLOURS[1])  # fmt: skip
        panel.set_yticks(range(len(names)), names)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_xlim(0, 100)
        panel.set_xlabel(f"{column} (%)")
        panel.grid(axis="x", alpha=0.3)
    figure.legend(
        handles=[
            plt.Line2D([], [], marker="o", ls="", color=COLOURS[0], label="ours (95 % interval)"),
            plt.Line2D([], [], marker="D", ls="", mfc="none", color=PAPER, label="paper"),
        ],
        loc="outside upper center", ncols=2, frameon=False,
    )  # fmt: skip
    return figure


def curves(rows: Sequence[Row], x: str, y: str, x_label: str, y_label: str,
           log: bool = True) -> Figure:  # fmt: skip
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
            marker = MARKERS[number % len(MARKERS)] if log else ""
            panel.plot(at, means, marker=marker, color=colour, label=name,
                       ls="--" if "baseline" in name else "-",
                       drawstyle="default" if log else "steps-post")  # fmt: skip
            panel.fill_between(at, [m - h for m, h in zip(means, halves, strict=True)],
                               [m + h for m, h in zip(means, halves, strict=True)],
                               color=colour, alpha=0.18, lw=0,
                               step=None if log else "post")  # fmt: skip
        for row in rows:
            if row["from"] == "paper" and row["target"] == target:
                panel.plot(row[x], row[y], "D", mfc="none", color=PAPER)
        lacking = sum(1 for r in of(rows, target=target) if isinstance(r[y], Spread)
                      and r[y].count < r[y].asked)  # fmt: skip
        panel.set_title(target + (f" ({lacking} points incomplete)" if lacking else ""))
        if log:
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
            panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel(x_label)
        panel.set_ylabel(y_label)
        panel.grid(alpha=0.3)
    handles, labels = axes[0].get_legend_handles_labels() if axes else ([], [])
    if any(row["from"] == "paper" for row in rows):
        handles.append(plt.Line2D([], [], marker="D", ls="", mfc="none", color=PAPER))
        labels.append("paper")
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False)
    return figure


def drawable(row: Row, x: str, y: str) -> bool:
    """Tell whether a row of ours has a point."""
    return row["from"] == "ours" and row[x] is not None and row[y].mean is not None


def cluster_panels(rows: Sequence[Row]) -> Figure:
    """Draw Fig. 5: a panel for each number of clusters, a bar a target, a dot a draw."""
    targets, counts = distinct(rows, "target"), distinct(rows, "clusters")
    figure, axes = panels(len(counts), 1.7, columns=2)
    for panel, clusters in zip(axes, counts, strict=True):
        own = of(rows, clusters=clusters)
        for place, row in enumerate(own):
            if row["error"].mean is None:
                panel.text(place, 2, "missing", ha="center", fontsize=6, color=COLOURS[1])
                continue
            panel.bar(place, row["error"].mean, 0.6, color=COLOURS[place], alpha=0.45)
            panel.errorbar(place, row["error"].mean, row["error"].half, color="black", capsize=2)
            panel.plot([place + 0.2] * len(row["draws"]), row["draws"], ".", ms=3,
                       color=COLOURS[place])  # fmt: skip
        name = "all classes" if clusters == 1 else f"one of {clusters} clusters"
        spreads = own[0]["diversity"] if own else None
        panel.set_title(f"{name}\ndiversity {spreads.mean:.2f}" if spreads and spreads.mean
                        else name)  # fmt: skip
        panel.set_xticks(range(len(targets)), targets)
        panel.set_xlim(-0.7, len(targets) - 0.3)
        panel.set_ylabel("top-1 error (%)")
    drawn = [d for row in rows for d in row["draws"]]
    low = max(0, min(drawn) - 8) if drawn else 0
    for panel in axes:
        panel.set_ylim(low, 100)
    return figure


def bars(rows: Sequence[Row], column: str) -> Figure:
    """Draw Fig. 1 (top): the error of each method, ours in colour."""
    shown = [(r["row"], r["from"], r[column]) for r in rows if r.get(column) is not None]
    figure, (panel,) = panels(1, 0.6 + 0.17 * len(shown))
    for place, (_, source, value) in enumerate(shown):
        if source == "paper":
            panel.barh(place, 100 - value, color="#bbbbbb")
        elif value.mean is None:
            panel.text(2, place, "missing", va="center", fontsize=6, color=COLOURS[1])
        else:
            panel.barh(place, 100 - value.mean, xerr=value.half, color=COLOURS[0])
    panel.set_yticks(range(len(shown)), [f"{name} ({source})" for name, source, _ in shown])
    panel.invert_yaxis()
    panel.set_xlabel(f"error of {column} (%)")
    return figure
