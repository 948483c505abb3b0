"""All studies of a scale on one page that needs neither network nor account."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from src.reporting.audit_report import inline

PAGE = Path(__file__).parent / "dashboard.html"
SHOWN = 60  # rows of a table; its CSV has all
MEANING = {
    "holds": "the 95 % interval of the difference lies above 0",
    "fails": "it lies below 0",
    "open": "it includes 0",
    "missing": "runs are missing",
}


def write_dashboard(top: Path, artefacts: Sequence[str]) -> Path:
    """Join the reports that lie under a folder into `index.html` there.

    Args:
        top: folder of the studies of one scale.
        artefacts: their names, in the order of the page.
    """
    found = {
        name: json.loads((top / name / f"{name}.json").read_text(encoding="utf-8"))
        for name in artefacts
        if (top / name / f"{name}.json").is_file()
    }
    claims = [(name, claim) for name, content in found.items() for claim in content["claims"]]
    # Fig. 4 has two studies with the same claims.
    distinct = list({(c["target"], c["said"]): (name, c) for name, c in claims}.values())
    counts = {word: sum(c["became"] == word for _, c in distinct) for word in MEANING}
    cards = "".join(
        f'<div class="card {word}"><b>{count}</b><span>{word}: {MEANING[word]}</span></div>'
        for word, count in counts.items()
    )
    lines = "".join(claim_row(name, claim) for name, claim in distinct)
    sections = "".join(section(top, name, content) for name, content in found.items())
    links = "".join(f'<a href="#{n}">{escape(c["title"].split(":")[0])}</a>'
                    for n, c in found.items())  # fmt: skip
    notes = sorted({r for c in found.values() for r in c["remarks"] if r.startswith("scale=")})
    page = Template(PAGE.read_text(encoding="utf-8"))
    file = top / "index.html"
    file.write_text(
        page.substitute(scale=escape(top.name), note=escape(" ".join(notes)), cards=cards,
                        claims=lines, links=links, sections=sections),
        encoding="utf-8",
    )  # fmt: skip
    return file


def claim_row(name: str, claim: dict[str, Any]) -> str:
    """Write a claim as a row that links to its figure."""
    became = claim["became"]
    return (
        f'<tr><td><a href="#{name}">{name}</a></td><td>{escape(claim["target"])}</td>'
        f'<td>{escape(claim["said"])}</td><td><span class="tag {became}">{became}</span></td>'
        f'<td class="num">{escape(claim["detail"])}</td></tr>'
    )


def section(top: Path, name: str, content: dict[str, Any]) -> str:
    """Write the figure, the table and the remarks of an artefact."""
    rows = content["rows"]
    columns = list(rows[0]) if rows else []
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        f'<tr class="{escape(row["from"])}">'
        + "".join(f"<td>{escape(row[column])}</td>" for column in columns)
        + "</tr>"
        for row in rows[:SHOWN]
    )
    more = f"<p>{len(rows) - SHOWN} more rows in {name}.csv</p>" if len(rows) > SHOWN else ""
    said = "".join(f"<li>{escape(line)}</li>" for line in content["remarks"])
    return (
        f'<section id="{name}"><h2>{escape(content["title"])}</h2><div class="both">'
        f"<figure>{inline(top / name / f'{name}.svg')}</figure>"
        f'<div class="side"><ul>{said}</ul><details><summary>numbers</summary>'
        f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>{more}</details>'
        f"</div></div></section>"
    )
