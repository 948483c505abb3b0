"""The rows of the paper's tables from a study, beside the paper's own; and files of any rows."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zsvideo.reporting.studies.study import REPEATS, Job, Spread, Study, spread

PAPER = Path(__file__).parent.parent / "paper.tsv"
QUOTED = Path(__file__).parent.parent / "quoted.tsv"
ABOUT = ("source", "protocol")  # of a row; long, so that figures and LaTeX have them as notes
COLUMNS = {
    "table1": [("half", "top1")],
    "table2": [("full", "top1"), ("full", "top5")],
    "table3": [("half", "top1"), ("half", "top5"), ("full", "top1"), ("full", "top5")],
}
AXES = {  # those that the name of a row tells; others are added to it
    "table1": ("model", "protocol"),
    "table2": ("model", "protocol"),
    "table3": ("method", "pretrain", "clips.test_clips"),
}
LATEX = {
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
}
Row = dict[str, Any]


def paper_values(artefact: str) -> dict[str, dict[tuple[str, str, str], float]]:
    """Read what the paper states of an artefact: row to (target, evaluation, measure) to value."""
    found: dict[str, dict[tuple[str, str, str], float]] = {}
    with PAPER.open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines, delimiter="\t"):
            if line["artefact"] == artefact:
                key = (line["target"], line["evaluation"], line["measure"])
                found.setdefault(line["row"], {})[key] = float(line["value"])
    return found


def paper_sources(artefact: str) -> dict[str, tuple[str, str]]:
    """Read who reports each row of an artefact, quoted in what, and by which protocol."""
    with QUOTED.open(newline="", encoding="utf-8") as lines:
        return {
            line["row"]: (line["source"], line["protocol"])
            for line in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            if line["artefact"] == artefact
        }


def others_quote(one: Row) -> bool:
    """Tell whether a row is another work's number, as the paper quotes it."""
    return "as quoted in" in one.get("source", "")


