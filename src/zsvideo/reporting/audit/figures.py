"""Figures of an audit, from `audit.json`: the paper's Fig. 2 and 3, and how strict a rule is.

Each is an SVG with text as text; a point is a link `#role/class` to its row in the page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from zsvideo.data.frames import SECTORS
from zsvideo.reporting.plots import plt

KEPT, REMOVED = "#d62728", "#cfcfcf"  # red and grey, as in the paper
OTHERS = "#c8b560"  # of another training set, such as the scenes of SUN397
TARGETS = ("#0072b2", "#009e73", "#e69f00", "#56b4e9", "#cc79a7")  # Okabe and Ito
GRADES = {"duplicate": "#d55e00", "contained": "#e69f00", "near": "#56b4e9"}
OTHER = "#555555"
NAMED = 30  # survivors next to tau that Fig. 3 names
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "audit",
    "font.size": 9,
}


def draw_figures(audit: Mapping[str, Any], folder: Path) -> list[tuple[str, Path]]:
    """Draw all figures of an audit as SVG and PNG; give their captions and SVG files."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    with matplotlib.rc_context(STYLE):
        for role, entry in audit["training"].items():
            about = f"{entry['dataset']} ({role})"
            pictures.append(
                (
                    f"Distances of {about} to the nearest class kept out (Fig. 3)",
                    save(distance_figure(audit, role), folder / f"distances-{role}"),
                )
            )
            pictures.append(
                (
                    f"Classes of {about} left under each rule",
                    save(strictness_figure(entry), folder / f"strictness-{role}"),
                )
            )
        if audit["map"]:
            pictures.append(
                (
                    "Class vectors by t-SNE (Fig. 2)",
                    save(vector_map(audit, folder.parent), folder / "map"),
                )
            )
    return pictures


def save(figure: Figure, stem: Path) -> Path:
    """Write a figure as PNG and SVG; the same figure gives the same files."""
    figure.savefig(stem.with_suffix(".png"), dpi=150, metadata={"Software": None})
    figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
    return stem.with_suffix(".svg")


def tau_lines(protocol: Mapping[str, Any]) -> dict[str, float]:
    """Name the tau of an audit's protocol, or those of its data sets: label to distance."""
    if "taus" not in protocol:
        return {f"tau = {protocol['tau']}": protocol["tau"]}
    return {f"tau of {n} = {own['tau']:.4f}": own["tau"] for n, own in protocol["taus"].items()}


def distance_figure(audit: Mapping[str, Any], role: str) -> Figure:
    """Draw the sorted distances with the tau line, and the names next to it."""
    rows = [row for row in audit["training"][role]["classes"] if row["distance"] is not None]
    taus = tau_lines(audit["protocol"])
    first = sum(row["distance"] == 0 for row in rows)
    beyond = [i for i, row in enumerate(rows) if row["distance"] >= max(taus.values())]
    shown = rows[first : (beyond[0] if beyond else len(rows)) + NAMED]
    figure, (whole, near) = plt.subplots(
        1,
        2,
        figsize=(10, 1.4 + 0.17 * max(len(shown), 12)),
        width_ratios=(1, 1.1),
        layout="constrained",
    )
    whole.plot(range(1, len(rows) + 1), [row["distance"] for row in rows], color=OTHER, lw=1)
    links(whole, audit, role, list(range(1, len(rows) + 1)), rows)
    for label, tau in taus.items():
        whole.axhline(tau, color="red", lw=1, label=label)
        near.axvline(tau, color="red", lw=1)
    whole.set_xlabel(f"classes, sorted ({first} of them at distance 0)")
    whole.set_ylabel("cosine distance to the nearest class kept out")
    whole.legend(loc="upper left")
    heights = list(range(len(shown)))
    links(near, audit, role, heights, shown, flat=True)
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
    audit: Mapping[str, Any],
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


def strictness_figure(entry: Mapping[str, Any]) -> Figure:
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


@dataclass(frozen=True)
class Look:
    """How the points of one group of Fig. 2 look, and which they are.

    Attributes:
        name: in the legend.
        role: `source`, `pretrain` or `target`.
        dataset: of the points.
        removed: classes that the protocol removes; else those that it keeps, or a target's.
        level: what is few lies above what is many.
    """

    name: str
    role: str
    dataset: str
    removed: bool
    colour: str
    size: float
    level: int
    marker: str = "o"
    edge: str | None = None

    def holds(self, role: str, dataset: str, group: str) -> bool:
        """Tell whether a point is of this group."""
        own = (role, dataset) == (self.role, self.dataset)
        return own and self.removed == (group == "removed")


