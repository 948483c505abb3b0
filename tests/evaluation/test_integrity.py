"""A tampered run is found, in one line that says where."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from helpers.runs import finished_run, predictions, trained
from zsvideo.errors import UserError
from zsvideo.evaluation.integrity import read_target


@pytest.fixture
def run(tmp_path):
    return finished_run(tmp_path / "run", trained(predictions(100)))


def read(run):
    metrics, protocol = (json.loads((run / f"{n}.json").read_text()) for n in NAMES)
    return read_target(run, "own", metrics, protocol)


NAMES = ("metrics", "protocol")


def test_an_untouched_run_is_read(run):
    assert len(read(run).ids) == 100 and read(run).trained_names is not None


@pytest.mark.parametrize("array", ["embeddings", "labels", "class_vectors", "class_names"])
def test_a_rewritten_file_is_not_the_runs(run, array):
    p = read(run)
    changed = getattr(p, array).copy()
    changed[0] = changed[1]
    replace(p, **{array: changed}).save(run / "predictions" / "own.npz")
    with pytest.raises(UserError, match=r"own\.npz is not the file that the run wrote"):
        read(run)


def test_without_that_note_content_is_still_compared(run):
    p = read(run)
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["targets"]["own"]["predictions_sha256"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    vectors = p.class_vectors[::-1].copy()
    replace(p, class_vectors=vectors).save(run / "predictions" / "own.npz")
    with pytest.raises(UserError, match="its vectors differ"):
        read(run)
    del metrics["targets"]["own"]["hashes"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(UserError, match=r"class vectors differ from the hash in protocol\.json"):
        read(run)
    names = p.class_names.copy()
    names[0] = "new"
    replace(p, class_names=names).save(run / "predictions" / "own.npz")
    with pytest.raises(UserError, match="has no 'new'"):
        read(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p["targets"]["own"]["classes"].pop(), "class list of target own"),
        (lambda p: p["targets"]["own"]["classes"].reverse(), "class list of target own"),
        (lambda p: p["source"]["kept"].pop(), "kept for training"),
        (lambda p: p.update(tau=0.2), r"protocol\.json is not the file"),
    ],
)
def test_a_changed_protocol_is_found(run, change, words):
    protocol = json.loads((run / "protocol.json").read_text())
    change(protocol)
    (run / "protocol.json").write_text(json.dumps(protocol))
    with pytest.raises(UserError, match=words):
        read(run)


def test_predictions_of_another_run_are_found(run, tmp_path):
    other = finished_run(tmp_path / "other", trained(predictions(100, seed=8)))
    shutil.copy(other / "predictions" / "own.npz", run / "predictions" / "own.npz")
    with pytest.raises(UserError, match="is not the file that the run wrote"):
        read(run)


def test_the_commands_say_it_in_one_line(run, cli, tmp_path):
    with np.load(run / "predictions" / "own.npz") as held:
        arrays = dict(held)
    arrays["labels"] = arrays["labels"][::-1]
    np.savez(run / "predictions" / "own.npz", **arrays)
    for name, option in (("evaluate", f"predictions={run}"), ("report", f"run={run}")):
        process = cli(name, option, *([f"hydra.run.dir={tmp_path}/out"] * (name == "evaluate")))
        lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
        assert process.returncode == 2 and "Traceback" not in process.stderr
        assert len(lines) == 1 and "own.npz is not the file that the run wrote" in lines[0]
