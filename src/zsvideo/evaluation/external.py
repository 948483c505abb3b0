"""Predictions of other code: scores or embeddings that this project did not make.

Three forms (docs/evaluation.md): a CSV of scores, an npz of scores or embeddings, and what mteb
saves of a zero-shot classification task.

Shapes: V videos, K classes, E embedding.
"""

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.layouts import spelling_key
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions
from zsvideo.names import one_form
from zsvideo.semantics.caches import UNREADABLE
from zsvideo.semantics.class_lists import first_few
from zsvideo.semantics.words import DATASETS, class_names

FORMS = (".csv", ".npz")
FIRST = ("id", "label")  # columns of a CSV before those of the classes
HOW = "docs/evaluation.md says what it holds"


def read_external(file: Path, videos: VideoSet | None = None) -> Predictions:
    """Read predictions that other code has made.

    Args:
        file: `.csv` or `.npz`.
        videos: the data set that they are of; its class table decides the spelling and the order
            of classes, its official lists, where they lie under its root, the test splits. None
            where it is unknown.

    Returns:
        The predictions with their classes in the order of the data set, or sorted.

    Raises:
        UserError: the file cannot be read, or is not of the data set; names the line or the key.
    """
    if file.suffix.lower() not in FORMS:
        raise UserError(f"predictions={file} must be a run folder, or end in {' or '.join(FORMS)}")
    read = read_scores if file.suffix.lower() == ".csv" else read_arrays
    predictions = read(file)
    predictions = in_order(predictions, videos.table if videos else predictions.dataset, file)
    splits = None
    if videos and predictions.splits is None and (lists := videos.test_splits()):
        names = [video.rsplit("/", 1)[-1] for video in map(str, predictions.ids)]
        stems = [{name.rsplit(".", 1)[0] for name in split} | split for split in lists]
        rows = [[n in own or n.rsplit(".", 1)[0] in own for own in stems] for n in names]
        splits = np.array(rows) if np.any(rows) else None
    return predictions if splits is None else replace(predictions, splits=splits)


