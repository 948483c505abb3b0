"""Draw and print a finished run."""

import csv
from pathlib import Path

from rich.markup import escape

from zsvideo.evaluation.diagnosis import confusion_matrix
from zsvideo.evaluation.record import as_json, write_text
from zsvideo.reporting import figures, table
from zsvideo.reporting.card import write_card
from zsvideo.reporting.identity import warnings_of
from zsvideo.reporting.run import Run
from zsvideo.texts import SafeConsole, cell, in_markdown


def show_run(run: Run) -> Run:
    """Write the table, the card, `analysis/` and `figures/` of a run; print table and remarks."""
    folder, remarks, warnings = run.folder, table.run_remarks(run), warnings_of(run)
    (folder / "analysis").mkdir(exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    for target in run.targets:
        write_text(folder / "analysis" / f"{target}.json", as_json(run.diagnosis(target)))
        write_confusions(run, target, folder / "analysis" / f"{target}_confusion.csv")
        figures.confusion_figure(run, target, folder / "figures" / f"{target}_confusion.png")
        figures.accuracy_figure(run, target, folder / "figures" / f"{target}.png")
        if samples := run.samples(target):
            figures.clip_sheet(samples, folder / "figures" / f"{target}.gif")
    write_card(run)
    lines = [
        *(f"**{in_markdown(warning)}**\n" for warning in warnings),
        table.markdown_table(run),
        *(f"- {in_markdown(remark)}\n" for remark in remarks),
    ]
    write_text(folder / "results.md", "\n".join(lines))
    console = SafeConsole(width=None if SafeConsole().is_terminal else 120)
    console.print(table.terminal_table(run))
    for warning in warnings:
        console.print(f"[bold red]{escape(warning)}[/]", highlight=False)
    for remark in remarks:
        console.print(f"[yellow]*[/] {escape(remark)}", highlight=False, soft_wrap=True)
    console.print(
        escape(f"table, figures, clips: {folder}/results.md, {folder}/figures/"), soft_wrap=True
    )
    console.print(escape(f"protocol card: {folder}/card.md"), soft_wrap=True)
    return run


def write_confusions(run: Run, target: str, file: Path) -> None:
    """Write how many videos of each class (rows) are taken for which (columns)."""
    predictions = run.predictions(target)
    names = [cell(str(name)) for name in predictions.class_names]
    with file.open("w", newline="", encoding="utf-8", errors="replace") as opened:
        writer = csv.writer(opened)
        writer.writerow(["class / taken for", *names])
        counts = confusion_matrix(predictions).tolist()
        writer.writerows([name, *row] for name, row in zip(names, counts, strict=True))
