"""The tables and figures of the paper: each a module here, with a preset in `experiments/`.

A module `fig8.py` has

- `title`: of the report;
- `rows(studies)`: the rows of its table;
- `draw(rows, studies)`: its figure;

and, where it needs them,

- `claims(studies)`: what the paper says of it, decided by the runs;
- `notes(studies)`: lines below the table, in place of `remarks`;
- `load(top, name)`: what it is made from, in place of the study of its own name.

What stands behind `_` in the name of a preset is a part of the same artefact (`fig4_classes`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from zsvideo.reporting.studies.claims import Finding
from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.remarks import remarks
from zsvideo.reporting.studies.study import load_studies
from zsvideo.resources import EXPERIMENTS


@dataclass(frozen=True)
class Artefact:
    """A table or figure of the paper; see the attributes above."""

    title: str
    rows: Callable[[Any], list[Row]]
    draw: Callable[[Sequence[Row], Any], Figure]
    claims: Callable[[Any], list[Finding]]
    notes: Callable[[Any], list[str]]
    load: Callable[[Path, str], Any]


def artefact(name: str) -> Artefact | None:
    """Find the artefact of a preset by name; None where it has none."""
    path = f"{__package__}.{name.split('_')[0]}"
    if not (EXPERIMENTS / f"{name}.yaml").is_file() or find_spec(path) is None:
        return None
    module: Any = import_module(path)
    return Artefact(
        module.title,
        module.rows,
        module.draw,
        getattr(module, "claims", lambda studies: []),
        getattr(module, "notes", remarks),
        getattr(module, "load", load_studies),
    )


def names() -> list[str]:
    """List the presets that have an artefact: tables, then figures, then what else there is."""
    presets = sorted(file.stem for file in EXPERIMENTS.glob("*.yaml"))
    presets.sort(key=lambda name: (not name.startswith("table"), not name.startswith("fig")))
    return [name for name in presets if artefact(name)]