def looks(points: Sequence[tuple[str, str]]) -> list[Look]:
    """List the groups of a map of (role, data set) points: many and pale first, few on top."""
    looks: list[Look] = []
    for role, dataset in dict.fromkeys(points):
        if role == "target":
            place = sum(look.role == "target" for look in looks)
            colour = TARGETS[place % len(TARGETS)]
            looks.append(Look(dataset, role, dataset, False, colour, 18, 5, "x"))
            continue
        colour, size, level = (KEPT, 7.0, 2) if role == "source" else (OTHERS, 5.0, 1)
        square = "o" if role == "source" else "s"
        looks.append(Look(f"{dataset}, kept", role, dataset, False, colour, size, level, square))
        looks.append(
            Look(f"{dataset}, removed", role, dataset, True, REMOVED, 34, 4, square, "black")
        )
    return looks


def vector_map(audit: Mapping[str, Any], folder: Path) -> Figure:
    """Draw the t-SNE of class vectors: kept, removed, and the targets as crosses."""
    figure, axes = plt.subplots(figsize=(9, 7.5), layout="constrained")
    points = audit["map"]
    for look in looks([(p["role"] or "target", p["dataset"]) for p in points]):
        own = [p for p in points if look.holds(p["role"] or "target", p["dataset"], p["group"])]
        counts = audit["training"].get(look.role, {}).get("counts")
        of = counts["removed" if look.removed else "kept"] if counts else None
        of = of if counts else audit["coverage"][look.dataset]["count"]
        markers = axes.scatter(
            [p["x"] for p in own],
            [p["y"] for p in own],
            label=f"{look.name}: {len(own)} of {of}",
            c=look.colour,
            s=look.size,
            marker=look.marker,
            zorder=look.level,
            lw=0.9,
            edgecolors=look.edge or ("face" if look.marker != "x" else None),
        )
        markers.set_urls(
            [f"#{p['role'] or quote(p['dataset'] + ' ')}/{quote(p['name'])}" for p in own]
        )
    axes.set_xticks([])
    axes.set_yticks([])
    place_frames(axes, audit, folder, zoom=0.5, size=7)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, title="classes with a vector")
    return figure


def place_frames(
    axes: Axes, audit: Mapping[str, Any], folder: Path, zoom: float = 0.22, size: float = 4.5
) -> None:
    """Put frames of test videos round a map, each with a line to its class.

    Args:
        axes: with the points.
        audit: what an audit gives, with `frames`: `dataset`, `name`, `file` and `sector` of each.
        folder: of the audit, where the files lie.
        zoom: points a pixel.
        size: of the names, in points.
    """
    frames = [f for f in audit.get("frames", ()) if (folder / f["file"]).is_file()]
    if not frames:
        return
    places = {(p["dataset"], p["name"]): (p["x"], p["y"]) for p in audit["map"]}
    x, y = (sum(values) / len(values) for values in zip(*places.values(), strict=True))
    wide = 1.25 * max(abs(a - x) for a, _ in places.values())
    tall = 1.3 * max(abs(b - y) for _, b in places.values())
    for frame in frames:
        angle = 2 * math.pi * frame["sector"] / SECTORS
        across, up = round(math.cos(angle)), round(math.sin(angle))  # -1, 0 or 1: on a square
        to = (x + wide * across, y + tall * up)
        picture = OffsetImage(imread(folder / frame["file"]), zoom=zoom)
        box = AnnotationBbox(
            picture,
            places[frame["dataset"], frame["name"]],
            xybox=to,
            pad=0.1,
            bboxprops={"lw": 0.4},
            arrowprops={"arrowstyle": "-", "lw": 0.5},
            zorder=6,
        )
        axes.add_artist(box)
        below = (0, -zoom * 62)
        how: dict[str, Any] = {"ha": "center", "va": "top", "fontsize": size, "zorder": 7}
        axes.annotate(frame["name"], to, below, textcoords="offset points", **how)
    axes.set_xlim(x - 1.2 * wide, x + 1.2 * wide)
    axes.set_ylim(y - 1.35 * tall, y + 1.2 * tall)
