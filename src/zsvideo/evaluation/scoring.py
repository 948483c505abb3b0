"""From predictions to the numbers of a target, the same wherever the predictions come from."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions, array_hash
from zsvideo.evaluation.protocols import (
    NotApplicable,
    Scored,
    full,
    half,
    official_splits,
    shuffled,
)
from zsvideo.evaluation.record import Numbers
from zsvideo.evaluation.transfer import distance, generalised
from zsvideo.evaluation.uncertainty import intervals
from zsvideo.semantics.records import lines_hash

Evaluations = Mapping[str, Callable[[Predictions], Scored]]
KNOWN: dict[str, Callable[..., Scored]] = {
    function.__name__: function
    for function in (full, half, official_splits, shuffled, distance, generalised)
}


def score_target(
    predictions: Predictions, evaluations: Evaluations, resamples: int
) -> dict[str, Any]:
    """Score one target by each evaluation, with intervals.

    Args:
        predictions: of the target.
        evaluations: name to a function of `zsvideo.evaluation.protocols` with its options.
        resamples: of the bootstrap; 0 makes no intervals.

    Returns:
        The numbers by evaluation; `not_applicable`: those left out, with the reason; and the
        hashes of what was scored.
    """
    numbers: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for name, evaluation in evaluations.items():
        try:
            scored = evaluation(predictions)
        except NotApplicable as error:
            left_out[name] = str(error)
            continue
        numbers[name] = {**scored.numbers, "options": evaluation_options(evaluation)}
        if scored.ranks is not None and resamples:
            numbers[name]["interval"] = intervals(scored.ranks, predictions.labels, resamples)
    return {**numbers, "not_applicable": left_out, "hashes": content(predictions)}


def evaluation_options(evaluation: Callable[[Predictions], Scored]) -> dict[str, Any]:
    """Name the function of an evaluation and its options."""
    if not isinstance(evaluation, partial):
        return {"function": getattr(evaluation, "__name__", str(evaluation))}
    return {"function": evaluation.func.__name__, **evaluation.keywords}


def score_again(predictions: Predictions, numbers: Numbers) -> Scored:
    """Score predictions as a record's numbers say that they were scored.

    Args:
        predictions: of the target.
        numbers: of an evaluation in a record, with their `evaluation_options`.

    Raises:
        UserError: the evaluation is no function of this project, its options are none of that
            function, or it does not apply to these predictions.
    """
    arguments = dict(numbers.options)
    function = arguments.pop("function", None)
    if function not in KNOWN:
        raise UserError(f"its function ({function}) is none of {', '.join(KNOWN)}")
    try:
        return KNOWN[function](predictions, **arguments)
    except TypeError as error:
        raise UserError(f"its options do not fit ({error})") from None


def content(predictions: Predictions) -> dict[str, str]:
    """Hash what must be equal for two numbers to be comparable."""
    return {
        "videos": predictions.videos_hash(),
        "classes": lines_hash(list(map(str, predictions.class_names))),
        "vectors": array_hash(predictions.class_vectors),
    }
