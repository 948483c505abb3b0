"""Fig. 2 and 3 at the width of a column, from `audit.json` of an audit run."""

import json
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from zsvideo.errors import UserError
from zsvideo.reporting.audit.figures import KEPT, REMOVED, TARGETS
from zsvideo.reporting.studies import figures
from zsvideo.reporting.studies.tables import Row


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
        figure, (panel,) = figures.panels(1, 2.6 if artefact == "fig2" else 2.0)
        rows: list[Row]
        if artefact == "fig3":
            known = [row for row in entry["classes"] if row["distance"] is not None]
            rows = [
                {
                    "row": r["name"],
                    "from": "ours",
                    "nearest": r["nearest"],
                    "distance": r["distance"],
                    "kept": str(r["kept"]),
                }
                for r in known
            ]
            panel.plot(
                range(1, len(rows) + 1),
                [row["distance"] for row in rows],
                ".",
                ms=2,
                color=figures.COLOURS[0],
            )
            tau = found["protocol"]["tau"]
            panel.axhline(tau, color="red", lw=1, label=f"tau = {tau}")
            panel.set_xlabel("training classes, sorted")
            panel.set_ylabel("distance to the nearest\ntest class")
            panel.legend(frameon=False)
            return rows, figure, lines
        rows = [
            {
                "row": p["name"],
                "from": "ours",
                "group": p["group"],
                "set": p["dataset"],
                "x": p["x"],
                "y": p["y"],
            }
            for p in found["map"] or []
        ]
        looks = [("kept", None, KEPT, "."), ("removed", None, REMOVED, ".")]
        sets = dict.fromkeys(row["set"] for row in rows if row["group"] == "target")
        looks += [("target", name, TARGETS[n % len(TARGETS)], "x") for n, name in enumerate(sets)]
        for group, name, colour, marker in looks:
            own = [r for r in rows if r["group"] == group and name in (None, r["set"])]
            panel.plot(
                [r["x"] for r in own],
                [r["y"] for r in own],
                marker,
                ms=2.5,
                mew=0.6,
                color=colour,
                label=f"{name or group}: {len(own)}",
            )
        panel.set_xticks([])
        panel.set_yticks([])
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return rows, figure, [*lines, "classes whose words have no vector are not drawn"]
