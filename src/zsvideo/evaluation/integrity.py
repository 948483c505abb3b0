"""Is a run's record as the run wrote it?

Files are compared with `SHA256SUMS`, class lists and vectors with the record's hashes of them, and
the numbers of `metrics.json` with those that follow from the predictions.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import SEEN, Predictions, array_hash
from zsvideo.evaluation.protocols import NotApplicable
from zsvideo.evaluation.record import SUMS, Numbers, RunRecord, ScoredVideos, read_sums
from zsvideo.evaluation.scoring import content, score_again
from zsvideo.evaluation.uncertainty import intervals
from zsvideo.semantics.records import ListedClasses, file_hash, lines_hash
from zsvideo.semantics.words import DATASETS, class_names

RECORD_HASH = "record_sha256"
TOLERANCE = 1e-3  # percent points: other machines add in another order
SAMPLED = ("curve", "constant")  # of generalised scoring: points chosen among all constants
AGAIN = "restore it, or embed again with src.evaluate ckpt=RUN"


def read_target(folder: Path, name: str, record: RunRecord) -> Predictions:
    """Load the predictions of a target of a run, with those of seen videos, and check them.

    Args:
        folder: the run.
        name: of the target.
        record: of the run; earlier versions note fewer hashes.

    Raises:
        UserError: a file is not as the run wrote it; names the file and what differs.
    """
    check_protocol(folder, record)
    predictions = checked_predictions(folder, name, record.targets.get(name))
    listed = record.protocol.targets.get(name)
    file = f"{folder}/predictions/{name}.npz"
    if listed is not None:
        vectors = listed.class_vectors_sha256
        if vectors and vectors != array_hash(predictions.class_vectors):
            raise UserError(
                f"{file}: its class vectors differ from the hash in protocol.json; {AGAIN}"
            )
        if strangers := set(map(str, predictions.class_names)) - set(listed.classes):
            raise UserError(
                f"{file}: its class list differs from protocol.json, which has no "
                f"{min(strangers)!r}; {AGAIN}"
            )
    predictions = with_dataset(predictions, name, listed)
    if name != SEEN and (folder / "predictions" / f"{SEEN}.npz").is_file():
        return replace(predictions, seen=checked_predictions(folder, SEEN, record.seen))
    return predictions


def with_dataset(predictions: Predictions, name: str, listed: ListedClasses | None) -> Predictions:
    """Add the data set where the file does not say it, as the record does, or else its name.

    A name is a data set only if all class names are of that class table.
    """
    if predictions.dataset is not None:
        return predictions
    dataset: str | None = (listed.table or listed.dataset) if listed else name
    if dataset in DATASETS and not set(map(str, predictions.class_names)) <= {
        *class_names(dataset)
    }:
        dataset = None
    return replace(predictions, dataset=dataset)


def checked_predictions(folder: Path, name: str, videos: ScoredVideos | None) -> Predictions:
    """Load one predictions file and compare it with the run's notes of it."""
    file = folder / "predictions" / f"{name}.npz"
    predictions = Predictions.load(file)
    videos = videos or ScoredVideos()
    check_sum(folder, f"predictions/{name}.npz", videos.predictions_sha256)
    for what, sha256 in content(predictions).items():
        if videos.hashes.get(what, sha256) != sha256:
            raise UserError(f"{file}: its {what} differ from the hash in metrics.json; {AGAIN}")
    return predictions


def check_sum(folder: Path, name: str, sha256: str | None) -> None:
    """Compare a file with `SHA256SUMS`, or else with the hash that an earlier version noted.

    Raises:
        UserError: it differs.
    """
    sums = read_sums(folder)
    expected = sums.get(name, "") if sums else sha256
    if expected is not None and expected != file_hash(folder / name):
        raise UserError(
            f"{folder}/{name} is not the file that the run wrote: its hash differs from "
            f"{SUMS if sums else 'metrics.json'}; {AGAIN}"
        )


def check_protocol(folder: Path, record: RunRecord) -> None:
    """Check the class lists of `protocol.json` against their hashes, and the file itself.

    Raises:
        UserError: a list was changed; names it.
    """
    file, source = folder / "protocol.json", record.protocol.source
    for name, listed in record.protocol.targets.items():
        if lines_hash(listed.classes) != listed.list_sha256:
            raise UserError(f"{file}: the class list of target {name} differs from its hash")
    if source and lines_hash([c.name for c in source.kept]) != source.kept_sha256:
        raise UserError(f"{file}: the list of classes kept for training differs from its hash")
    if file.is_file():
        check_sum(folder, "protocol.json", record.protocol_sha256)


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


