"""A W&B workspace with the panels of the studies: class count, diversity, ablation, curves.

The runs are those logged with `logger=wandb`, grouped by study. `index.html` beside the reports
shows the same without an account.
"""

from collections.abc import Sequence
from typing import Any

from src.errors import UserError

SIZES = {"training classes": "subset/classes", "training videos": "subset/videos",
         "diversity of the training classes": "subset/diversity"}  # fmt: skip


def build_workspace(entity: str, project: str, targets: Sequence[str]) -> Any:
    """Describe the workspace; `save()` of what is returned creates it.

    Args:
        entity: a W&B user or team.
        project: of the runs.
        targets: names of the targets tested.

    Raises:
        UserError: W&B's library for workspaces is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as panels
        import wandb_workspaces.workspaces as ws
    except ImportError:
        raise UserError(
            "wandb=... needs W&B's library for workspaces: pip install wandb-workspaces"
        ) from None
    metrics = {target: f"{target}/full/top1" for target in targets}
    sections = [
        ws.Section(
            name=f"top-1 against {name}",
            panels=[
                panels.ScatterPlot(
                    title=target, x=panels.SummaryMetric(key), y=panels.SummaryMetric(metric),
                    log_x=key != "subset/diversity", regression=True,
                )
                for target, metric in metrics.items()
            ],
            is_open=True,
        )
        for name, key in SIZES.items()
    ]  # fmt: skip
    arms = [("method", "method.frozen"), ("pre-training", "pretrain.name"),
            ("test clips", "clips.test_clips")]  # fmt: skip
    sections.append(
        ws.Section(
            name="ablation",
            panels=[
                panels.BarPlot(
                    title=f"{target} by {name}", metrics=[panels.SummaryMetric(metric)],
                    groupby=panels.Config(key), groupby_aggfunc="mean", groupby_rangefunc="stderr",
                )
                for target, metric in metrics.items() for name, key in arms
            ],
            is_open=True,
        )
    )  # fmt: skip
    sections.append(
        ws.Section(
            name="training",
            panels=[panels.LinePlot(title="loss", x="epoch", y=["train/loss_epoch"], log_y=True)],
        )
    )
    return ws.Workspace(entity=entity, project=project, name="Studies", sections=sections)


def save_workspace(given: str, targets: Sequence[str]) -> str:
    """Create the workspace at W&B; give its address.

    Args:
        given: ENTITY/PROJECT.
        targets: names of the targets tested.

    Raises:
        UserError: `given` has another form, the library is missing, or W&B refuses.
    """
    entity, slash, project = given.partition("/")
    if not (entity and slash and project):
        raise UserError(f"wandb={given} must be ENTITY/PROJECT")
    workspace = build_workspace(entity, project, targets)
    import wandb

    try:
        return str(workspace.save().url)
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise UserError(f"W&B does not take the workspace ({error}); run `wandb login`") from None
