"""A run's result on a W&B page: tables of results, classes and confusions, clips, artifacts."""

from typing import Any

from zsvideo.reporting import table
from zsvideo.reporting.run import Run


def log_panels(run: Run, wandb_run: Any) -> None:
    """Log what a run folder holds to an open W&B run.

    Args:
        run: a finished run folder, with its figures drawn.
        wandb_run: a `wandb.Run`.
    """
    import wandb

    panels: dict[str, Any] = {"results": wandb.Table([*table.COLUMNS], table.result_rows(run))}
    for target in run.targets:
        panels[f"{target}/classes"] = wandb.Table(
            ["class", "videos", "top-1 %"], [list(row) for row in run.per_class(target)]
        )
        panels[f"{target}/confusions"] = wandb.Table(
            ["class", "taken for", "videos"], [list(row) for row in run.confusions(target)]
        )
        sheet = run.folder / "figures" / f"{target}.gif"
        if sheet.is_file():
            panels[f"{target}/clips"] = wandb.Video(str(sheet), format="gif")
    wandb_run.log(panels)
    wandb_run.summary.update(flat_scores(run) | size_axes(run))
    card = wandb.Artifact(f"card-{wandb_run.id}", "protocol-card")
    for name in ("card.md", "card.json", "protocol.json", "metrics.json", "results.md"):
        card.add_file(str(run.folder / name), name)
    predictions = wandb.Artifact(f"predictions-{wandb_run.id}", "predictions")
    predictions.add_dir(str(run.folder / "predictions"))
    wandb_run.log_artifact(card)
    wandb_run.log_artifact(predictions)


def size_axes(run: Run) -> dict[str, float]:
    """Name what was trained on, as x axes of a study's panels."""
    subset = run.record.protocol.subset
    if subset is None:
        return {}
    sizes = {
        "classes": len(subset.classes),
        "videos": subset.videos,
        "diversity": subset.diversity,
    }
    return {f"subset/{name}": size for name, size in sizes.items() if size is not None}


def flat_scores(run: Run) -> dict[str, float]:
    """Name each accuracy `<target>/<evaluation>/<top1 ...>`."""
    return {
        f"{name}/{key}/{score}": number
        for name, target in run.record.targets.items()
        for key, numbers in target.evaluations.items()
        for score, number in numbers.plain().items()
        if score.startswith("top") and number is not None
    }
