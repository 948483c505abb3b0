"""Fig. 1: errors of Table 1 beside those of earlier methods, and what each method trains."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from zsvideo.reporting.plots import plt
from zsvideo.reporting.studies import rivals, table1
from zsvideo.reporting.studies.files import (
    ABOUT,
    Row,
    is_quoted,
    note_letter,
    note_letters,
    shown,
)
from zsvideo.reporting.studies.remarks import remarks
from zsvideo.reporting.studies.study import Spread, Study, load_studies
from zsvideo.reporting.studies.style import COLOURS, PAPER, WIDTH, column_values, write_notes

title = "Fig. 1: error beside earlier methods"
FIXED = "#bbbbbb"
STAGES = ("#0072b2", "#d55e00", "#e69f00", "#f0e442")  # blue, red, orange, yellow as in Fig. 1
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


def load(top: Path, name: str) -> list[Study]:
    """Read the study of Table 1, and that of its other systems where it has been run."""
    return load_studies(top, "table1", "rivals")


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make the bars: the errors of Table 1 on UCF101, or on what was tested."""
    targets = studies[0].targets
    tested = "ucf101" if "ucf101" in targets or not targets else targets[0]
    rows: list[Row] = []
    measured = [row for study in studies[1:] for row in rivals.rows([study])]
    for row in [*table1.rows(studies), *(row for row in measured if row["from"] == "ours")]:
        target = "ucf101" if row["from"] == "paper" else tested
        if (value := row.get(f"{target} half top1")) is not None:
            error = (
                Spread(value.mean and 100 - value.mean, value.half, value.count, value.asked)
                if isinstance(value, Spread)
                else 100 - value
            )
            named = {"row": row["row"], "from": row["from"], "target": target, "error": error}
            rows.append(named | {key: row[key] for key in ABOUT})
    return rows


def notes(studies: Sequence[Study]) -> list[str]:
    """Add what the paper leaves open, and what the blocks and numbers of others are."""
    about = (
        f"{table1.C3D}. Blocks of URL, Action2Vec and TARN as Sec. 2 and their abstracts describe "
        "them; numbers of other works are on other protocols, see their notes"
    )
    return [*remarks(studies), about]


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw above the error of each method, ours in colour, below the methods as blocks."""
    letters = note_letters(rows)
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
        kind = list(looks)[0 if ours else 2 if is_quoted(row) else 1]
        if mean is not None:
            panel.barh(place, mean, 0.75, xerr=half, error_kw={"lw": 0.8}, **looks[kind])
        text = panel.text(2, place, shown(value), va="center", fontsize=6)
        text.set_color("white" if ours and mean is not None else PAPER)
        if not ours:
            text.set_bbox({"fc": "white", "ec": "none", "pad": 0.6})
    names = [
        f"{r['row']} ({note_letter(r, letters)})" if r["from"] == "paper" else f"{r['row']}, ours"
        for r in rows
    ]
    panel.set_yticks(range(len(rows)), names)
    panel.set_ylim(len(rows) - 0.4, -0.6)
    panel.set_xlim(0, 100)
    targets = ", ".join(column_values([r for r in rows if r["from"] != "paper"], "target"))
    of_ours = f"; ours: {targets}" if targets not in ("", "ucf101") else ""
    panel.set_xlabel(f"top-1 error, half the classes of ucf101{of_ours} (%)", loc="right")
    keys = [Rectangle((0, 0), 1, 1, label=name, lw=0.6, **look) for name, look in looks.items()]
    places[0].legend(handles=keys, loc="outside upper center", ncols=2, frameon=False, fontsize=6)
    write_notes(places[0], rows)
    schemes(places[1].subplots())
    return figure


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
