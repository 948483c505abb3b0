"""A run's result on a W&B page: result table, accuracy by class, test clips with their names."""

from typing import Any

from src.reporting import table
from src.reporting.run import Run


def log_panels(run: Run, wandb_run: Any) -> None:
    """Log what a run folder holds to an open W&B run.

    Args:
        run: a finished run folder, with its figures drawn.
        wandb_run: a `wandb.Run`.
    """
    import wandb

    panels: dict[str, Any] = {"results": wandb.Table([*table.COLUMNS], table.rows(run))}
    for target in run.targets:
        panels[f"{target}/classes"] = wandb.Table(
            ["class", "videos", "top-1 %"], [list(row) for row in run.per_class(target)]
        )
        sheet = run.folder / "figures" / f"{target}.gif"
        if sheet.is_file():
            panels[f"{target}/clips"] = wandb.Video(str(sheet), format="gif")
    wandb_run.log(panels)
    wandb_run.summary.update(flat_scores(run))


def flat_scores(run: Run) -> dict[str, float]:
    """Name each accuracy `<target>/<evaluation>/<top1 ...>`."""
    return {
        f"{name}/{key}/{score}": number
        for name, target in run.metrics["targets"].items()
        for key, numbers in target.items()
        if isinstance(numbers, dict)
        for score, number in numbers.items()
        if score.startswith("top") and number is not None
    }
