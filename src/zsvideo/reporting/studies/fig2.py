"""Fig. 2: class vectors by t-SNE, from `audit.json` of an audit."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from zsvideo.errors import UserError
from zsvideo.reporting.audit.figures import looks, place_frames
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.style import panels

title = "Fig. 2: class vectors by t-SNE"


class Audit(NamedTuple):
    """A finished audit.

    Attributes:
        folder: of the audit.
        content: of its `audit.json`.
    """

    folder: Path
    content: dict[str, Any]


def load(top: Path, name: str) -> Audit:
    """Read the audit of an artefact; raises UserError where it has not been run."""
    folder = top / name
    file = folder / "audit.json"
    try:
        return Audit(folder, dict(json.loads(file.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        raise UserError(
            f"no audit at {folder}, or its audit.json is damaged; run it: python -m src.audit "
            f"experiments={name}"
        ) from None


def rows(audit: Audit) -> list[Row]:
    """Make a row a class that has a vector."""
    return [
        {
            "row": point["name"],
            "from": "ours",
            "group": point["group"],
            "role": point["role"] or "target",
            "set": point["dataset"],
            "x": point["x"],
            "y": point["y"],
        }
        for point in audit.content["map"] or []
    ]


def draw(rows: Sequence[Row], audit: Audit) -> Figure:
    """Draw the vectors, with frames of test videos where there are some."""
    figure, (panel,) = panels(1, 3.2)
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
    place_frames(panel, audit.content, audit.folder)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=6)
    return figure


def notes(audit: Audit) -> list[str]:
    """Count the classes kept, and say what is not drawn."""
    lines = [counts(audit)]
    for role, entry in audit.content["training"].items():
        if role != "source":
            number = entry["counts"]
            lines.append(
                f"{entry['dataset']}: {number['kept']} of {number['classes']} classes kept"
            )
    if not audit.content.get("frames"):
        lines.append("no frames: no videos of a target are at hand (target.NAME.root)")
    return [*lines, "classes whose words have no vector are not drawn"]


def counts(audit: Audit) -> str:
    """Count the classes of the source that are kept, beside the paper's number."""
    number = audit.content["training"]["source"]["counts"]
    return (
        f"{number['kept']} of {number['classes']} classes kept, {number['removed']} removed; "
        f"the paper states {number['paper']} kept"
    )
