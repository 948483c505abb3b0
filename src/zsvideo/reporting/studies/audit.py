"""Fig. 2 and 3 at the width of a column, from `audit.json` of an audit run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from zsvideo.errors import UserError
from zsvideo.reporting.audit.figures import KEPT, REMOVED, looks, place_frames
from zsvideo.reporting.studies import figures
from zsvideo.reporting.studies.tables import Row

BEYOND = 22  # classes kept next to tau that Fig. 3 names


def audit_figure(artefact: str, folder: Path) -> tuple[list[Row], Figure, list[str]]:
    """Give the rows, the figure and the remarks of Fig. 2 or 3.

    Raises:
        UserError: the audit has not been run.
    """
    file = folder / "audit.json"
    if not file.is_file():
        raise UserError(f"no audit at {folder}; run it: python -m src.audit experiments={artefact}")
    found = json.loads(file.read_text(encoding="utf-8"))
    entry = found["training"]["source"]
    counts = entry["counts"]
    lines = [
        f"{counts['kept']} of {counts['classes']} classes kept, {counts['removed']} removed; "
        f"the paper states {counts['paper']} kept"
    ]
    with matplotlib.rc_context(figures.STYLE):
        if artefact == "fig3":
            return (*distances(entry["classes"], found["protocol"]["tau"]), lines)
        rows, figure = vector_map(found, folder)
    for role, other in found["training"].items():
        if role != "source":
            kept = other["counts"]
            lines.append(f"{other['dataset']}: {kept['kept']} of {kept['classes']} classes kept")
    if not found.get("frames"):
        lines.append("no frames: no videos of a target are at hand (target.NAME.root)")
    return rows, figure, [*lines, "classes whose words have no vector are not drawn"]


def distances(classes: Sequence[Mapping[str, Any]], tau: float) -> tuple[list[Row], Figure]:
    """Draw Fig. 3: the classes nearest to the test classes, by name, and all of them inset."""
    known = [row for row in classes if row["distance"] is not None]
    rows: list[Row] = [
        {
            "row": r["name"],
            "from": "ours",
            "nearest": r["nearest"],
            "distance": r["distance"],
            "kept": str(r["kept"]),
        }
        for r in known
    ]
    shown = known[: sum(r["distance"] < tau for r in known) + BEYOND]
    figure, (panel,) = figures.panels(1, 0.9 + 0.088 * len(shown))
    for kept, colour, name in ((False, REMOVED, "removed"), (True, KEPT, "kept")):
        own = [(r["distance"], place) for place, r in enumerate(shown) if r["kept"] == kept]
        panel.plot(*zip(*own, strict=True), "o", ms=2.5, color=colour, label=name) if own else None
    panel.axvline(tau, color="red", lw=1, label=f"tau = {tau}")
    names = [f"{r['name']} ~ {r['nearest'].split('/', 1)[1]}" for r in shown]
    panel.set_yticks(range(len(shown)), names, fontsize=4.8)
    panel.set_ylim(len(shown) - 0.3, -0.7)
    panel.set_xlim(-0.005, shown[-1]["distance"] * 1.05 + 0.01 if shown else 1)
    panel.set_xlabel("distance to the nearest test class", loc="right")
    panel.grid(axis="y", alpha=0.25, lw=0.4)
    inset = panel.inset_axes((0.45, 0.68, 0.53, 0.26))
    inset.plot(range(1, len(known) + 1), [r["distance"] for r in known], color="black", lw=0.8)
    inset.axhline(tau, color="red", lw=0.8)
    inset.set_title(f"all {len(known)} classes, sorted", fontsize=6)
    inset.tick_params(labelsize=5)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return rows, figure


def vector_map(found: Mapping[str, Any], folder: Path) -> tuple[list[Row], Figure]:
    """Draw Fig. 2: class vectors by t-SNE, with frames of test videos where there are some."""
    rows: list[Row] = [
        {
            "row": p["name"],
            "from": "ours",
            "group": p["group"],
            "role": p["role"] or "target",
            "set": p["dataset"],
            "x": p["x"],
            "y": p["y"],
        }
        for p in found["map"] or []
    ]
    figure, (panel,) = figures.panels(1, 3.2)
    for look in looks([(r["role"], r["set"]) for r in rows]):
        own = [r for r in rows if look.holds(r["role"], r["set"], r["group"])]
        marks: dict[str, Any] = {"s": look.size / 2.2, "zorder": look.level, "marker": look.marker}
        ink: dict[str, Any] = {"c": look.colour, "lw": 0.6}
        if look.edge:
            ink |= {"edgecolors": look.edge, "lw": 0.5}
        label = f"{look.name}: {len(own)}"
        panel.scatter([r["x"] for r in own], [r["y"] for r in own], label=label, **ink, **marks)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)
    place_frames(panel, found, folder)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=6)
    return rows, figure
