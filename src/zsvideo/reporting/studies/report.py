"""Write what a study leaves behind: its table or figure, in every format, beside the paper's."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from rich.markup import escape

from zsvideo.errors import UserError
from zsvideo.evaluation.record import write_text
from zsvideo.reporting.plots import plt
from zsvideo.reporting.studies.artefacts import artefact, names
from zsvideo.reporting.studies.claims import Finding
from zsvideo.reporting.studies.dashboard import write_dashboard
from zsvideo.reporting.studies.files import Row, latex, markdown, shown, write_csv
from zsvideo.reporting.studies.study import Study
from zsvideo.reporting.studies.style import STYLE
from zsvideo.texts import SafeConsole, in_markdown


def report(name: str, top: Path) -> Path:
    """Write a table or figure of the paper from the runs of its studies, and print it.

    Args:
        name: of an artefact.
        top: folder of the studies of one scale.

    Returns:
        The folder with `<name>.md`, `.csv`, `.tex`, `.png` and `.svg`.

    Raises:
        UserError: no such artefact, or its study has not been run; or, after all is written, that
            records were changed, whose numbers are left out.
    """
    if (made := artefact(name)) is None:
        raise UserError(f"experiments={name} is no artefact; allowed: {', '.join(names())}")
    folder = top / name
    source = made.load(top, name)
    with matplotlib.rc_context(STYLE):
        rows = made.rows(source)
        figure = made.draw(rows, source)
    claims, notes = made.claims(source), made.notes(source)
    folder.mkdir(parents=True, exist_ok=True)
    title = made.title + ("" if top.name == "full" else f"; scale={top.name}")
    write_artefact(folder / name, title, rows, figure=figure, claims=claims, notes=notes)
    page = write_dashboard(top, names())
    console = SafeConsole(width=None if SafeConsole().is_terminal else 140, highlight=False)
    console.print(f"[bold]{escape(title)}[/]")
    console.print(escape(markdown(rows[:40])), soft_wrap=True)
    for line in [*map(str, claims), *notes]:
        console.print(f"[yellow]*[/] {escape(line)}", soft_wrap=True)
    console.print(
        escape(f"{folder}/{name}.md, .csv, .tex, .png, .svg; all studies: {page}"), soft_wrap=True
    )
    studies = [study for study in source if isinstance(study, Study)]
    if changed := [job for study in studies for job in study.outcomes if job.changed]:
        raise UserError(
            f"experiments={name}: {len(changed)} runs were changed after they were written and "
            f"count as missing, such as {changed[0].folder.name} ({changed[0].failure})"
        )
    return folder


def write_artefact(
    stem: Path,
    title: str,
    rows: list[Row],
    *,
    figure: Figure,
    claims: Sequence[Finding],
    notes: Sequence[str],
) -> None:
    """Write an artefact in every format; the same rows give the same files."""
    lines = [
        f"# {title}\n",
        markdown(rows),
        *(f"- {in_markdown(str(line))}" for line in [*claims, *notes]),
    ]
    write_text(stem.with_suffix(".md"), "\n".join(lines) + "\n")
    write_text(stem.with_suffix(".tex"), latex(rows))
    write_csv(rows, stem.with_suffix(".csv"))
    with matplotlib.rc_context(STYLE):
        figure.savefig(stem.with_suffix(".png"), dpi=300, metadata={"Software": None})
        figure.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(figure)
    content = {
        "title": title,
        "claims": [asdict(claim) for claim in claims],
        "remarks": notes,
        "rows": [{key: shown(value) for key, value in row.items()} for row in rows],
    }
    stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
