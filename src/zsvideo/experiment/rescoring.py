"""Score saved predictions: no network, no videos, no GPU."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zsvideo.data.datasets.base import VideoSet
from zsvideo.errors import UserError
from zsvideo.evaluation.external import read_external
from zsvideo.evaluation.integrity import RECORD_HASH, check_record, read_target
from zsvideo.evaluation.predictions import SEEN, Predictions
from zsvideo.evaluation.protocols import check_lists
from zsvideo.evaluation.record import RunRecord, read_record
from zsvideo.evaluation.scoring import Evaluations
from zsvideo.experiment.environment import environment
from zsvideo.experiment.scoring import score_run
from zsvideo.semantics.records import file_hash, lines_hash
from zsvideo.usage import typed_option

log = logging.getLogger(__name__)

MADE_ANEW = ("targets", SEEN, "protocol", "protocol_sha256", "scored", RECORD_HASH)


@dataclass(frozen=True)
class Scoring:
    """How predictions are scored, and what is said of those that no record explains.

    Attributes:
        evaluations: by name.
        resamples: of the bootstrap intervals.
        track: of predictions that no record explains.
        targets: the data set that a file of other code is of, by name; empty if it is unknown.
    """

    evaluations: Evaluations
    resamples: int
    track: str
    targets: Mapping[str, VideoSet]


def rescore(places: Any, scoring: Scoring, out: Path) -> None:
    """Score runs or files of predictions; several each in a folder of its own.

    Args:
        places: see `named_runs`.
        scoring: how.
        out: folder of what is written.

    Raises:
        UserError: there are none, or a file is not as it was written.
    """
    runs = named_runs(places)
    for number, (folder, names) in enumerate(runs):
        own = out if len(runs) == 1 else out / str(number)
        if names:
            rescore_run(folder, names, scoring, own)
        else:
            score_external(folder, scoring, own)
    if len(runs) > 1:
        command = f"python -m src.report {typed_option('compare', out)}"
        log.info("%d runs scored in %s; `%s` compares them", len(runs), out, command)


def rescore_run(folder: Path, names: Sequence[str], scoring: Scoring, out: Path) -> None:
    """Score some targets of one run into a folder, with a copy of their predictions."""
    record = read_record(folder, complete=False)
    if (written := folder / "metrics.json").is_file():
        check_record(folder, record)
    predictions = {name: read_target(folder, name, record) for name in names}
    sets = {n: (p.dataset, list(map(str, p.class_names))) for n, p in predictions.items()}
    check_lists(scoring.evaluations, sets)
    (out / "predictions").mkdir(parents=True, exist_ok=True)
    for name in (*names, SEEN):
        file = folder / "predictions" / f"{name}.npz"
        if file.is_file() and file.parent.resolve() != (out / "predictions").resolve():
            shutil.copyfile(file, out / "predictions" / file.name)
    if (seen := next(iter(predictions.values())).seen) is not None:
        predictions[SEEN] = seen
    counts = {name: counted(own, record, name) for name, own in predictions.items()}
    about: dict[str, Any] = {"selection": "unknown", "source": None, "track": scoring.track}
    about |= {key: value for key, value in record.plain().items() if key not in MADE_ANEW}
    about["scored"] = {"from": folder.name, **environment()}
    if written.is_file():
        about["scored"]["metrics_sha256"] = file_hash(written)
    protocol = record.protocol.plain() or unknown_protocol(predictions)
    listed = {n: classes for n, classes in protocol["targets"].items() if n in predictions}
    score_run(
        scoring.evaluations,
        scoring.resamples,
        out,
        {**protocol, "targets": listed},
        predictions,
        counts,
        about,
    )


def score_external(file: Path, scoring: Scoring, out: Path) -> None:
    """Score a file of other code into a folder, of which it becomes the predictions.

    A target that is given names them.

    Raises:
        UserError: there are several targets, or the file cannot be used.
    """
    evaluations, targets = scoring.evaluations, scoring.targets
    if len(targets) > 1:
        raise UserError(
            f"predictions={file} is of one data set, target names {', '.join(targets)}; give one"
        )
    name, videos = next(iter(targets.items()), (file.stem, None))
    predictions = read_external(file, videos)
    check_lists(evaluations, {name: (predictions.dataset, predictions.class_names.tolist())})
    predictions.save(out / "predictions" / f"{name}.npz")
    counts = counted(predictions, RunRecord(), name)
    counts["expected"] = videos.published(()) if videos else None
    about = {
        "selection": "unknown",
        "track": scoring.track,
        "scored": {"from": file.name, "sha256": file_hash(file), **environment()},
    }
    score_run(
        evaluations,
        scoring.resamples,
        out,
        unknown_protocol({name: predictions}),
        {name: predictions},
        {name: counts},
        about,
    )


def named_runs(paths: Any) -> list[tuple[Path, list[str]]]:
    """List run folders, each with the names of its targets, and files of other code, without.

    Args:
        paths: a run folder, a predictions file, a folder of runs (a sweep), or a list of these. A
            file that lies in no folder named `predictions` is of other code.
    """
    listed = [paths] if isinstance(paths, str) else list(paths)
    runs = [run for path in listed for run in runs_at(Path(str(path)).expanduser())]
    if not runs:
        raise UserError(f"predictions={paths} names no run; give a run folder or an npz file")
    return runs


def runs_at(path: Path) -> list[tuple[Path, list[str]]]:
    """List the runs at one place; raises UserError without any."""
    if path.is_file():
        if path.parent.name != "predictions":
            return [(path, [])]
        return [(path.resolve().parent.parent, [path.stem])]
    if names := sorted(file.stem for file in path.glob("predictions/*.npz") if file.stem != SEEN):
        return [(path, names)]
    inner = [run for folder in sorted(path.glob("*/predictions")) for run in runs_at(folder.parent)]
    if not path.exists():
        raise UserError(
            f"predictions={path} is not there; give a run folder, or a .csv or .npz file"
        )
    if not inner:
        raise UserError(
            f"predictions={path} holds no predictions/*.npz; give a finished run folder, a folder "
            "of runs or an npz file"
        )
    return inner


def counted(predictions: Predictions, record: RunRecord, name: str) -> dict[str, Any]:
    """Take over how many videos there were; without a record nothing more than their number."""
    used = len(predictions.ids)
    videos = record.seen if name == SEEN else record.targets.get(name)
    plain: dict[str, Any] = {"used": used, "found": used, "expected": None, "unreadable": {}}
    keys = {*plain, "target", "test_clips"}
    return plain | (videos.model_dump(include=keys, exclude_unset=True) if videos else {})


def unknown_protocol(predictions: dict[str, Predictions]) -> dict[str, Any]:
    """Write down predictions that no run's record explains."""
    unknown = dict.fromkeys(("name", "vectors", "test_only", "leaks", "survivors"))
    targets = {}
    for name in predictions.keys() - {SEEN}:
        names = list(map(str, predictions[name].class_names))
        targets[name] = {
            "dataset": predictions[name].dataset or name,
            "classes": names,
            "list_sha256": lines_hash(names),
            "count": len(names),
            "covered": len(names),
            "percent": 100.0,
            "without_vector": {},
            "same_vector": [],
        }
    return {**unknown, "targets": targets}
