"""Is a run's record as the run wrote it? Predictions, class lists and vectors against hashes."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import SEEN, Predictions, array_hash, file_hash, lines_hash
from zsvideo.evaluation.scoring import content
from zsvideo.semantics.words import DATASETS, class_names

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
