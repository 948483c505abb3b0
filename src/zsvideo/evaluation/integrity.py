"""Is a run's record as the run wrote it?

Predictions, class lists and vectors are compared with hashes, and the numbers of `metrics.json`
with those that follow from the predictions.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import SEEN, Predictions, array_hash, file_hash, lines_hash
from zsvideo.evaluation.protocols import NotApplicable
from zsvideo.evaluation.scoring import content, score_again
from zsvideo.evaluation.uncertainty import intervals
from zsvideo.semantics.words import DATASETS, class_names

RECORD_HASH = "record_sha256"
TOLERANCE = 1e-3  # percent points: other machines add in another order
NO_NUMBERS = ("hashes", "unreadable", "not_applicable")  # of a target in `metrics.json`
SAMPLED = ("curve", "constant")  # of generalised scoring: points chosen among all constants
AGAIN = "restore it, or embed again with src.evaluate ckpt=RUN"


def read_target(
    folder: Path, name: str, metrics: Mapping[str, Any], protocol: Mapping[str, Any]
) -> Predictions:
    """Load the predictions of a target of a run, with those of seen videos, and check them.

    Args:
        folder: the run.
        name: of the target.
        metrics: what the run's `metrics.json` holds; runs of older versions note fewer hashes.
        protocol: what its `protocol.json` holds.

    Raises:
        UserError: a file is not as the run wrote it; names the file and what differs.
    """
    check_protocol(folder, metrics, protocol)
    predictions = checked(folder, name, metrics.get("targets", {}).get(name, {}))
    listed = protocol.get("targets", {}).get(name, {})
    noted = listed.get("class_vectors_sha256")
    if noted and noted != array_hash(predictions.class_vectors):
        raise UserError(
            f"{folder}/predictions/{name}.npz: its class vectors differ from the hash in "
            f"protocol.json; {AGAIN}"
        )
    strangers = set(map(str, predictions.class_names)) - set(listed.get("classes", ()))
    if listed and strangers:
        raise UserError(
            f"{folder}/predictions/{name}.npz: its class list differs from protocol.json, which "
            f"has no {sorted(strangers)[0]!r}; {AGAIN}"
        )
    predictions = with_dataset(predictions, name, listed)
    if name != SEEN and (folder / "predictions" / f"{SEEN}.npz").is_file():
        return replace(predictions, seen=checked(folder, SEEN, metrics.get(SEEN) or {}))
    return predictions


def with_dataset(predictions: Predictions, name: str, listed: Mapping[str, Any]) -> Predictions:
    """Add the data set where the file does not say it, as the record does, or else its name.

    A name is a data set only if all class names are of that class table.
    """
    if predictions.dataset is not None:
        return predictions
    dataset = listed.get("table") or listed.get("dataset", name)
    if dataset in DATASETS and not set(map(str, predictions.class_names)) <= {
        *class_names(dataset)
    }:
        dataset = None
    return replace(predictions, dataset=dataset)


def checked(folder: Path, name: str, noted: Mapping[str, Any]) -> Predictions:
    """Load one predictions file and compare it with the run's notes of it."""
    file = folder / "predictions" / f"{name}.npz"
    predictions = Predictions.load(file)
    whole = noted.get("predictions_sha256")
    if whole and whole != file_hash(file):
        raise UserError(
            f"{file} is not the file that the run wrote: its hash differs from metrics.json; "
            f"{AGAIN}"
        )
    hashes = noted.get("hashes", {})
    for what, found in content(predictions).items():
        if hashes.get(what, found) != found:
            raise UserError(f"{file}: its {what} differ from the hash in metrics.json; {AGAIN}")
    return predictions


def check_protocol(folder: Path, metrics: Mapping[str, Any], protocol: Mapping[str, Any]) -> None:
    """Check the class lists of `protocol.json` against their hashes, and the file itself.

    Raises:
        UserError: a list was changed; names it.
    """
    file = folder / "protocol.json"
    for name, listed in protocol.get("targets", {}).items():
        if lines_hash(listed["classes"]) != listed["list_sha256"]:
            raise UserError(f"{file}: the class list of target {name} differs from its hash")
    source = protocol.get("source", {})
    if source and lines_hash([c["name"] for c in source["kept"]]) != source["kept_sha256"]:
        raise UserError(f"{file}: the list of classes kept for training differs from its hash")
    noted = metrics.get("protocol_sha256")
    if noted and file.is_file() and noted != file_hash(file):
        raise UserError(
            f"{file} is not the file that the run wrote: its hash differs from metrics.json"
        )


