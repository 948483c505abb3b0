"""Figures of studies, as wide as a column of the paper; each shows the rows of its table.

Errors and accuracies are in percent; bars and bands are 95 % intervals of the mean over repeats.
"""

import textwrap
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
from zsvideo.reporting.studies.tables import Row, note_lines, note_of, notes, others_quote, shown

WIDTH = 3.25  # inches: a column of the paper
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
MARKERS = ("o", "s", "^", "D", "v", "P")
PAPER, FIXED, QUOTED = "#000000", "#bbbbbb", "#8c8c8c"
STAGES = ("#0072b2", "#d55e00", "#e69f00", "#f0e442")  # blue, red, orange, yellow as in Fig. 1
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


def write_notes(figure: Any, rows: Sequence[Row], signs: int = 92) -> int:
    """Write source and protocol of quoted rows below a figure; give the number of lines."""
    wrapped = [
        line
        for note in note_lines(notes(rows))
        for line in textwrap.wrap(note, signs, subsequent_indent="   ")
    ]
    if wrapped:
        figure.supxlabel("\n".join(wrapped), fontsize=5, x=0.01, ha="left", linespacing=1.15)
    return len(wrapped)


def table_figure(rows: Sequence[Row]) -> Figure:
    """Draw the top-1 of a table: one panel a column, a point a row, the paper's open diamonds."""
    columns = [c for c in rows[0] if c.endswith("top1") and any(row[c] is not None for row in rows)]
    named = {c: distinct([row for row in rows if row[c] is not None], "row") for c in columns}
    heights = [0.45 + 0.16 * len(names) for names in named.values()]
    letters = notes(rows)
    marks = {row["row"]: mark for row in rows if (mark := note_of(row, letters))}
    figure, axes = plt.subplots(
        len(columns) or 1,
        1,
        figsize=(WIDTH, sum(heights) + 0.3 + 0.2 * len(letters)),
        layout="constrained",
        squeeze=False,
        height_ratios=heights or None,
    )
    for panel, (column, names) in zip(axes.flat, named.items(), strict=False):
        for place, name in enumerate(names):
            for row in of(rows, row=name):
                value = row[column]
                if row["from"] == "paper" and value is not None:
                    sign, ink = ("^", QUOTED) if others_quote(row) else ("D", PAPER)
                    panel.plot(value, place, sign, mfc="none", color=ink)
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
        labels = [f"{name} ({marks[name]})" if name in marks else name for name in names]
        panel.set_yticks(range(len(names)), labels)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set_xlim(0, 100)
        panel.set_xlabel(f"{column} (%)")
        panel.grid(axis="x", alpha=0.3)
    keys = [
        Line2D([], [], marker="o", ls="", color=COLOURS[0], label="ours (95 % interval)"),
        Line2D([], [], marker="D", ls="", mfc="none", color=PAPER, label="the paper's"),
    ]
    if any(others_quote(row) for row in rows):
        look: dict[str, Any] = {"marker": "^", "ls": "", "mfc": "none", "color": QUOTED}
        keys.append(Line2D([], [], label="as quoted in the paper", **look))
    figure.legend(handles=keys, loc="outside upper center", ncols=2, frameon=False)
    write_notes(figure, rows)
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
    letters = notes(rows)
    tall, low = 0.75 + 0.17 * len(rows) + 0.2 * len(letters), 1.95
    figure = plt.figure(figsize=(WIDTH, tall + low), layout="constrained")
    places: Any = figure.subfigures(2, 1, height_ratios=[tall, low])
    panel = places[0].subplots()
    looks: dict[str, dict[str, Any]] = {
        "ours, measured here": {"color": COLOURS[0]},
        "ours, as the paper states": {"color": PAPER, "fill": False, "hatch": "////"},
        "others, as quoted in the paper": {"color": FIXED},
    }
    for place, row in enumerate(rows):
        ours, value = row["from"] != "paper", row["error"]
        mean, half = (value.mean, value.half) if ours else (value, None)
        kind = list(looks)[0 if ours else 2 if others_quote(row) else 1]
        if mean is not None:
            panel.barh(place, mean, 0.75, xerr=half, error_kw={"lw": 0.8}, **looks[kind])
        text = panel.text(2, place, shown(value), va="center", fontsize=6)
        text.set_color("white" if ours and mean is not None else PAPER)
        if not ours:
            text.set_bbox({"fc": "white", "ec": "none", "pad": 0.6})
    names = [
        f"{r['row']} ({note_of(r, letters)})" if r["from"] == "paper" else f"{r['row']}, ours"
        for r in rows
    ]
    panel.set_yticks(range(len(rows)), names)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_xlim(0, 100)
    targets = ", ".join(distinct([r for r in rows if r["from"] != "paper"], "target"))
    of_ours = f"; ours: {targets}" if targets not in ("", "ucf101") else ""
    panel.set_xlabel(f"top-1 error, half the classes of ucf101{of_ours} (%)", loc="right")
    keys = [Rectangle((0, 0), 1, 1, label=name, lw=0.6, **look) for name, look in looks.items()]
    places[0].legend(handles=keys, loc="outside upper center", ncols=2, frameon=False, fontsize=6)
    write_notes(places[0], rows)
    schemes(places[1].subplots())
    return figure


