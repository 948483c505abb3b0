"""All studies of a scale on one page that needs neither network nor account."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from zsvideo.reporting.audit.report import inline

PAGE = Path(__file__).parent / "dashboard.html"
SHOWN = 60  # rows of a table; its CSV has all
SHORT = 30  # rows of a table that is not folded
REACH = 20  # points that a drawn interval reaches at most, to both sides of 0
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
    contents = {
        name: json.loads((top / name / f"{name}.json").read_text(encoding="utf-8"))
        for name in artefacts
        if (top / name / f"{name}.json").is_file()
    }
    # Fig. 4 is the report of two studies: the one that knows more of both is shown.
    by_title: dict[str, str] = {}
    for name, content in contents.items():
        best = by_title.setdefault(content["title"], name)
        if len(content["rows"]) > len(contents[best]["rows"]):
            by_title[content["title"]] = name
    contents = {name: contents[name] for name in by_title.values()}
    claims = [(name, claim) for name, content in contents.items() for claim in content["claims"]]
    counts = {word: sum(c["became"] == word for _, c in claims) for word in MEANING}
    cards = "".join(
        f'<div class="card {word}"><b>{count}</b><span>{word}: {MEANING[word]}</span></div>'
        for word, count in counts.items()
    )
    lines = "".join(claim_row(name, claim) for name, claim in claims)
    sections = "".join(section(top, name, content) for name, content in contents.items())
    links = "".join(
        f'<a href="#{n}">{escape(c["title"].split(":")[0])}</a>' for n, c in contents.items()
    )
    notes = sorted({r for c in contents.values() for r in c["remarks"] if r.startswith("scale=")})
    page = Template(PAGE.read_text(encoding="utf-8"))
    file = top / "index.html"
    file.write_text(
        page.substitute(
            scale=escape(top.name),
            note=escape(" ".join(notes)),
            cards=cards,
            claims=lines,
            links=links,
            sections=sections,
            reach=REACH,
        ),
        encoding="utf-8",
    )
    return file


def claim_row(name: str, claim: dict[str, Any]) -> str:
    """Write a claim as a row that links to its figure."""
    return (
        f'<tr><td><a href="#{name}">{name}</a></td><td>{escape(claim["target"])}</td>'
        f"<td>{escape(claim['said'])}</td><td>{tag(claim)}</td><td>{drawn_interval(claim)}</td>"
        f'<td class="num">{escape(claim["detail"])}</td></tr>'
    )


def tag(claim: dict[str, Any]) -> str:
    """Write what became of a claim."""
    return f'<span class="tag {claim["became"]}">{claim["became"]}</span>'


def drawn_interval(claim: dict[str, Any]) -> str:
    """Draw the interval of a claim about 0, from -REACH to REACH."""
    if claim.get("interval") is None or "points" not in claim["detail"]:
        return ""
    mean, low, high = (80 + 80 * max(-1, min(1, v / REACH)) for v in claim["interval"])
    return (
        f'<svg class="interval {claim["became"]}" width="160" height="14" role="img">'
        '<line x1="80" x2="80" y1="0" y2="14" class="zero"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="7" y2="7"/>'
        f'<circle cx="{mean:.1f}" cy="7" r="3.5"/></svg>'
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
    claims = "".join(
        f"<p>{tag(claim)} {escape(claim['target'])}: {escape(claim['said'])}</p>"
        for claim in content["claims"]
    )
    remarks = "".join(
        f"<li>{escape(line)}</li>" for line in content["remarks"] if not line.startswith("scale=")
    )
    unfolded = " open" if len(rows) <= SHORT else ""
    return (
        f'<section id="{name}"><h2>{escape(content["title"])}</h2><div class="both">'
        f"<figure>{inline(top / name / f'{name}.svg')}</figure>"
        f'<div class="side">{claims}<ul>{remarks}</ul><details{unfolded}><summary>numbers</summary>'
        f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>{more}</details>'
        f"</div></div></section>"
    )
