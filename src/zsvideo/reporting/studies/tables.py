"""The paper's tables: its rows, with ours from a study below them, and their top-1 as a figure."""

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zsvideo.reporting.plots import plt
from zsvideo.reporting.quoted import HERE, read_tsv
from zsvideo.reporting.studies.files import ABOUT, Row, is_quoted, note_letter, note_letters
from zsvideo.reporting.studies.study import Spread, Study, Trial, spread
from zsvideo.reporting.studies.style import (
    COLOURS,
    PAPER,
    QUOTED,
    WIDTH,
    column_values,
    of,
    write_notes,
)
from zsvideo.semantics.records import UNKNOWN

Key = tuple[str, str, str]  # target, evaluation and measure of a column


def paper_values(table: str) -> dict[str, dict[Key, float]]:
    """Read what a table of the paper states: row to (target, evaluation, measure) to value."""
    values: dict[str, dict[Key, float]] = {}
    for line in read_tsv(HERE / "paper.tsv"):
        if line["artefact"] == table:
            key = (line["target"], line["evaluation"], line["measure"])
            values.setdefault(line["row"], {})[key] = float(line["value"])
    return values


def paper_sources(table: str) -> dict[str, tuple[str, str]]:
    """Read who reports each row of a table, quoted in what, and by which protocol."""
    lines = read_tsv(HERE / "quoted.tsv")
    return {r["row"]: (r["source"], r["protocol"]) for r in lines if r["artefact"] == table}


def named_by(*axes: str) -> Callable[[Trial], str]:
    """Name the row of a trial by some axes, as `paper.tsv` does, and by others not as usual."""
    return lambda trial: " ".join([*(str(trial.axes[a]) for a in axes), *trial.others(axes)])


def table_rows(
    study: Study,
    table: str,
    columns: Sequence[tuple[str, str]],
    name: Callable[[Trial], str],
    more_targets: bool = True,
) -> list[Row]:
    """Make the rows of a table: each of the paper's, ours below it, then those it has not.

    Args:
        study: of the table.
        table: as `paper.tsv` names it.
        columns: evaluation and measure of each column of a target.
        name: gives the row that a trial belongs to.
        more_targets: also show targets that the paper's table has not, beside those that it has.

    Returns:
        Rows with `row`, `from` (paper or ours), `target evaluation measure` columns, each a
        number of the paper, a `Spread` of ours, or None where the paper says nothing, and the
        `source` and `protocol` of the numbers.
    """
    paper, sources = paper_values(table), paper_sources(table)
    stated = list(dict.fromkeys(key[0] for values in paper.values() for key in values))
    own = [target for target in study.targets if target not in stated]
    if not more_targets and set(study.targets) & set(stated):
        own = []
    keys = [(target, *column) for target in [*own, *stated] for column in columns]
    ours = study.groups(name)
    stems, rows = list(paper), []

    def place(row: str) -> int:  # below the paper's row that it varies
        varied = [stem for stem in stems if row == stem or row.startswith(f"{stem} ")]
        return stems.index(max(varied, key=len)) if varied else len(stems)

    for row in sorted(dict.fromkeys([*paper, *ours]), key=place):
        if row in paper:
            values = [paper[row].get(key) for key in keys]
            rows.append(table_row(row, "paper", keys, values, sources[row]))
        if row in ours:
            about = ("measured here", how_trained(ours[row]))
            rows.append(table_row(row, "ours", keys, spreads(study, ours[row], keys), about))
    return rows


def spreads(study: Study, trials: Sequence[Trial], keys: Sequence[Key]) -> list[Spread | None]:
    """Average trials for each column; None for a target that none of them is tested on."""
    tested = [t for trial in trials if trial.run for t in trial.run.targets] or study.targets
    means = [
        spread([trial.score(*key) for trial in trials]) if key[0] in tested else None
        for key in keys
    ]
    if any(means):
        return means
    return [Spread(None, None, 0, len(trials)) for _ in keys]  # nothing has run: all are missing


def how_trained(trials: Sequence[Trial]) -> str:
    """Say by which training protocols and selections the runs of a row were made."""
    records = [trial.run.record for trial in trials if trial.run]
    names = [record.protocol.name or UNKNOWN for record in records]
    how = [record.selection for record in records]
    if not records:
        return ""
    return (
        f"training protocol {', '.join(dict.fromkeys(names))}; checkpoint: "
        f"{', '.join(dict.fromkeys(how))}"
    )


def table_row(
    name: str, origin: str, keys: Sequence[Key], values: Sequence[Any], about: tuple[str, str]
) -> Row:
    """Join the values of a row with their columns."""
    named = {" ".join(key): value for key, value in zip(keys, values, strict=True)}
    return {"row": name, "from": origin, **named, **dict(zip(ABOUT, about, strict=True))}


def table_figure(rows: Sequence[Row]) -> Figure:
    """Draw the top-1 of a table: one panel a column, a point a row, the paper's open diamonds."""
    columns = [c for c in rows[0] if c.endswith("top1") and any(row[c] is not None for row in rows)]
    named = {c: column_values([row for row in rows if row[c] is not None], "row") for c in columns}
    heights = [0.45 + 0.16 * len(names) for names in named.values()]
    letters = note_letters(rows)
    marks = {row["row"]: mark for row in rows if (mark := note_letter(row, letters))}
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
                    sign, ink = ("^", QUOTED) if is_quoted(row) else ("D", PAPER)
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
    if any(is_quoted(row) for row in rows):
        look: dict[str, Any] = {"marker": "^", "ls": "", "mfc": "none", "color": QUOTED}
        keys.append(Line2D([], [], label="as quoted in the paper", **look))
    figure.legend(handles=keys, loc="outside upper center", ncols=2, frameon=False)
    write_notes(figure, rows)
    return figure
