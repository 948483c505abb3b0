"""What a study leaves behind: its table or figure, in every format, beside the paper's numbers."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape

from zsvideo.errors import UserError
from zsvideo.reporting.studies import figures, tables
from zsvideo.reporting.studies.audit import audit_figure
from zsvideo.reporting.studies.claims import Claim, claims
from zsvideo.reporting.studies.dashboard import write_dashboard
from zsvideo.reporting.studies.folds import fold_report
from zsvideo.reporting.studies.study import Job, Spread, Study, spread
from zsvideo.reporting.studies.tables import Row

TITLES = {
    "table1": "Table 1: Evaluation Protocol 1, half the classes",
    "table2": "Table 2: Evaluation Protocol 2, all classes",
    "table3": "Table 3: ablation",
    "fig1": "Fig. 1: error beside earlier methods",
    "fig2": "Fig. 2: class vectors by t-SNE",
    "fig3": "Fig. 3: distance of training classes to the nearest test class",
    "fig4_classes": "Fig. 4: number of training classes against number of videos",
    "fig4_samples": "Fig. 4: number of training classes against number of videos",
    "fig5": "Fig. 5: diversity of the training classes",
    "fig6": "Fig. 6: pre-training on still images",
    "fig7": "Fig. 7: test classes ever farther from the training classes",
    "weizmann": "Real video: actions of actors left out of training, and other actions",
}
READS = {
    "fig1": ["table1"],
    "fig4_classes": ["fig4_classes", "fig4_samples"],
    "fig4_samples": ["fig4_samples", "fig4_classes"],
}
C3D = (
    "the paper does not say whether the C3D of its Table 1 was trained from scratch or from "
    "Sports-1M: both are run, the latter as pretrain=sports1m"
)
NOTES = {
    "table1": C3D,
    "fig1": f"{C3D}. Blocks of URL, Action2Vec and TARN as Sec. 2 and their abstracts describe "
    "them; numbers of other works are on other protocols, see their notes",
}
PAPER_ALL = {"ucf101": 37.6, "hmdb51": 26.9}  # Table 2: e2e, all classes
LISTED = 8


def report(artefact: str, top: Path) -> Path:
    """Write a table or figure of the paper from the runs of its studies, and print it.

    Args:
        artefact: a name of `TITLES`.
        top: folder of the studies of one scale.

    Returns:
        The folder with `<artefact>.md`, `.csv`, `.tex`, `.png` and `.svg`.

    Raises:
        UserError: no such artefact, or its study has not been run; or, after all is written, that
            records were changed, whose numbers are left out.
    """
    if artefact not in TITLES:
        raise UserError(f"experiments={artefact} is no artefact; allowed: {', '.join(TITLES)}")
    folder = top / artefact
    if artefact in ("fig2", "fig3"):
        rows, drawn, lines = audit_figure(artefact, folder)
        held: list[Claim] = []
        changed: list[Job] = []
    else:
        names = READS.get(artefact, [artefact])
        studies = [Study.load(top / names[0])]
        studies += [Study.load(top / n) for n in names[1:] if (top / n / "jobs.json").is_file()]
        with matplotlib.rc_context(figures.STYLE):
            if artefact == "weizmann":
                rows, drawn, lines = fold_report(studies[0])
            else:
                (rows, drawn), lines = make(artefact, studies), []
        held, lines = claims(studies, artefact), [*lines, *remarks(studies)]
        changed = [job for study in studies for job in study.jobs if job.changed]
        if artefact in NOTES:
            lines.append(NOTES[artefact])
    folder.mkdir(parents=True, exist_ok=True)
    title = TITLES[artefact] + ("" if top.name == "full" else f"; scale={top.name}")
    write(rows, drawn, held, lines, title, folder / artefact)
    page = write_dashboard(top, list(TITLES))
    console = Console(width=None if Console().is_terminal else 140, highlight=False)
    console.print(f"[bold]{title}[/]")
    console.print(escape(tables.markdown(rows[:40])), soft_wrap=True)
    for line in [*map(str, held), *lines]:
        console.print(f"[yellow]*[/] {escape(line)}", soft_wrap=True)
    console.print(
        f"{folder}/{artefact}.md, .csv, .tex, .png, .svg; all studies: {page}", soft_wrap=True
    )
    if changed:
        raise UserError(
            f"experiments={artefact}: {len(changed)} runs were changed after they were written and "
            f"count as missing, such as {changed[0].folder.name} ({changed[0].failure})"
        )
    return folder


def make(artefact: str, studies: Sequence[Study]) -> tuple[list[Row], Figure]:
    """Make the rows of an artefact and draw them."""
    study = studies[0]
    if artefact.startswith("table"):
        rows = tables.table_rows(study, artefact)
        return rows, figures.table_figure(rows)
    if artefact == "fig1":
        rows = error_rows(study)
        return rows, figures.errors_and_schemes(rows)
    if artefact == "fig5":
        rows = cluster_rows(study)
        return rows, figures.cluster_panels(rows)
    if artefact == "fig7":
        rows = distance_rows(study)
        return rows, figures.curves(
            rows,
            "distance",
            "top-1",
            "distance from training classes",
            "top-1 accuracy (%)",
            log=False,
        )
    rows = [row for one in studies for row in size_rows(one)]
    if artefact == "fig6":
        return rows, figures.curves(rows, "classes", "error", "training classes", "top-1 error (%)")
    return rows, figures.curves(rows, "videos", "error", "training videos", "top-1 error (%)")


def series(study: Study, job: Job) -> str:
    """Name the line of a job."""
    shown = ("method", "pretrain", "subset", "subset.classes", "subset.samples", "subset.clusters")
    if study.name == "fig6":
        first = "none" if job.axes["pretrain"] == "none" else f"{job.axes['pretrain']} first"
    elif study.name == "fig7":
        kept = "" if job.axes["pretrain"] == "none" else f" + {job.axes['pretrain']}"
        first = "baseline" if job.axes["method"] == "baseline" else f"e2e{kept}"
    else:
        first = f"{job.axes['method']}, {study.name.split('_')[-1]}"
    return " ".join([first, *tables.others(job, shown)])


def error_rows(study: Study) -> list[Row]:
    """Make the bars of Fig. 1: the errors of Table 1 on UCF101, or on what was tested."""
    table = tables.table_rows(study, "table1")
    tested = "ucf101" if "ucf101" in study.targets or not study.targets else study.targets[0]
    rows: list[Row] = []
    for one in table:
        target = "ucf101" if one["from"] == "paper" else tested
        if (value := one.get(f"{target} half top1")) is not None:
            wrong = (
                Spread(value.mean and 100 - value.mean, value.half, value.count, value.asked)
                if isinstance(value, Spread)
                else 100 - value
            )
            about = {key: one[key] for key in tables.ABOUT}
            rows.append(
                {"row": one["row"], "from": one["from"], "target": target, "error": wrong, **about}
            )
    return rows


def size_rows(study: Study) -> list[Row]:
    """Make the points of Fig. 4 or 6: one a series, size and target."""
    size = "subset.samples" if study.name == "fig4_samples" else "subset.classes"
    groups = study.groups(lambda c: (series(study, c), c.axes["subset"], c.axes.get(size)))
    rows: list[Row] = []
    for target in study.targets or ["-"]:
        for (name, subset, asked), jobs in groups.items():
            drawn = [job.subset for job in jobs if job.run]
            videos = sum(d["videos"] for d in drawn) / len(drawn) if drawn else None
            classes = sum(len(d["classes"]) for d in drawn) / len(drawn) if drawn else None
            rows.append(
                {
                    "series": name,
                    "from": "ours",
                    "target": target,
                    "asked": asked if subset != "none" else "all",
                    "classes": classes,
                    "videos": videos,
                    "diversity": spread([d["diversity"] for d in drawn]).mean if drawn else None,
                    "error": spread([error(job, target) for job in jobs]),
                }
            )
            if subset == "none" and videos and name.startswith("e2e") and target in PAPER_ALL:
                stated = 100 - PAPER_ALL[target]
                rows.append({**rows[-1], "from": "paper", "series": "e2e", "error": stated})
    return rows


def error(job: Job, target: str) -> float | None:
    """Give the top-1 error of a job over all classes of a target."""
    value = job.score(target, "full", "top1")
    return None if value is None else 100 - value


def cluster_rows(study: Study) -> list[Row]:
    """Make the bars of Fig. 5: one a number of clusters and target."""
    groups = study.groups(
        lambda c: (
            c.axes["subset.clusters"],
            *tables.others(c, ("subset", "subset.clusters", "subset.classes")),
        )
    )
    rows = []
    for (clusters, *series), jobs in groups.items():
        drawn = [job.subset for job in jobs if job.run]
        for target in study.targets or ["-"]:
            errors = [error(job, target) for job in jobs]
            rows.append(
                {
                    "clusters": clusters,
                    "from": "ours",
                    "target": " ".join([target, *series]),
                    "diversity": spread([d["diversity"] for d in drawn]),
                    "error": spread(errors),
                    "draws": [value for value in errors if value is not None],
                }
            )
    return rows


def distance_rows(study: Study) -> list[Row]:
    """Make the points of Fig. 7: one a series, target and threshold."""
    rows: list[Row] = []
    for name, jobs in study.groups(lambda job: series(study, job)).items():
        for target in study.targets or ["-"]:
            found: dict[float, list[dict[str, Any]]] = {}
            for job in jobs:
                for point in job.curve(target):
                    found.setdefault(round(point["threshold"], 6), []).append(point)
            for threshold, points in sorted(found.items()):
                values = [point["top1"] for point in points]
                rows.append(
                    {
                        "series": name,
                        "from": "ours",
                        "target": target,
                        "distance": threshold,
                        "classes": points[0]["classes"],
                        "top-1": spread(values + [None] * (len(jobs) - len(values))),
                    }
                )
            if not found:
                rows.append(
                    {
                        "series": name,
                        "from": "ours",
                        "target": target,
                        "distance": None,
                        "classes": None,
                        "top-1": spread([None] * len(jobs)),
                    }
                )
    return rows


def remarks(studies: Sequence[Study]) -> list[str]:
    """Say what a reader of the numbers must know."""
    said = []
    for study in studies:
        asked, lost = len(study.jobs), study.missing
        seeds = len({job.axes.get("seed") for job in study.jobs})
        spreads = f"; ± is the 95 % interval of the mean over {seeds} seeds (Student's t)"
        said.append(
            f"{study.name}: {asked - len(lost)} of {asked} runs finished"
            + spreads * (study.name != "weizmann")
        )
        said += [f"missing: {c.folder.name} ({c.failure})" for c in lost[:LISTED]]
        if len(lost) > LISTED:
            said.append(f"missing: {len(lost) - LISTED} more")
        for what, lacking in unchecked(study).items():
            said.append(f"{study.name}: {lacking} runs not wholly checked: {what}")
        if study.scale == "demo":
            said.append(
                "scale=demo: generated videos and a tiny network; its numbers show that "
                "the machinery works and are no result of the paper"
            )
    return said


def unchecked(study: Study) -> dict[str, int]:
    """Count the runs whose numbers could not all be compared with predictions, by reason."""
    counts: Counter[str] = Counter()
    for job in study.jobs:
        if job.run and job.check and job.check.missing:
            counts["predictions/*.npz is missing, so numbers are as recorded"] += 1
        elif job.run and job.check:
            counts.update(set(job.check.unchecked))
    return dict(counts)


def write(
    rows: list[Row], drawn: Figure, held: list[Claim], lines: list[str], title: str, stem: Path
) -> None:
    """Write an artefact in every format; the same rows give the same files."""
    text = [f"# {title}\n", tables.markdown(rows), *(f"- {line}" for line in [*held, *lines])]
    stem.with_suffix(".md").write_text("\n".join(text) + "\n", encoding="utf-8")
    stem.with_suffix(".tex").write_text(tables.latex(rows), encoding="utf-8")
    tables.write_csv(rows, stem.with_suffix(".csv"))
    with matplotlib.rc_context(figures.STYLE):
        drawn.savefig(stem.with_suffix(".png"), dpi=300, metadata={"Software": None})
        drawn.savefig(stem.with_suffix(".svg"), metadata={"Date": None})
    plt.close(drawn)
    content = {
        "title": title,
        "claims": [asdict(claim) for claim in held],
        "remarks": lines,
        "rows": [{key: tables.shown(value) for key, value in row.items()} for row in rows],
    }
    stem.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