# What each method is made of: text of a block, and the stage that trains it; None is no module,
# FIX one that stays as it was trained elsewhere. Sec. 2, and the abstracts of [64], [18] and [4].
FIX = -1
BLOCKS: dict[str, tuple[tuple[str, int | None], ...]] = {
    "URL [64]": (
        ("frames", None),
        ("ResNet\n200", FIX),
        ("building\nblocks", 0),
        ("universal\nrepresent.", 1),
        ("semantic\nadaptation", 2),
        ("nearest\nclass", None),
    ),
    "Action2Vec [18]": (
        ("52 clips", None),
        ("C3D", FIX),
        ("two LSTMs", 0),
        ("linear", 0),
        ("nearest class", None),
    ),
    "TARN [4]": (
        ("52 clips", None),
        ("C3D", FIX),
        ("GRU", 0),
        ("attention", 0),
        ("relation score", 0),
    ),
    "baseline": (("clip", None), ("f_v: 3D CNN", FIX), ("f_s: linear", 0), ("nearest class", None)),
    "e2e (ours)": (
        ("clip", None),
        ("f_v: 3D CNN", 0),
        ("f_s: linear", 0),
        ("nearest class", None),
    ),
}


def schemes(panel: Axes) -> None:
    """Draw what each method trains: a fixed block is grey, a colour is a stage of training."""
    gap, wide = 0.14, 6.0
    for place, (name, blocks) in enumerate(BLOCKS.items()):
        panel.text(-0.12, place, name, ha="right", va="center", fontsize=6)
        weights = [max(map(len, text.split("\n"))) + 3.5 for text, _ in blocks]
        scale = (wide - gap * (len(blocks) - 1)) / sum(weights)
        x = 0.0
        for (text, stage), weight in zip(blocks, weights, strict=True):
            width = weight * scale
            colour = "none" if stage is None else FIXED if stage == FIX else STAGES[stage]
            ink = "white" if colour == STAGES[0] else PAPER
            panel.add_patch(Rectangle((x, place - 0.3), width, 0.6, fc=colour, ec=PAPER, lw=0.6))
            panel.text(x + width / 2, place, text, ha="center", va="center", fontsize=5, color=ink)
            if x:
                look = {"arrowstyle": "-|>", "lw": 0.5, "mutation_scale": 4, "fc": PAPER}
                panel.annotate(
                    "",
                    (x, place),
                    (x - gap, place),
                    arrowprops={**look, "shrinkA": 0, "shrinkB": 0},
                )
            x += width + gap
    low = len(BLOCKS)
    panel.text(
        wide / 2,
        low - 0.25,
        "grey: fixed; a colour: one stage of training",
        ha="center",
        fontsize=6,
    )
    named = ("fixed", "1st stage", "2nd stage", "3rd stage")
    for number, (name, colour) in enumerate(zip(named, (FIXED, *STAGES), strict=False)):
        x = number * wide / 4 + 0.1
        panel.add_patch(Rectangle((x, low + 0.1), 0.3, 0.3, fc=colour, ec=PAPER, lw=0.6))
        panel.text(x + 0.4, low + 0.25, name, va="center", fontsize=6)
    panel.set_xlim(-1.6, wide + 0.05)
    panel.set_ylim(low + 0.6, -0.5)
    panel.axis("off")
