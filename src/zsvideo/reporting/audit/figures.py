"""Figures of an audit, from `audit.json`: the paper's Fig. 2 and 3, and how strict a rule is.

Each is an SVG with text as text; a point is a link `#role/class` to its row in the page.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

KEPT, REMOVED = "#d62728", "#9a9a9a"  # red and grey, as in the paper
TARGETS = ("#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7")  # Okabe and Ito
GRADES = {"duplicate": "#d55e00", "contained": "#e69f00", "near": "#56b4e9"}
OTHER = "#555555"
NAMED = 30  # survivors next to tau that Fig. 3 names
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "audit",
    "font.size": 9,
    "text.parse_math": False,
}


def draw_figures(found: Mapping[str, Any], folder: Path) -> list[tuple[str, Path]]:
    """Draw all figures of an audit as SVG and PNG; give their captions and SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    with matplotlib.rc_context(STYLE):
        for role, entry in found["training"].items():
            about = f"{entry['dataset']} ({role})"
            drawn.append(
                (
                    f"Distances of {about} to the nearest class kept out (Fig. 3)",
                    save(distances(found, role), folder / f"distances-{role}"),
                )
            )
            drawn.append(
                (
                    f"Classes of {about} left under each rule",
                    save(strictness(entry), folder / f"strictness-{role}"),
                )
            )
        if found["map"]:
            drawn.append(
                ("Class vectors by t-SNE (Fig. 2)", save(vector_map(found), folder / "map"))
            )
    return drawn


def save(figure: Figure, stem: Path) -> Path:
    """Write a figure as PNG and SVG; the same figure gives the same files."""
    figure.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
    return stem.with_suffix(".svg")


def distances(found: Mapping[str, Any], role: str) -> Figure:
    """Draw the sorted distances with the tau line, and the names next to it."""
    rows = [row for row in found["training"][role]["classes"] if row["distance"] is not None]
    tau = found["protocol"]["tau"]
    first = sum(row["distance"] == 0 for row in rows)
    beyond = [i for i, row in enumerate(rows) if row["distance"] >= tau]
    shown = rows[first : (beyond[0] if beyond else len(rows)) + NAMED]
    figure, (whole, near) = plt.subplots(
        1,
        2,
        figsize=(10, 1.4 + 0.17 * max(len(shown), 12)),
        width_ratios=(1, 1.1),
        layout="constrained",
    )
    whole.plot(range(1, len(rows) + 1), [row["distance"] for row in rows], color=OTHER, lw=1)
    links(whole, found, role, list(range(1, len(rows) + 1)), rows)
    whole.axhline(tau, color="red", lw=1, label=f"tau = {tau}")
    whole.set_xlabel(f"classes, sorted ({first} of them at distance 0)")
    whole.set_ylabel("cosine distance to the nearest class kept out")
    whole.legend(loc="upper left")
    heights = list(range(len(shown)))
    links(near, found, role, heights, shown, flat=True)
    near.axvline(tau, color="red", lw=1)
    names = [f"{row['name']} ~ {row['nearest'].split('/', 1)[1]}" for row in shown]
    near.set_yticks(heights, names, fontsize=7)
    near.invert_yaxis()
    near.set_xlabel("distance")
    near.grid(axis="x", alpha=0.3)
    for grade, colour in GRADES.items():
        near.scatter([], [], color=colour, s=14, label=f"by audit: {grade}")
    near.scatter([], [], color=OTHER, s=14, label="sibling or unrelated")
    near.legend(loc="lower left", fontsize=7)
    return figure


def links(
    axes: Axes,
    found: Mapping[str, Any],
    role: str,
    places: list[int],
    rows: list[Mapping[str, Any]],
    flat: bool = False,
) -> None:
    """Draw the distances of classes as points, coloured by grade; `flat` puts them on x."""
    values = [row["distance"] for row in rows]
    colours = [GRADES.get(row["grade"], OTHER) for row in rows]
    x, y = (values, places) if flat else (places, values)
    points = axes.scatter(x, y, s=14 if flat else 5, c=colours, zorder=3)
    points.set_urls([f"#{role}/{quote(row['name'])}" for row in rows])


def strictness(entry: Mapping[str, Any]) -> Figure:
    """Draw how many classes are left as tau grows, beside the other rules and the paper's count."""
    curve = entry["strictness"]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    axes.plot(curve["tau"], curve["kept"], color=OTHER, label="distance < tau removed")
    rules = [(n, k) for n, k in curve["rules"].items() if not n.startswith("distance")]
    colours = (*GRADES.values(), *TARGETS)
    for (name, kept), colour in zip(rules, colours, strict=False):
        axes.axhline(kept, color=colour, lw=1, ls="--", label=f"{name}: {kept}")
    if entry["counts"]["paper"]:
        axes.plot(
            [0.05],
            [entry["counts"]["paper"]],
            "r*",
            ms=10,
            label=f"paper: {entry['counts']['paper']} at tau 0.05",
        )
    axes.set_xlabel("tau (cosine distance)")
    axes.set_ylabel("classes left for training")
    axes.set_xlim(0, max(curve["tau"]))
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def vector_map(found: Mapping[str, Any]) -> Figure:
    """Draw the t-SNE of class vectors: kept, removed, and the targets as crosses."""
    figure, axes = plt.subplots(figsize=(9, 7), layout="constrained")
    points = found["map"]
    sets = list(dict.fromkeys(p["dataset"] for p in points if p["group"] == "target"))
    totals = {name: cover["count"] for name, cover in found["coverage"].items()} | {
        group: sum(entry["counts"][group] for entry in found["training"].values())
        for group in ("kept", "removed")
    }
    groups: list[tuple[str, str | None, dict[str, Any]]] = [
        ("kept", None, {"c": KEPT, "s": 9}),
        ("removed", None, {"c": REMOVED, "s": 16}),
        *(
            ("target", name, {"c": TARGETS[i % len(TARGETS)], "s": 18, "marker": "x", "lw": 0.9})
            for i, name in enumerate(sets)
        ),
    ]
    for group, dataset, look in groups:
        own = [p for p in points if p["group"] == group and dataset in (None, p["dataset"])]
        of = totals[dataset or group]
        drawn = axes.scatter(
            [p["x"] for p in own],
            [p["y"] for p in own],
            label=f"{dataset or 'training, ' + group}: {len(own)} of {of}",
            **look,
        )
        drawn.set_urls(
            [f"#{p['role'] or quote(p['dataset'] + ' ')}/{quote(p['name'])}" for p in own]
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(loc="lower left", fontsize=8, title="classes with a vector", title_fontsize=8)
    return figure
