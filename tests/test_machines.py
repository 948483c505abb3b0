"""Machines that lack something: letters, a home, hard links, locks, shared memory, room."""

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.commands import finished
from helpers.runs import finished_run, predictions
from zsvideo.models.loggers import PatientWandbLogger, patient, warn_once
from zsvideo.usage import CACHES, prepare_process

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOTEBOOK = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}


@pytest.mark.slow
def test_a_report_by_ascii_from_a_notebook_without_a_home(cli, tmp_path):
    """In a process of its own: letters and backend are settled where an interpreter starts."""
    own = predictions(videos=20, classes=3)
    run = finished_run(
        tmp_path / "run", replace(own, class_names=np.array(["café", "≤ 1 m", "слово"]))
    )
    surroundings = {**ASCII, **NOTEBOOK, "HOME": "/proc/nope"}
    said = finished(cli("report", f"run={run}", prefix=["env"], **surroundings))
    assert "protocol card" in said and "Error" not in said
    assert "café" in (run / "card.md").read_text(encoding="utf-8")
    assert "±" in (run / "results.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("home", ["writable", "closed", "missing", "unknown"])
def test_caches_of_libraries_where_no_home_can_be_written(monkeypatch, tmp_path, home):
    places = {"missing": "/proc/nope", "unknown": "~"}
    where = places.get(home, str(tmp_path))
    others = {k: v for k, v in os.environ.items() if k not in (*CACHES, "MPLBACKEND")}
    monkeypatch.setattr(os, "environ", {**others, "HOME": where})
    monkeypatch.setattr(os.path, "expanduser", lambda path: where)
    monkeypatch.setattr(os, "access", lambda *_: home == "writable")
    prepare_process()
    assert os.environ["MPLBACKEND"] == "agg"
    caches = {os.environ.get(name) for name in CACHES}
    if home == "writable":
        assert caches == {None} and os.environ["HOME"] == where
        return
    (cache,) = caches
    (Path(cache) / "own").touch()
    assert os.environ["HOME"] == (where if home == "closed" else cache)


class Broken:
    """A W&B run whose service is gone."""

    def __getattr__(self, name):
        raise ConnectionResetError("the service is gone")


def test_wandb_that_fails_is_a_warning(caplog):
    warn_once.cache_clear()
    logger = PatientWandbLogger(experiment=Broken())
    with caplog.at_level(logging.WARNING):
        logger.log_metrics({"loss": 1.0}, 3)
        logger.log_hyperparams({"lr": 1.0})
        logger.finalize("success")
        patient(raising)(ConnectionResetError("the service is gone"))
    assert caplog.text.count("the service is gone") == 1 and "the run goes on" in caplog.text
    for error in (KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            patient(raising)(error)


def raising(error):
    raise error
