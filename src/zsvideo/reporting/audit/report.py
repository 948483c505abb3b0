"""What an audit leaves behind: a terminal table, `audit.json`, `.csv`, `.html`, and figures."""

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from rich.markup import escape
from rich.table import Table

from zsvideo.evaluation.record import as_json, write_text
from zsvideo.reporting.audit.figures import draw_figures
from zsvideo.semantics.judgement import judgement_remarks
from zsvideo.semantics.text_audit import text_remarks
from zsvideo.texts import SafeConsole, cell

PAGE = Path(__file__).parent / "page.html"
LISTED = 12  # names in a line of the terminal
COLUMNS = (
    "role",
    "dataset",
    "class",
    "kept",
    "reason",
    "nearest",
    "distance",
    "grade",
    "pairs",
    "words",
    "fixed_words",
)


def show_audit(audit: Mapping[str, Any], folder: Path) -> None:
    """Write all files of an audit, and print what it says.

    Args:
        audit: what `zsvideo.semantics.audit.audit` gives, and `videos` if files were compared.
        folder: where to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "audit.json", as_json(audit))
    write_audit_csv(audit, folder / "audit.csv")
    write_page(audit, draw_figures(audit, folder / "figures"), folder / "audit.html")
    console = SafeConsole(width=None if SafeConsole().is_terminal else 120)
    console.print(summary(audit))
    for line in audit_remarks(audit):
        console.print(f"[yellow]*[/] {escape(line)}", highlight=False, soft_wrap=True)
    console.print(
        escape(f"page, tables, figures: {folder}/audit.html, .csv, .json, {folder}/figures/"),
        soft_wrap=True,
    )


def summary(audit: Mapping[str, Any]) -> Table:
    """Make the table of the terminal: one row a set of classes that is trained on."""
    protocol = audit["protocol"]
    table = Table(title=f"protocol {protocol['name']}: {', '.join(protocol['keep_out'])} kept out")
    columns = (
        "trained on",
        "classes",
        "removed",
        "of them same words",
        "left",
        "paper",
        "left: duplicate",
        "contained",
        "near",
        "sibling",
    )
    for column in columns:
        table.add_column(column)
    for role, entry in audit["training"].items():
        counts, survivors = entry["counts"], entry["survivors"]
        table.add_row(
            f"{escape(entry['dataset'])} ({role})",
            *(str(counts[key]) for key in ("classes", "removed", "identical", "kept")),
            str(counts["paper"] or "-"),
            *(str(survivors[key]) for key in ("duplicate", "contained", "near", "sibling")),
        )
    return table


def audit_remarks(audit: Mapping[str, Any]) -> list[str]:
    """List in words what a reader of the table must know."""
    lines = [tau_inside(*own) for own in audit["protocol"].get("taus", {}).items()]
    for role, entry in audit["training"].items():
        counts, about = entry["counts"], f"{entry['dataset']} ({role})"
        same = [row["name"] for row in entry["classes"] if row["reason"] and row["distance"] == 0]
        if role != "source" and same:
            lines.append(
                f"LEAK if weights are trained on all of {about}: {len(same)} of its classes have "
                f"the words of a class kept out: {listed_names(same)}"
            )
        if counts["paper"] and counts["paper"] != counts["kept"]:
            lines.append(
                f"{about}: the paper states {counts['paper']} classes, computed here "
                f"{counts['kept']}"
            )
        border = entry["borderline"]
        for group, verb in (("removed", "removed though the words differ"), ("kept", "kept next")):
            names = [f"{row['name']} ({row['distance']:.4f})" for row in border[group]]
            if names:
                lines.append(f"{about}, {verb}: {listed_names(names)}")
        for grade in ("duplicate", "contained"):
            left = [leak(row) for row in entry["classes"] if row["kept"] and row["grade"] == grade]
            if left:
                lines.append(f"{about}: {len(left)} left that are {grade}: {listed_names(left)}")
        if entry["agreement"]["pairs"]["leak"]:
            lines.append(f"{about}: signals against verdicts, classes left: {agreed(entry)}")
    for name, cover in audit["coverage"].items():
        if cover["covered"] < cover["count"]:
            lines.append(
                f"{name}: vectors cover {cover['covered']} of {cover['count']} classes "
                f"({cover['percent']:.1f} %); the others are compared by their words "
                "alone"
            )
    lines += judgement_remarks(audit.get("judged", ()))
    if texts := audit.get("texts"):
        lines += text_remarks(texts)
    return lines + video_remarks(audit.get("videos"))


def tau_inside(dataset: str, closest: Mapping[str, Any]) -> str:
    """Say which pair of a data set makes its tau, and which equal ones do not."""
    line = f"{dataset}: tau {closest['tau']:.4f}, the distance of {' and '.join(closest['pair'])}"
    same = [" = ".join(pair) for pair in closest["same"]]
    return line + (f"; pairs at distance 0 make no tau: {listed_names(same)}" if same else "")


def video_remarks(videos: Mapping[str, Any] | None) -> list[str]:
    """Say which files are the same video."""
    if videos is None:
        return []
    counts = videos["compared"]
    lines = [
        f"videos: {counts['source']} of training against {counts['targets']} of the targets: "
        f"{len(videos['pairs'])} pairs are the same video"
    ]
    lines += [
        f"  {p['source']} = {p['target']} ({', '.join(p['evidence'])})"
        for p in videos["pairs"][:LISTED]
    ]
    if videos["unreadable"]:
        lines.append(
            f"videos: {len(videos['unreadable'])} cannot be decoded and were compared by "
            "name and bytes only (audit.json names them)"
        )
    return lines


def leak(row: Mapping[str, Any]) -> str:
    """Name a class with the target of its worst pair."""
    pair = next(pair for pair in row["pairs"] if pair["grade"] == row["grade"])
    return f"{row['name']} ~ {pair['target']}"


def agreed(entry: Mapping[str, Any]) -> str:
    """Put precision and recall of the signals into words."""
    parts = [
        f"{key} precision {a['precision']:.2f}, recall {a['recall']:.2f}"
        for key, a in entry["agreement"].items()
        if key != "duplicates"
    ]
    same = entry["agreement"]["duplicates"]
    return "; ".join([*parts, f"{same['both']} of {same['leak']} duplicates flagged"])


def listed_names(names: list[str]) -> str:
    """Join names, the first of many."""
    return ", ".join(names[:LISTED]) + (f" ... ({len(names)})" if len(names) > LISTED else "")


def write_audit_csv(audit: Mapping[str, Any], file: Path) -> None:
    """Write one row a class, sorted by distance (the data of Fig. 3)."""
    with file.open("w", newline="", encoding="utf-8", errors="backslashreplace") as opened:
        writer = csv.writer(opened)
        writer.writerow(COLUMNS)
        for role, entry in audit["training"].items():
            for row in entry["classes"]:
                pairs = "; ".join(f"{p['target']} {p['grade']}" for p in row["pairs"])
                line = {**row, "role": role, "dataset": entry["dataset"], "class": row["name"]}
                row_values = [pairs if key == "pairs" else line[key] for key in COLUMNS]
                writer.writerow(map(cell, row_values))


def write_page(audit: Mapping[str, Any], figures: list[tuple[str, Path]], file: Path) -> None:
    """Write the page: one file without anything from elsewhere, for a browser without network."""
    pictures = "\n".join(
        f"<figure><figcaption>{caption}</figcaption>{inline(svg)}</figure>"
        for caption, svg in figures
    )
    content = {key: value for key, value in audit.items() if key != "map"}
    data = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    notes = json.dumps(audit_remarks(audit), ensure_ascii=False).replace("<", "\\u003c")
    page = Template(PAGE.read_text(encoding="utf-8"))
    write_text(file, page.substitute(data=data, remarks=notes, figures=pictures))


def inline(svg: Path) -> str:
    """Give an SVG's element without the XML head, scaled to the page, with ids of its own."""
    text = svg.read_text(encoding="utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r'(\bid="|"#(?=[\w-]+")|url\(#)', rf"\g<1>{svg.stem}-", text)
    return re.sub(
        r'<svg ([^>]*?)width="[^"]*"',
        r"<svg \1",
        re.sub(r' height="[^"]*pt"', "", text, count=1),
        count=1,
    )
