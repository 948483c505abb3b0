"""What a reader of a study's numbers must know."""

from collections import Counter
from collections.abc import Sequence

from zsvideo.reporting.studies.study import Study

LISTED = 8


def remarks(studies: Sequence[Study], repeats: bool = True) -> list[str]:
    """Say how many runs there are, what is missing or not checked, and what ± means.

    Args:
        studies: of an artefact.
        repeats: the numbers are means over seeds.
    """
    lines = []
    for study in studies:
        asked, missing = len(study.outcomes), study.missing
        seeds = len({trial.axes.get("seed") for trial in study.trials})
        spreads = f"; ± is the 95 % interval of the mean over {seeds} seeds (Student's t)"
        lines.append(
            f"{study.name}: {asked - len(missing)} of {asked} runs finished" + spreads * repeats
        )
        lines += [f"missing: {job.folder.name} ({job.failure})" for job in missing[:LISTED]]
        if len(missing) > LISTED:
            lines.append(f"missing: {len(missing) - LISTED} more")
        lines += [
            f"TRANSDUCTIVE, left out of this table: {job.folder.name} used videos of the targets "
            "in training; compare it with others by python -m src.report compare=[...] force=true"
            for job in study.outcomes
            if job.transductive
        ]
        for reason, count in unchecked(study).items():
            lines.append(f"{study.name}: {count} runs not wholly checked: {reason}")
        if study.scale == "demo":
            lines.append(
                "scale=demo: generated videos and a tiny network; its numbers show that "
                "the machinery works and are no result of the paper"
            )
    return lines


def unchecked(study: Study) -> dict[str, int]:
    """Count the runs whose numbers could not all be compared with predictions, by reason."""
    counts: Counter[str] = Counter()
    for check in (outcome.check for outcome in study.outcomes if outcome.run):
        if check and check.missing:
            counts["predictions/*.npz is missing, so numbers are as recorded"] += 1
        elif check:
            counts.update(set(check.unchecked))
    return dict(counts)
