"""Score saved predictions: no network, no videos, no GPU."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import RECORD_HASH, check_record, read_target
from zsvideo.evaluation.predictions import SEEN, Predictions, file_hash, lines_hash
from zsvideo.evaluation.protocols import check_lists
from zsvideo.evaluation.record import RunRecord, read_record
from zsvideo.experiment.environment import environment
from zsvideo.experiment.scoring import score_run

log = logging.getLogger(__name__)

MADE_ANEW = ("targets", SEEN, "protocol", "protocol_sha256", "scored", RECORD_HASH)


def rescore(config: DictConfig, out: Path) -> None:
    """Score the runs or files that `predictions` names; several each in a folder of its own.

    Raises:
        UserError: there are none, or a file is not as it was written.
    """
    found = found_runs(config.predictions)
    for number, (folder, names) in enumerate(found):
        rescore_run(config, folder, names, out if len(found) == 1 else out / str(number))
    if len(found) > 1:
        log.info(
            "%d runs scored in %s; `python -m src.report compare=%s` compares them",
            len(found),
            out,
            out,
        )


def rescore_run(config: DictConfig, folder: Path, names: Sequence[str], out: Path) -> None:
    """Score some targets of one run into a folder, with a copy of their predictions."""
    record = read_record(folder, complete=False)
    if (written := folder / "metrics.json").is_file():
        check_record(folder, record)
    predictions = {name: read_target(folder, name, record) for name in names}
    evaluations = {key: instantiate(e, _convert_="all") for key, e in config.evaluation.items()}
    sets = {n: (p.dataset, list(map(str, p.class_names))) for n, p in predictions.items()}
    check_lists(evaluations, sets)
    (out / "predictions").mkdir(parents=True, exist_ok=True)
    for name in (*names, SEEN):
        file = folder / "predictions" / f"{name}.npz"
        if file.is_file() and file.parent.resolve() != (out / "predictions").resolve():
            shutil.copyfile(file, out / "predictions" / file.name)
    if (seen := next(iter(predictions.values())).seen) is not None:
        predictions[SEEN] = seen
    counts = {name: counted(own, record, name) for name, own in predictions.items()}
    about: dict[str, Any] = {"selection": "unknown", "source": None, "track": config.track}
    about |= {key: value for key, value in record.plain().items() if key not in MADE_ANEW}
    about["scored"] = {"from": folder.name, **environment()}
    if written.is_file():
        about["scored"]["metrics_sha256"] = file_hash(written)
    protocol = record.protocol.plain() or unknown_protocol(predictions)
    listed = {n: classes for n, classes in protocol["targets"].items() if n in predictions}
    score_run(config, out, {**protocol, "targets": listed}, predictions, counts, about)


def found_runs(given: Any) -> list[tuple[Path, list[str]]]:
    """List run folders, each with the names of its targets.

    Args:
        given: a run folder, a predictions file, a folder of runs (a sweep), or a list of these.
    """
    paths = [given] if isinstance(given, str) else list(given)
    runs = [run for path in paths for run in runs_at(Path(str(path)).expanduser())]
    if not runs:
        raise UserError(f"predictions={given} names no run; give a run folder or an npz file")
    return runs


def runs_at(path: Path) -> list[tuple[Path, list[str]]]:
    """List the runs at one place; raises UserError without any."""
    if path.is_file():
        folder = path.resolve().parent.parent
        if path.parent.name != "predictions":
            raise UserError(f"predictions={path} must lie in a folder named predictions")
        return [(folder, [path.stem])]
    if names := sorted(file.stem for file in path.glob("predictions/*.npz") if file.stem != SEEN):
        return [(path, names)]
    inner = [run for folder in sorted(path.glob("*/predictions")) for run in runs_at(folder.parent)]
    if not inner:
        raise UserError(
            f"predictions={path} holds no predictions/*.npz; give a finished run folder, a folder "
            "of runs or an npz file"
        )
    return inner


def counted(predictions: Predictions, record: RunRecord, name: str) -> dict[str, Any]:
    """Take over how many videos there were; without a record nothing more than their number."""
    used = len(predictions.ids)
    noted = record.seen if name == SEEN else record.targets.get(name)
    plain: dict[str, Any] = {"used": used, "found": used, "expected": None, "unreadable": {}}
    return plain | (noted.model_dump(include={*plain}, exclude_unset=True) if noted else {})


def unknown_protocol(predictions: dict[str, Predictions]) -> dict[str, Any]:
    """Write down predictions that no run's record explains."""
    return {
        "name": None,
        "vectors": None,
        "test_only": None,
        "leaks": None,
        "survivors": None,
        "targets": {
            name: {
                "dataset": name,
                "classes": list(map(str, own.class_names)),
                "list_sha256": lines_hash(list(map(str, own.class_names))),
                "count": len(own.class_names),
                "covered": len(own.class_names),
                "percent": 100.0,
                "without_vector": {},
                "same_vector": [],
            }
            for name, own in predictions.items()
            if name != SEEN
        },
    }