@dataclass(frozen=True)
class Check:
    """What became of comparing a record with its predictions; each a line that names the place.

    Attributes:
        changed: the record says what its predictions do not, or is not as the run wrote it.
        missing: targets whose predictions are not there, so that nothing was compared.
        unchecked: single numbers that nothing can be compared with.
    """

    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join((*self.changed, *self.missing, *self.unchecked))


def record_hash(metrics: Mapping[str, Any]) -> str:
    """Hash all of a record but its hash (sha256)."""
    rest = {key: value for key, value in metrics.items() if key != RECORD_HASH}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def check_record(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Check that `metrics.json` is as the run wrote it; one of older versions carries no hash.

    Raises:
        UserError: it was changed.
    """
    noted = metrics.get(RECORD_HASH)
    if noted and noted != record_hash(metrics):
        raise UserError(
            f"{folder}/metrics.json was changed after the run wrote it: it differs from its own "
            f"hash; {AGAIN}"
        )


def check_run(
    folder: Path, metrics: Mapping[str, Any], protocol: Mapping[str, Any], with_intervals: bool
) -> Check:
    """Compare all numbers of a record with those that follow from its predictions.

    Args:
        folder: the run.
        metrics: what its `metrics.json` holds.
        protocol: what its `protocol.json` holds.
        with_intervals: make the bootstrap again, which takes seconds.
    """
    changed, missing, unchecked = [], [], []
    for name, entry in metrics["targets"].items():
        if not (folder / "predictions" / f"{name}.npz").is_file():
            missing.append(f"{name}: {folder}/predictions/{name}.npz is missing")
            continue
        try:
            predictions = read_target(folder, name, metrics, protocol)
        except UserError as error:
            changed.append(str(error))
            continue
        if entry.get("used") != len(predictions.ids):
            changed.append(
                f"{name}: {entry.get('used')} videos in metrics.json, {len(predictions.ids)} in "
                "its predictions"
            )
        for evaluation, noted in entry.items():
            if isinstance(noted, dict) and evaluation not in NO_NUMBERS:
                try:
                    lines = list(differing_numbers(predictions, noted, with_intervals))
                    changed += [f"{name}, {evaluation}: {line}" for line in lines[:1]]
                except NotApplicable as error:
                    changed.append(f"{name}, {evaluation}: has numbers, but {error}")
                except (KeyError, TypeError, AttributeError):
                    changed.append(f"{name}, {evaluation}: is not as a run writes it")
                except UserError as error:
                    unchecked.append(f"{name}, {evaluation}: cannot be scored again, {error}")
    try:
        check_record(folder, metrics)
    except UserError as error:
        changed.append(str(error))
    if RECORD_HASH not in metrics:
        unchecked.append(
            "selection, settings and counts of files: metrics.json carries no hash of its own (an "
            "older version wrote it)"
        )
    return Check(tuple(changed), tuple(missing), tuple(unchecked))


def differing_numbers(
    predictions: Predictions, noted: Mapping[str, Any], with_intervals: bool
) -> Iterator[str]:
    """Give a line for each number of an evaluation that does not follow from predictions."""
    scored = score_again(predictions, noted)
    numbers: dict[str, Any] = {**scored.numbers, "options": noted["options"]}
    skipped = [*SAMPLED] if "harmonic" in numbers else []
    if "interval" in noted:
        resamples = noted["interval"].get("resamples")
        if not with_intervals:
            skipped.append("interval")
        elif scored.ranks is not None and isinstance(resamples, int):
            numbers["interval"] = intervals(scored.ranks, predictions.labels, resamples)
    kept = {key: value for key, value in noted.items() if key not in skipped}
    if "curve" in kept and "curve" in numbers:  # equal distances may be told apart elsewhere
        curve = {point["classes"]: point for point in numbers["curve"]}
        kept["curve"] = {point["classes"]: point for point in noted["curve"]}
        numbers["curve"] = {n: curve.get(n, point) for n, point in kept["curve"].items()}
    yield from differences(kept, numbers)


def differences(noted: Any, scored: Any, where: str = "") -> Iterator[str]:
    """Compare plain data of a record with that made anew, number by number."""
    if isinstance(noted, Mapping) and isinstance(scored, Mapping):
        for key, value in noted.items():
            yield from differences(value, scored.get(key), f"{where} {key}".strip())
    elif isinstance(noted, list) and isinstance(scored, list) and len(noted) == len(scored):
        for number, pair in enumerate(zip(noted, scored, strict=True)):
            yield from differences(*pair, f"{where} {number}")
    elif isinstance(noted, float | int) and isinstance(scored, float | int):
        if not abs(noted - scored) <= TOLERANCE:
            yield f"{where} is {noted:g} in metrics.json, {scored:g} by its predictions"
    elif noted != scored:
        yield f"{where} in metrics.json is not what its predictions give"
