"""A W&B report on the studies: class count, diversity, ablation, pre-training, training curves.

Its runs are those logged with `logger=wandb`, grouped by study; `index.html` beside the reports
shows the same without an account.
"""

from collections.abc import Sequence
from typing import Any

from zsvideo.errors import UserError

SIZES = {  # x axes: what was trained on
    "classes": ("Does the number of training classes matter?", ["fig4_classes"]),
    "videos": ("Do classes matter more than videos?", ["fig4_classes", "fig4_samples"]),
    "diversity": ("Does the diversity of the training classes matter?", ["fig5"]),
}
CLIPS = "clips.test_clips"  # of which a run has several: each is a metric
PARTS = {  # keys of the config: what was changed
    "method.frozen": ("Does training end to end help?", ["table3"]),
    CLIPS: ("Do many test clips help?", ["table3"]),
    "pretrain.name": ("Does pre-training on still images help?", ["table3", "fig6"]),
}


def build_report(entity: str, project: str, targets: Sequence[str]) -> Any:
    """Describe the report; `save()` of what is returned creates it.

    Args:
        entity: a W&B user or team.
        project: of the runs.
        targets: names of the targets tested.

    Raises:
        UserError: W&B's library for reports is not installed.
    """
    try:
        import wandb_workspaces.reports.v2 as wr
    except ImportError:
        raise UserError(
            "wandb=... needs W&B's library for reports: pip install wandb-workspaces"
        ) from None

    def grid(question: str, studies: Sequence[str], panels: Sequence[Any]) -> list[Any]:
        runs = [
            wr.Runset(
                entity,
                project,
                name=study,
                filters=f"Metric('group') = '{study}' and Metric('state') = 'finished'",
            )
            for study in studies
        ]
        return [wr.H2(question), wr.PanelGrid(runsets=runs, panels=list(panels))]

    accuracy = {target: wr.SummaryMetric(f"{target}/full/top1") for target in targets}
    blocks: list[Any] = [
        wr.P(
            "Top-1 in percent over all classes of each target; a dot is a run. A job that several "
            "studies share is a run of the study that ran it first."
        )
    ]
    for name, (question, studies) in SIZES.items():
        blocks += grid(
            question,
            studies,
            [
                wr.ScatterPlot(
                    title=f"{target} against training {name}",
                    y=metric,
                    x=wr.SummaryMetric(f"subset/{name}"),
                    log_x=name != "diversity",
                    regression=True,
                )
                for target, metric in accuracy.items()
            ],
        )
    for key, (question, studies) in PARTS.items():
        blocks += grid(
            question,
            studies,
            [
                wr.BarPlot(
                    title=f"{target} by {key}",
                    metrics=[wr.SummaryMetric(f"{target}_1clip/full/top1")] * (key == CLIPS)
                    + [metric],
                    groupby=None if key == CLIPS else wr.Config(key),
                    groupby_aggfunc="mean",
                    groupby_rangefunc="stderr",
                )
                for target, metric in accuracy.items()
            ],
        )
    every = dict.fromkeys(s for _, names in (*SIZES.values(), *PARTS.values()) for s in names)
    curve = wr.LinePlot(title="loss", x="epoch", y=["train/loss_epoch"], log_y=True)
    blocks += grid("Has training converged?", list(every), [curve])
    return wr.Report(project, entity, title="Zero-shot video classification", blocks=blocks)


def save_report(project_path: str, targets: Sequence[str]) -> str:
    """Create the report at W&B; give its address.

    Args:
        project_path: ENTITY/PROJECT.
        targets: names of the targets tested.

    Raises:
        UserError: `given` has another form, the library is missing, or W&B refuses.
    """
    entity, slash, project = project_path.partition("/")
    if not (entity and slash and project):
        raise UserError(f"wandb={project_path} must be ENTITY/PROJECT")
    import wandb

    try:
        return str(build_report(entity, project, targets).save().url)
    except UserError:
        raise
    except (wandb.errors.Error, ValueError, OSError) as error:
        raise UserError(f"W&B does not take the report ({error}); run `wandb login`") from None
