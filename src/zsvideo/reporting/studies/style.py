"""Figures of studies, as wide as a column of the paper; each shows the rows of its table.

Errors and accuracies are in percent; bars and bands are 95 % intervals of the mean over repeats.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from zsvideo.reporting.plots import plt
from zsvideo.reporting.studies.files import Row, note_letters, note_lines
from zsvideo.reporting.studies.study import Spread

WIDTH = 3.25  # inches: a column of the paper
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P")
PAPER, QUOTED = "#000000", "#8c8c8c"
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


def of(rows: Sequence[Row], **values: Any) -> list[Row]:
    """Choose the rows with these values."""
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def column_values(rows: Sequence[Row], key: str) -> list[Any]:
    """List the values of a column in their order."""
    return list(dict.fromkeys(row[key] for row in rows))


def write_notes(figure: Any, rows: Sequence[Row], signs: int = 92) -> None:
    """Write source and protocol of quoted rows below a figure, in lines of so many signs."""
    lines = [
        line
        for note in note_lines(note_letters(rows))
        for line in textwrap.wrap(note, signs, subsequent_indent="   ")
    ]
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=5, x=0.01, ha="left", linespacing=1.15)


def curves(
    rows: Sequence[Row], x: str, y: str, x_label: str, y_label: str, log: bool = True
) -> Figure:
    """Draw one line a series over a number, one panel a target, with the paper's points."""
    targets = column_values(rows, "target")
    figure, axes = panels(len(targets), 2.1)
    series = column_values([row for row in rows if row["from"] == "ours"], "series")
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
        means = [row[y] for row in of(rows, target=target) if isinstance(row[y], Spread)]
        incomplete = sum(mean.count < mean.asked for mean in means)
        panel.set_title(target + (f" ({incomplete} points incomplete)" if incomplete else ""))
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
