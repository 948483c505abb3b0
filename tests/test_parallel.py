"""Several processes test as one does, and train together."""

import numpy as np
import pytest

from helpers.commands import finished, read

pytestmark = pytest.mark.slow

TWO = ["trainer.devices=2", "trainer.strategy=ddp", "loader.workers=0"]


def test_two_processes_give_the_predictions_of_one(cli, folders, tmp_path):
    run, two = tmp_path / "run", tmp_path / "two"
    (tmp_path / "target" / "sing" / "1.avi").write_bytes(b"")
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={run}"))
    finished(cli("evaluate", f"ckpt={run}", *TWO, f"hydra.run.dir={two}"))
    one, other = (np.load(r / "predictions" / "folder.npz") for r in (run, two))
    assert one["ids"].tolist() == other["ids"].tolist() and len(set(one["ids"])) == 7
    assert np.array_equal(one["labels"], other["labels"])
    assert np.allclose(one["embeddings"], other["embeddings"], atol=1e-6)
    one, other = (read(r, "metrics.json")["targets"]["folder"] for r in (run, two))
    for key in ("full", "half", "used", "found", "unreadable"):
        assert one[key] == other[key]


def test_two_processes_train_one_network_after_pretraining(cli, folders, tmp_path):
    run = tmp_path / "run"
    first = [
        "pretrain=sun",
        "source@pretrain.source=folder",
        "pretrain.max_epochs=1",
        f"pretrain.source.root={tmp_path}/source",
    ]
    options = [*folders, *TWO, *first, "loader.batch_size=2", f"hydra.run.dir={run}"]
    finished(cli("train", *options))
    metrics = read(run, "metrics.json")
    assert metrics["protocol"]["pretrain"]["classes"] == 4
    assert metrics["trained_steps"] == 4  # two epochs of 8 videos, 2 on each of 2 devices a step
    assert metrics["targets"]["folder"]["used"] == 8
    told = cli("train", "-m", *folders, *TWO, "seed=0,1", f"hydra.sweep.dir={tmp_path}/sweep")
    assert told.returncode == 2 and "a sweep starts one device a job" in told.stderr
