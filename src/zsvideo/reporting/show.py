"""Draw and print a finished run."""

from rich.console import Console
from rich.markup import escape

from zsvideo.evaluation.record import as_json, write_text
from zsvideo.reporting import figures, table
from zsvideo.reporting.card import write_card
from zsvideo.reporting.identity import warnings_of
from zsvideo.reporting.run import Run


def show_run(run: Run) -> Run:
    """Write the table, the card, `analysis/` and `figures/` of a run; print table and remarks."""
    folder, remarks, warnings = run.folder, table.run_remarks(run), warnings_of(run)
    (folder / "analysis").mkdir(exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    for target in run.targets:
        write_text(folder / "analysis" / f"{target}.json", as_json(run.diagnosis(target)))
        figures.accuracy_figure(run, target, folder / "figures" / f"{target}.png")
        if samples := run.samples(target):
            figures.clip_sheet(samples, folder / "figures" / f"{target}.gif")
    write_card(run)
    lines = [
        *(f"**{warning}**\n" for warning in warnings),
        table.markdown_table(run),
        *(f"- {remark}\n" for remark in remarks),
    ]
    (folder / "results.md").write_text("\n".join(lines), encoding="utf-8")
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table.terminal_table(run))
    for warning in warnings:
        console.print(f"[bold red]{escape(warning)}[/]", highlight=False)
    for remark in remarks:
        console.print(f"[yellow]*[/] {escape(remark)}", highlight=False, soft_wrap=True)
    console.print(f"table, figures, clips: {folder}/results.md, {folder}/figures/", soft_wrap=True)
    console.print(f"protocol card: {folder}/card.md", soft_wrap=True)
    return run