def check_record(folder: Path, record: RunRecord) -> None:
    """Check that `metrics.json` is as the run wrote it; the first versions noted no hash.

    Raises:
        UserError: it was changed.
    """
    file = folder / "metrics.json"
    if sums := read_sums(folder):
        changed = sums.get(file.name) != file_hash(file)
    else:
        changed = bool(record.record_sha256) and record.record_sha256 != record_hash(file)
    if changed:
        raise UserError(
            f"{file} was changed after the run wrote it: it differs from its own hash"
            f"{f' in {SUMS}' * bool(sums)}; {AGAIN}"
        )


def record_hash(file: Path) -> str:
    """Hash all of a `metrics.json` without `SHA256SUMS` but the hash that it holds (sha256)."""
    metrics = json.loads(file.read_text(encoding="utf-8"))
    rest = {key: value for key, value in metrics.items() if key != RECORD_HASH}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def check_run(
    folder: Path, record: RunRecord, load: Callable[[str], Predictions], with_intervals: bool
) -> Check:
    """Compare all numbers of a record with those that follow from its predictions.

    Args:
        folder: the run.
        record: of the run.
        load: gives the predictions of a target, as `read_target`.
        with_intervals: make the bootstrap again, which takes seconds.
    """
    changed, missing, unchecked = [], [], []
    for name, entry in record.targets.items():
        if not (folder / "predictions" / f"{name}.npz").is_file():
            missing.append(f"{name}: {folder}/predictions/{name}.npz is missing")
            continue
        try:
            predictions = load(name)
        except UserError as error:
            changed.append(str(error))
            continue
        if entry.used != len(predictions.ids):
            changed.append(
                f"{name}: {entry.used} videos in metrics.json, {len(predictions.ids)} in "
                "its predictions"
            )
        for evaluation, numbers in entry.evaluations.items():
            try:
                lines = list(differing_numbers(predictions, numbers, with_intervals))
                changed += [f"{name}, {evaluation}: {line}" for line in lines[:1]]
            except NotApplicable as error:
                changed.append(f"{name}, {evaluation}: has numbers, but {error}")
            except (KeyError, TypeError, AttributeError):
                changed.append(f"{name}, {evaluation}: is not as a run writes it")
            except UserError as error:
                unchecked.append(f"{name}, {evaluation}: cannot be scored again, {error}")
    try:
        check_record(folder, record)
    except UserError as error:
        changed.append(str(error))
    if not record.record_sha256 and not read_sums(folder):
        unchecked.append(
            f"selection, settings and counts of files: metrics.json has no hash of its own ({SUMS} "
            "is not there or empty)"
        )
    return Check(tuple(changed), tuple(missing), tuple(unchecked))


def differing_numbers(
    predictions: Predictions, numbers: Numbers, with_intervals: bool
) -> Iterator[str]:
    """Give a line for each number of an evaluation that does not follow from predictions."""
    scored, before = score_again(predictions, numbers), numbers.plain()
    again: dict[str, Any] = {**scored.numbers, "options": numbers.options}
    skipped = [*SAMPLED] if "harmonic" in again else []
    if numbers.interval:
        resamples = numbers.interval.get("resamples")
        if not with_intervals:
            skipped.append("interval")
        elif scored.ranks is not None and isinstance(resamples, int):
            again["interval"] = intervals(scored.ranks, predictions.labels, resamples)
    before = {key: value for key, value in before.items() if key not in skipped}
    if "curve" in before and "curve" in again:  # equal distances may be told apart elsewhere
        curve = {point["classes"]: point for point in again["curve"]}
        before["curve"] = {point["classes"]: point for point in before["curve"]}
        again["curve"] = {n: curve.get(n, point) for n, point in before["curve"].items()}
    yield from differing_values(before, again)


def differing_values(before: Any, again: Any, where: str = "") -> Iterator[str]:
    """Compare plain data of a record with that made anew, number by number."""
    if isinstance(before, Mapping) and isinstance(again, Mapping):
        for key, value in before.items():
            yield from differing_values(value, again.get(key), f"{where} {key}".strip())
    elif isinstance(before, list) and isinstance(again, list) and len(before) == len(again):
        for number, pair in enumerate(zip(before, again, strict=True)):
            yield from differing_values(*pair, f"{where} {number}")
    elif isinstance(before, float | int) and isinstance(again, float | int):
        if not abs(before - again) <= TOLERANCE:
            yield f"{where} is {before:g} in metrics.json, {again:g} by its predictions"
    elif before != again:
        yield f"{where} in metrics.json is not what its predictions give"