def notes(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Give each source and protocol of quoted rows a letter."""
    about = [tuple(r[key] for key in ABOUT) for r in rows if r["from"] == "paper" and "source" in r]
    return {key: chr(ord("a") + n) for n, key in enumerate(dict.fromkeys(about))}


def note_of(one: Row, letters: dict[tuple[str, str], str]) -> str:
    """Give the letter of a row; empty for a row of ours."""
    return letters.get((one.get("source", ""), one.get("protocol", "")), "")


def note_lines(letters: dict[tuple[str, str], str]) -> list[str]:
    """Write the notes out."""
    return [f"{letter}: {source}; {how}" for (source, how), letter in letters.items()]


def row_name(artefact: str, job: Job) -> str:
    """Name the row of a job as `paper.tsv` does, and add the axes that the paper has not."""
    known = AXES[artefact]
    name = ticks(job) if artefact == "table3" else " ".join(str(job.axes[a]) for a in known)
    return " ".join([name, *others(job, known)])


def ticks(job: Job) -> str:
    """Name the parts of the method that a job of Table 3 has."""
    axes = job.axes
    clean = axes["method"] == "baseline" and axes["pretrain"] == "classify"
    parts = ["clean baseline"] * clean + ["e2e"] * (axes["method"] == "e2e")
    parts += ["augment"] * (axes["method"] == "e2e" and axes["pretrain"] != "none")
    parts += ["multi"] * (axes["clips.test_clips"] > 1)
    return " + ".join(parts) or "none"


def others(job: Job, known: Sequence[str]) -> list[str]:
    """List the axes of a job, beyond those known and the repeats, that are not as usual."""
    usual = {"method": "e2e", "pretrain": "none"}
    return [
        f"{axis.split('.')[-1]}={value}"
        for axis, value in job.axes.items()
        if axis not in (*known, *REPEATS) and usual.get(axis) != value
    ]


def table_rows(study: Study, artefact: str) -> list[Row]:
    """Make the rows of a table: each of the paper's, ours below it, then those it has not.

    Returns:
        Rows with `row`, `from` (paper or ours), `target evaluation measure` columns, each a
        number of the paper, a `Spread` of ours, or None where the paper says nothing, and the
        `source` and `protocol` of the numbers.
    """
    paper, sources = paper_values(artefact), paper_sources(artefact)
    stated = list(dict.fromkeys(key[0] for values in paper.values() for key in values))
    own = [t for t in study.targets if t not in stated]
    if artefact == "table3" and set(study.targets) & set(stated):
        own = []  # the paper's is on UCF101 alone
    keys = [(t, *column) for t in [*own, *stated] for column in COLUMNS[artefact]]
    ours = study.groups(lambda job: row_name(artefact, job))
    rows = []
    stems = list(paper)

    def place(name: str) -> int:  # below the paper's row that it varies
        own = [stem for stem in stems if name == stem or name.startswith(f"{stem} ")]
        return stems.index(max(own, key=len)) if own else len(stems)

    for name in sorted(dict.fromkeys([*paper, *ours]), key=place):
        if name in paper:
            values = [paper[name].get(key) for key in keys]
            rows.append(row(name, "paper", keys, values, sources[name]))
        if name in ours:
            jobs = ours[name]
            tested = [t for job in jobs if job.run for t in job.run.targets] or study.targets
            spreads = [
                spread([job.score(*key) for job in jobs]) if key[0] in tested else None
                for key in keys
            ]
            if not any(spreads):  # nothing has run: each entry of the table is missing
                spreads = [Spread(None, None, 0, len(jobs)) for _ in keys]
            rows.append(row(name, "ours", keys, spreads, ("measured here", how_trained(jobs))))
    return rows


def how_trained(jobs: Sequence[Job]) -> str:
    """Say by which training protocols and selections the runs of a row were made."""
    metrics = [job.run.metrics for job in jobs if job.run]
    names = [str((m.get("protocol") or {}).get("name", "not recorded")) for m in metrics]
    how = [str(m.get("selection", "not recorded")) for m in metrics]
    if not metrics:
        return ""
    return (
        f"training protocol {', '.join(dict.fromkeys(names))}; checkpoint: "
        f"{', '.join(dict.fromkeys(how))}"
    )


def row(
    name: str,
    of: str,
    keys: Sequence[tuple[str, str, str]],
    values: Sequence[Any],
    about: tuple[str, str],
) -> Row:
    """Join the values of a row with their columns."""
    named = {" ".join(key): value for key, value in zip(keys, values, strict=True)}
    return {"row": name, "from": of, **named, **dict(zip(ABOUT, about, strict=True))}


def shown(value: Any) -> str:
    """Write a value of a row."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(shown(one) for one in value)
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1 else f"{value:.1f}"
    return str(value)


def markdown(rows: Sequence[Row]) -> str:
    """Write rows as a Markdown table."""
    columns = list(rows[0]) if rows else []
    lines = [columns, ["---"] * len(columns)]
    lines += [[shown(r[c]).replace("|", "\\|") for c in columns] for r in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def latex(rows: Sequence[Row]) -> str:
    """Write rows as a LaTeX tabular with booktabs rules, the sources of quoted ones as notes."""
    columns = [column for column in rows[0] if column not in ABOUT] if rows else []
    letters = notes(rows)
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{" + "l" * 2 + "r" * (len(columns) - 2) + "}",
        r"\toprule",
    ]
    lines += [" & ".join(map(escaped, columns)) + r" \\", r"\midrule"]
    for one in rows:
        name, *rest = (escaped(shown(one[c])) for c in columns)
        if letter := note_of(one, letters):
            name += rf"\textsuperscript{{{letter}}}"
        lines.append(" & ".join([name, *rest]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {escaped(line)}" for line in note_lines(letters)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Write a text as LaTeX."""
    return "".join(LATEX.get(sign, sign) for sign in text)


def write_csv(rows: Sequence[Row], file: Path) -> None:
    """Write rows as CSV; a spread takes four columns: mean, half its interval, count, asked."""
    flat = []
    for one in rows:
        line: Row = {}
        for key, value in one.items():
            if any(isinstance(other[key], Spread) for other in rows):
                is_spread = isinstance(value, Spread)
                line[key] = value.mean if is_spread else value
                line[f"{key} ci95"] = value.half if is_spread else None
                line[f"{key} runs"] = value.count if is_spread else None
                line[f"{key} asked"] = value.asked if is_spread else None
            else:
                line[key] = value
        flat.append(line)
    with file.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, list(flat[0]) if flat else [])
        writer.writeheader()
        writer.writerows(flat)
