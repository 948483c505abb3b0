"""From predictions to a run's record: what a run that embeds and one that only scores share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import SEEN, Predictions
from zsvideo.evaluation.record import VERSION, RunRecord, write_record
from zsvideo.evaluation.scoring import Evaluations, content, score_target
from zsvideo.reporting.run import Run
from zsvideo.reporting.show import show_run
from zsvideo.targets import instantiate
from zsvideo.usage import typed_option


def evaluations_of(options: Mapping[str, Any]) -> Evaluations:
    """Make the functions that score predictions, of the group `evaluation`."""
    return {name: instantiate(own, f"evaluation.{name}") for name, own in options.items()}


def score_run(
    evaluations: Evaluations,
    resamples: int,
    run: Path,
    protocol: dict[str, Any],
    predictions: Mapping[str, Predictions],
    counts: Mapping[str, Mapping[str, Any]],
    about: Mapping[str, Any],
) -> Run:
    """Score the targets whose predictions lie in a run folder; write and show its record.

    Args:
        evaluations: how, by name.
        resamples: of the bootstrap intervals.
        run: the folder, with `predictions/`.
        protocol: what `protocol.json` shall hold; the hashes of class vectors are added.
        predictions: of each target, and of seen videos.
        counts: of each of them, what `metrics.json` shall say of its videos.
        about: what else `metrics.json` shall say.

    Raises:
        UserError: an evaluation gave something that is no number.
    """
    targets = {
        name: {**score_target(own, evaluations, resamples), **counts[name]}
        for name, own in predictions.items()
        if name != SEEN
    }
    seen = predictions.get(SEEN)
    listed = {
        name: {**classes, "class_vectors_sha256": targets[name]["hashes"]["vectors"]}
        if name in targets
        else classes
        for name, classes in protocol["targets"].items()
    }
    results = {
        **about,
        "version": VERSION,
        "targets": targets,
        SEEN: seen and {**counts[SEEN], "hashes": content(seen)},
        "protocol": {**protocol, "targets": listed},
    }
    try:
        record = RunRecord.model_validate(results)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{where}={first['input']!r} cannot be recorded ({first['msg']}); mend the evaluation "
            f"that gave it, then score again: python -m src.evaluate "
            f"{typed_option('predictions', run)}"
        ) from None
    write_record(record, run)
    return show_run(Run(run, dict(predictions)))
