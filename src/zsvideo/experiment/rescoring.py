"""Score saved predictions: no network, no videos, no GPU."""

import json
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
    before, protocol = read_json(folder / "metrics.json"), read_json(folder / "protocol.json")
    check_record(folder, before)
    predictions = {name: read_target(folder, name, before, protocol) for name in names}
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
    counts = {name: counted(held, before, name) for name, held in predictions.items()}
    about = {"selection": "unknown", "source": None, "track": config.track}
    about |= {key: value for key, value in before.items() if key not in MADE_ANEW}
    about["scored"] = {"from": folder.name, **environment()}
    if (folder / "metrics.json").is_file():
        about["scored"]["metrics_sha256"] = file_hash(folder / "metrics.json")
    kept = protocol or unknown_protocol(predictions)
    kept = {**kept, "targets": {n: t for n, t in kept["targets"].items() if n in predictions}}
    score_run(config, out, kept, predictions, counts, about)


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


def counted(held: Predictions, before: dict[str, Any], name: str) -> dict[str, Any]:
    """Take over how many videos there were; without a record nothing more than their number."""
    noted = (before.get(SEEN) if name == SEEN else before.get("targets", {}).get(name)) or {}
    used = len(held.ids)
    plain: dict[str, Any] = {"used": used, "found": used, "expected": None, "unreadable": {}}
    return {key: noted.get(key, value) for key, value in plain.items()}


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
                "classes": list(map(str, held.class_names)),
                "list_sha256": lines_hash(list(map(str, held.class_names))),
                "count": len(held.class_names),
                "covered": len(held.class_names),
                "percent": 100.0,
                "without_vector": {},
                "same_vector": [],
            }
            for name, held in predictions.items()
            if name != SEEN
        },
    }


def read_json(file: Path) -> dict[str, Any]:
    """Read a file of a run, empty where it is not there.

    Raises:
        UserError: it is damaged.
    """
    try:
        return json.loads(file.read_text()) if file.is_file() else {}
    except ValueError as error:
        raise UserError(f"{file} is damaged ({error})") from None
