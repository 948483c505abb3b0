"""Fig. 3: distances of training classes to the nearest test class, from an audit."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from zsvideo.reporting.audit.figures import KEPT, REMOVED, tau_lines
from zsvideo.reporting.studies import fig2
from zsvideo.reporting.studies.fig2 import Audit
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.style import panels

title = "Fig. 3: distance of training classes to the nearest test class"
load = fig2.load
BEYOND = 22  # classes kept next to tau that are named


def rows(audit: Audit) -> list[Row]:
    """Make a row a class that has a distance, the nearest first."""
    return [
        {
            "row": entry["name"],
            "from": "ours",
            "nearest": entry["nearest"],
            "distance": entry["distance"],
            "kept": str(entry["kept"]),
        }
        for entry in audit.content["training"]["source"]["classes"]
        if entry["distance"] is not None
    ]


def draw(rows: Sequence[Row], audit: Audit) -> Figure:
    """Draw the classes nearest to the test classes, by name, and all of them inset."""
    taus = tau_lines(audit.content["protocol"])
    shown = rows[: sum(r["distance"] < max(taus.values()) for r in rows) + BEYOND]
    figure, (panel,) = panels(1, 0.9 + 0.088 * len(shown))
    for kept, colour, name in ((False, REMOVED, "removed"), (True, KEPT, "kept")):
        own = [(r["distance"], place) for place, r in enumerate(shown) if r["kept"] == str(kept)]
        panel.plot(*zip(*own, strict=True), "o", ms=2.5, color=colour, label=name) if own else None
    for label, tau in taus.items():
        panel.axvline(tau, color="red", lw=1, label=label)
    names = [f"{r['row']} ~ {r['nearest'].split('/', 1)[1]}" for r in shown]
    panel.set_yticks(range(len(shown)), names, fontsize=4.8)
    panel.set_ylim(len(shown) - 0.3, -0.7)
    panel.set_xlim(-0.005, shown[-1]["distance"] * 1.05 + 0.01 if shown else 1)
    panel.set_xlabel("distance to the nearest test class", loc="right")
    panel.grid(axis="y", alpha=0.25, lw=0.4)
    inset = panel.inset_axes((0.45, 0.68, 0.53, 0.26))
    inset.plot(range(1, len(rows) + 1), [r["distance"] for r in rows], color="black", lw=0.8)
    for tau in taus.values():
        inset.axhline(tau, color="red", lw=0.8)
    inset.set_title(f"all {len(rows)} classes, sorted", fontsize=6)
    inset.tick_params(labelsize=5)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def notes(audit: Audit) -> list[str]:
    """Count the classes kept."""
    return [fig2.counts(audit)]