def read_scores(file: Path) -> Predictions:
    """Read a CSV with the columns `id`, `label` and one a class; higher scores are better.

    Raises:
        UserError: it is no such table; names the line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.reader(lines)
            header = [one_form(name.strip()) for name in next(rows, [])]
            if tuple(header[:2]) != FIRST or len(header) < 3:
                raise UserError(
                    f"predictions={file}: line 1 must be id,label and the names of the classes; "
                    + HOW
                )
            columns = {name: column for column, name in enumerate(header[2:])}
            ids, labels, scores = [], [], []
            for row in filter(None, rows):
                where = f"predictions={file}: line {rows.line_num}"
                if len(row) != len(header):
                    raise UserError(f"{where} has {len(row)} cells, the header {len(header)}")
                if (label := one_form(row[1].strip())) not in columns:
                    raise UserError(f"{where}: its label {label!r} is no column of a class")
                try:
                    scores.append(np.array(row[2:], np.float64))
                except ValueError:
                    raise UserError(f"{where} holds a score that is no number") from None
                ids.append(row[0].strip())
                labels.append(columns[label])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"predictions={file} cannot be read as CSV ({error})") from None
    if not scores:
        raise UserError(f"predictions={file} holds no videos; {HOW}")
    return of_scores(ids, labels, header[2:], np.stack(scores), f"predictions={file}")


def read_arrays(file: Path) -> Predictions:
    """Read an npz of `ids`, `labels`, `class_names` and `scores`, or else embeddings.

    `labels` are rows of `class_names`, or names of them; in place of `scores` (V, K) may stand
    `embeddings` (V, E) and `class_vectors` (K, E), which are compared by cosine. What else a run
    of this project writes may be there too.

    Raises:
        UserError: it is no such file; names what it lacks.
    """
    try:
        with np.load(file) as saved:
            arrays = {key: np.asarray(saved[key]) for key in saved.files}
    except UNREADABLE as error:
        raise UserError(f"predictions={file} holds no predictions ({error}); {HOW}") from None
    lacking = [key for key in ("ids", "labels", "class_names") if key not in arrays]
    if "scores" in arrays:
        arrays["head_scores"] = arrays.pop("scores")
    elif "head_scores" not in arrays:
        lacking += [key for key in ("embeddings", "class_vectors") if key not in arrays]
    if lacking:
        raise UserError(f"predictions={file} lacks {', '.join(lacking)}; {HOW}")
    names = arrays["class_names"] = np.char.strip(arrays["class_names"].astype(str))
    for key, rows in (("embeddings", "ids"), ("class_vectors", "class_names")):
        arrays.setdefault(key, np.zeros((len(arrays[rows]), 0), np.float32))
    try:
        if arrays["labels"].dtype.kind == "U":
            numbers = {name: row for row, name in enumerate(names.tolist())}
            arrays["labels"] = np.array([numbers[name] for name in arrays["labels"].tolist()])
        arrays["labels"] = arrays["labels"].astype(np.int64, casting="safe")
        arrays["ids"] = arrays["ids"].astype(str)
        known: dict[str, Any] = {**arrays}
        for key, kind in (("dataset", str), ("novelty_threshold", float)):
            if key in known:
                known[key] = kind(known[key])
        predictions = Predictions(**known)
        predictions.check(file)
        predictions.scores()
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise UserError(f"predictions={file} cannot be used ({error}); {HOW}") from None
    return checked(predictions, f"predictions={file}")


def from_mteb(
    file: str | Path,
    labels: Sequence[int | str],
    classes: Sequence[str],
    ids: Sequence[str] | None = None,
) -> Predictions:
    """Take over what mteb saves of a zero-shot classification task, `<task>_predictions.json`.

    It holds scores alone, so that labels and classes come from the task's data set.

    Args:
        file: of one subset and one split.
        labels: (V,) of the data set's videos in their order, rows or names of `classes`.
        classes: K names in the order of the candidates.
        ids: (V,) names of the videos; None numbers them.

    Raises:
        UserError: the file is another, or does not fit.
    """
    path = Path(file)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [
            (f"{subset}/{split}", scores)
            for subset, own in content.items()
            if subset != "mteb_model_meta"
            for split, scores in own.items()
        ]
        (_, rows), *others = parts
        scores = np.array(rows, np.float64)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(f"{path} holds no predictions of mteb ({error})") from None
    if others:
        listed = ", ".join(name for name, _ in parts)
        raise UserError(f"{path} holds {listed}; keep one of them")
    shape = (len(labels), len(classes))
    if scores.shape != shape:
        raise UserError(
            f"{path} holds scores of shape {scores.shape}, labels and classes are {shape}"
        )
    names = [one_form(str(name)) for name in classes]
    numbers = {name: row for row, name in enumerate(names)} | {n: n for n in range(len(names))}
    if strangers := [label for label in labels if label not in numbers]:
        raise UserError(f"{path}: the label {strangers[0]!r} is none of the classes")
    rows = [numbers[label] for label in labels]
    return of_scores(ids or [*map(str, range(len(labels)))], rows, names, scores, str(path))


def of_scores(
    ids: Sequence[str], labels: Sequence[int], names: Sequence[str], scores: np.ndarray, place: str
) -> Predictions:
    """Make predictions of scores (V, K) alone; raises UserError, see `checked`."""
    empty = np.zeros((len(ids), 0), np.float32), np.zeros((len(names), 0), np.float32)
    predictions = Predictions(
        np.array(ids, str), np.array(labels, np.int64), empty[0], np.array(names, str), empty[1]
    )
    return checked(replace(predictions, head_scores=scores), place)


def checked(predictions: Predictions, place: str) -> Predictions:
    """Check that ids and classes are named once and that all scores are finite.

    Raises:
        UserError: they are not.
    """
    for what, names in (("video", predictions.ids), ("class", predictions.class_names)):
        name, count = Counter(names.tolist()).most_common(1)[0]
        if count > 1 or "" in names:
            how = f"{what} {name!r} {count} times" if count > 1 else f"a {what} without a name"
            raise UserError(f"{place} has {how}; each must be there once")
    bad = ~np.isfinite(predictions.scores()).all(axis=1)
    if bad.any():
        raise UserError(f"{place}: the scores of video {predictions.ids[bad][0]} are not finite")
    return predictions


def in_order(predictions: Predictions, table: str | None, file: Path) -> Predictions:
    """Spell and order the classes as a class table does; without one, sort them.

    Spaces, underscores and case do not count. Random halves of the classes depend on the order.

    Raises:
        UserError: a class is none of the table.
    """
    names = predictions.class_names.tolist()
    spelled, order = names, sorted(names)
    if table in DATASETS:
        order = list(class_names(table))
        official = {spelling_key(name): name for name in order}
        strangers = [name for name in names if spelling_key(name) not in official]
        if strangers:
            raise UserError(
                f"predictions={file}: {len(strangers)} of its classes are none of {table}: "
                f"{first_few(strangers)}; name the data set that they are of: target=[NAME]"
            )
        spelled = [official[spelling_key(name)] for name in names]
    columns = {name: column for column, name in enumerate(spelled)}
    if len(columns) < len(names):
        name = Counter(spelled).most_common(1)[0][0]
        raise UserError(f"predictions={file}: two of its classes are {name} of {table}")
    own = [columns[name] for name in order if name in columns]
    back = np.argsort(own)
    more: dict[str, Any] = {}
    if predictions.head_scores is not None:
        more["head_scores"] = predictions.head_scores[:, own]
    return replace(
        predictions,
        class_names=np.array(spelled)[own],
        class_vectors=predictions.class_vectors[own],
        labels=back[predictions.labels],
        dataset=table or predictions.dataset,
        **more,
    )
