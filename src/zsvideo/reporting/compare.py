"""Runs side by side, where their numbers mean the same; otherwise what differs, in one line."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.markup import escape

from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import Check
from zsvideo.evaluation.record import as_json, write_text
from zsvideo.reporting.identity import fields, protocol_hash, warnings_of
from zsvideo.reporting.quoted import beside, quoted
from zsvideo.reporting.rows import Row, over_seeds, paired_content
from zsvideo.reporting.run import Run
from zsvideo.reporting.table import markdown_lines, videos_used
from zsvideo.texts import SafeConsole, in_markdown

COLUMNS = (
    "run",
    "top-1 %",
    "95 % (classes, videos)",
    "top-5 %",
    "macro top-1 %",
    "videos",
    "warnings",
    "protocol",
)


def write_comparison(
    paths: Sequence[str], force: bool, quoted_file: str | None, resamples: int, out: Path
) -> None:
    """Write and print a comparison: tables, paired differences, means over seeds, quoted numbers.

    Args:
        paths: run folders, or folders of runs (sweeps).
        force: put rows that differ into one table, with what differs.
        quoted_file: more quoted numbers.
        resamples: of the bootstrap.
        out: folder for `comparison.md` and `comparison.json`.

    Raises:
        UserError: rows differ in a field of their protocol, or there is nothing to compare.
    """
    runs = runs_by_name(paths)
    groups = comparable(runs)
    compared = {row.name for rows in groups for row in rows}
    checks = {name: run.check() for name, run in runs.items() if name in compared}
    if not force:
        for name, check in checks.items():
            refuse_changed(name, check)
        for rows in groups:
            refuse_difference(rows)
    others = quoted(quoted_file)
    tables = [
        {
            "track": rows[0].fields["track"],
            "target": rows[0].target,
            "evaluation": rows[0].evaluation,
            "rows": [row_content(row, rows[0], checks[row.name]) for row in rows],
            "paired": [paired_content(rows[0], row, resamples) for row in rows[1:]],
            "seeds": over_seeds(rows),
            "quoted": [
                vars(q)
                for q in beside(others, rows[0].target, rows[0].evaluation, rows[0].fields["track"])
            ],
        }
        for rows in groups
    ]
    out.mkdir(parents=True, exist_ok=True)
    text = comparison_markdown(tables)
    write_text(out / "comparison.json", as_json(tables))
    write_text(out / "comparison.md", text)
    console = SafeConsole(soft_wrap=True, highlight=False)
    console.print(escape(text))
    console.print(escape(f"written: {out}/comparison.md, comparison.json"))


def runs_by_name(paths: Sequence[str]) -> dict[str, Run]:
    """Find the runs, by the shortest end of their path that tells them apart.

    Raises:
        UserError: a path holds no finished run, or there is only one.
    """
    folders: list[Path] = []
    for path in (Path(str(path)).expanduser() for path in paths):
        inner = sorted(file.parent for file in path.glob("*/metrics.json"))
        if not (path / "metrics.json").is_file() and not inner:
            raise UserError(
                f"compare: {path} holds no finished run; give run folders or folders of runs"
            )
        folders += [path] if (path / "metrics.json").is_file() else inner
    folders = list(dict.fromkeys(folders))
    if len(folders) < 2:
        raise UserError("compare needs two runs or more: compare=[RUN,RUN]")
    parts = [folder.resolve().parts for folder in folders]
    length = 1
    while len({p[-length:] for p in parts}) < len(parts):
        length += 1
    return {"/".join(p[-length:]): Run(f) for p, f in zip(parts, folders, strict=True)}


def comparable(runs: Mapping[str, Run]) -> list[list[Row]]:
    """Put the rows of the same track, target and evaluation together, those of two or more runs.

    Raises:
        UserError: no two runs have one in common.
    """
    rows = [
        Row(name, run, target, evaluation, fields(run, target, evaluation))
        for name, run in runs.items()
        for target in run.targets
        for evaluation, numbers in run.record.targets[target].evaluations.items()
        if numbers.is_accuracy
    ]
    rows.sort(key=shared_names)
    groups = [list(group) for _, group in groupby(rows, key=shared_names)]
    together = [group for group in groups if len(group) > 1]
    if not together:
        tracks = {name: run.record.track for name, run in runs.items()}
        if len({*tracks.values()}) > 1:
            raise UserError(
                "compare: "
                + ", ".join(f"{name} is of the track {track}" for name, track in tracks.items())
                + "; numbers of several tracks are never in one table"
            )
        raise UserError(
            f"compare: {', '.join(runs)} have no target and evaluation in common; score them alike "
            "with python -m src.evaluate predictions=RUN"
        )
    return together


def refuse_changed(name: str, check: Check) -> None:
    """Raise UserError for a run whose numbers do not follow from its predictions."""
    if check.changed:
        raise UserError(
            f"compare: {name} was changed after it was written: {'; '.join(check.changed)}; "
            "force=true shows it, marked"
        )
    if check.missing:
        raise UserError(
            f"compare: the numbers of {name} cannot be compared with its predictions: "
            f"{'; '.join(check.missing)}; force=true shows them, marked"
        )


def check_warnings(check: Check) -> list[str]:
    """List what a reader must see beside numbers that do not follow from predictions."""
    return [
        *(f"CHANGED: {line}" for line in check.changed[:1]),
        *(f"UNCHECKED: {line}" for line in (*check.missing, *check.unchecked)[:1]),
    ]


def shared_names(row: Row) -> tuple[str, str, str]:
    """Give what rows of one table share by name."""
    return row.fields["track"], row.target, row.evaluation


def differing_fields(row: Row, first: Row) -> list[str]:
    """List the fields in which two rows differ."""
    names = dict.fromkeys([*first.fields, *row.fields])
    return [n for n in names if first.fields.get(n) != row.fields.get(n)]


def refuse_difference(rows: Sequence[Row]) -> None:
    """Raise UserError for the first rows that differ; says in what."""
    first = rows[0]
    for row in rows[1:]:
        if names := differing_fields(row, first):
            more = f" (and in {', '.join(names[1:])})" if names[1:] else ""
            raise UserError(
                f"compare: {first.name} and {row.name} differ in {names[0]} for {row.target}, "
                f"{row.evaluation}: {short(first.fields.get(names[0]))} against "
                f"{short(row.fields.get(names[0]))}{more}; force=true shows both with the "
                "difference"
            )


def short(content: Any) -> str:
    """Show a value of a field, hashes cut."""
    if isinstance(content, list):
        return "[" + ", ".join(map(short, content)) + "]"
    text = str(content)
    return text[:12] if len(text) == 64 else text


def row_content(row: Row, first: Row, check: Check) -> dict[str, Any]:
    """Say what a table says of a row."""
    numbers = row.numbers
    ends = numbers.interval.get("top1", {}).get("both")
    return {
        "run": row.name,
        "top-1 %": numbers.shown("top1"),
        "95 % (classes, videos)": f"{ends[0]:.1f} to {ends[1]:.1f}" if ends else "-",
        "top-5 %": numbers.shown("top5"),
        "macro top-1 %": numbers.shown("macro_top1"),
        "videos": videos_used(row.run.record.targets[row.target]),
        "warnings": "; ".join([*check_warnings(check), *warnings_of(row.run)]) or "-",
        "protocol": protocol_hash(dict(row.fields))[:12],
        "differs": [
            f"{name}: {short(first.fields.get(name))} -> {short(row.fields.get(name))}"
            for name in differing_fields(row, first)
        ],
    }


def comparison_markdown(groups: Sequence[dict[str, Any]]) -> str:
    """Write the comparison as Markdown."""
    lines = ["# Comparison"]
    for group in groups:
        track = "" if group["track"] == "video" else f" (track: {group['track']})"
        columns = [*COLUMNS, *(["differs"] if any(r["differs"] for r in group["rows"]) else [])]
        lines += ["", f"## {in_markdown(group['target'])}, {group['evaluation']}{track}", ""]
        shown = [{**row, "differs": "; ".join(row["differs"]) or "-"} for row in group["rows"]]
        cells = ([in_markdown(row[c]) for c in columns] for row in shown)
        lines += [*markdown_lines(columns, cells), ""]
        lines += [f"- {in_markdown(paired_line(entry))}" for entry in group["paired"]]
        for mean in group["seeds"]:
            ends = mean["interval"]
            lines.append(
                f"- mean over seeds {', '.join(map(str, mean['seeds']))}: top-1 {mean['mean']:.1f} "
                f"± {mean['std']:.1f} (ddof = 1), 95 % of the mean {ends[0]:.1f} to {ends[1]:.1f}"
            )
        if group["quoted"]:
            lines += ["", "Quoted, not measured here; their protocols differ:", ""]
            lines += markdown_lines(
                ["quoted", "top-1 %", "source", "protocol"],
                (
                    [
                        f"{in_markdown(q['row'])} (quoted)",
                        f"{q['value']:g}",
                        in_markdown(q["source"]),
                        in_markdown(q["protocol"]),
                    ]
                    for q in group["quoted"]
                ),
            )
    return "\n".join(lines) + "\n"


def paired_line(entry: dict[str, Any]) -> str:
    """Say in words how two runs differ on the same videos."""
    what = f"{entry['second']} less {entry['first']}"
    if "not_paired" in entry:
        return f"{what}: {entry['not_paired']}"
    parts = [
        f"over {scheme} {ends[0]:+.1f} to {ends[1]:+.1f} (p {entry['p_bootstrap'][scheme]:.3g})"
        for scheme, ends in entry["interval"].items()
    ]
    text = f"{what}, same videos: {entry['difference']:+.1f} points; 95 % {', '.join(parts)}"
    if "p_mcnemar" in entry:
        text += (
            f"; McNemar's exact test p {entry['p_mcnemar']:.3g} ({entry['only_second']} videos "
            f"only the former has right, {entry['only_first']} only the latter)"
        )
    return text
