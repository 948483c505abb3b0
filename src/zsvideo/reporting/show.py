"""Draw and print a finished run."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from zsvideo.reporting import figures, table
from zsvideo.reporting.card import write_card
from zsvideo.reporting.identity import stamps
from zsvideo.reporting.run import Run


def show(folder: Path) -> Run:
    """Write `results.md`, the card and `figures/` of a run folder; print its table and remarks."""
    run = Run(folder)
    remarks = table.remarks(run)
    marks = stamps(run)
    (folder / "figures").mkdir(exist_ok=True)
    for target in run.targets:
        figures.accuracy_figure(run, target, folder / "figures" / f"{target}.png")
        if samples := run.samples(target):
            figures.clip_sheet(samples, folder / "figures" / f"{target}.gif")
    write_card(run)
    marked = [f"**{stamp}**\n" for stamp in marks]
    lines = [*marked, table.markdown_table(run), *(f"- {remark}\n" for remark in remarks)]
    (folder / "results.md").write_text("\n".join(lines))
    console = Console(width=None if Console().is_terminal else 120)
    console.print(table.terminal_table(run))
    for stamp in marks:
        console.print(f"[bold red]{escape(stamp)}[/]", highlight=False)
    for remark in remarks:
        console.print(f"[yellow]*[/] {escape(remark)}", highlight=False, soft_wrap=True)
    console.print(f"table, figures, clips: {folder}/results.md, {folder}/figures/", soft_wrap=True)
    console.print(f"protocol card: {folder}/card.md", soft_wrap=True)
    return run
