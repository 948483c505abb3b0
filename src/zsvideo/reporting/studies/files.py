"""Rows of an artefact as Markdown, CSV and LaTeX."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zsvideo.reporting.studies.study import Spread
from zsvideo.texts import cell, in_markdown, printable

ABOUT = ("source", "protocol")  # of a row; long, so that figures and LaTeX have them as notes
LATEX = {
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "|": r"\textbar{}",
}
Row = dict[str, Any]


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
    lines += [[in_markdown(shown(row[c])) for c in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def latex(rows: Sequence[Row]) -> str:
    """Write rows as a LaTeX tabular with booktabs rules, the sources of quoted ones as notes."""
    columns = [column for column in rows[0] if column not in ABOUT] if rows else []
    letters = note_letters(rows)
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{tabular}{" + "l" * 2 + "r" * (len(columns) - 2) + "}",
        r"\toprule",
    ]
    lines += [" & ".join(map(escaped, columns)) + r" \\", r"\midrule"]
    for row in rows:
        name, *rest = (escaped(shown(row[c])) for c in columns)
        name = "{}" * name.startswith(("[", "*")) + name  # the row before would take it
        if letter := note_letter(row, letters):
            name += rf"\textsuperscript{{{letter}}}"
        lines.append(" & ".join([name, *rest]) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {escaped(line)}" for line in note_lines(letters)]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Write a text as LaTeX."""
    return "".join(LATEX.get(sign, sign) for sign in printable(text))


def is_quoted(row: Row) -> bool:
    """Tell whether a row is another work's number, as the paper quotes it."""
    return "as quoted in" in row.get("source", "")


def note_letters(rows: Sequence[Row]) -> dict[tuple[str, str], str]:
    """Give each source and protocol of quoted rows a letter."""
    about = [tuple(r[key] for key in ABOUT) for r in rows if r["from"] == "paper" and "source" in r]
    return {key: chr(ord("a") + n) for n, key in enumerate(dict.fromkeys(about))}


def note_letter(row: Row, letters: dict[tuple[str, str], str]) -> str:
    """Return the letter of a row; empty for a row of ours."""
    return letters.get((row.get("source", ""), row.get("protocol", "")), "")


def note_lines(letters: dict[tuple[str, str], str]) -> list[str]:
    """Write the notes out."""
    return [f"{letter}: {source}; {how}" for (source, how), letter in letters.items()]


def write_csv(rows: Sequence[Row], file: Path) -> None:
    """Write rows as CSV; a spread takes four columns: mean, half its interval, count, asked."""
    spreads = {key for row in rows for key, value in row.items() if isinstance(value, Spread)}
    lines = []
    for row in rows:
        line: Row = {}
        for key, value in row.items():
            is_spread = isinstance(value, Spread)
            line[key] = value.mean if is_spread else value
            if key in spreads:
                line[f"{key} ci95"] = value.half if is_spread else None
                line[f"{key} runs"] = value.count if is_spread else None
                line[f"{key} asked"] = value.asked if is_spread else None
        lines.append(line)
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as opened:
        writer = csv.DictWriter(opened, list(lines[0]) if lines else [])
        writer.writeheader()
        writer.writerows({key: cell(value) for key, value in line.items()} for line in lines)
