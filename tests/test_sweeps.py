"""Sweeps that continue: cells known by content, skipped when finished, told when missing."""

import json
import os
import subprocess
import sys
import time

import pytest
from omegaconf import OmegaConf
from test_door import fails
from test_runs import finished

from src.door import ROOT
from src.experiment.cells import cell_hash, is_finished

SWEEP = ["-m", "trainer.max_epochs=1"]


def cells(sweep):
    return json.loads((sweep / "cells.json").read_text())["cells"]


def runs(sweep):
    return sorted(file.parent for file in sweep.glob("*/metrics.json"))


def test_the_hash_is_of_what_is_computed(config):
    options = ["source=synthetic", "target=[synthetic]", "protocol=targets"]
    one = cell_hash(config(*options))
    same = ["paths.data=elsewhere", "logger=wandb", "loader.workers=0", "rate=5",
            "trainer.accelerator=cpu"]  # fmt: skip
    assert {cell_hash(config(*options, other)) for other in same} == {one}
    others = ["seed=1", "model=tiny", "subset=classes", "clips.test_clips=1", "protocol.tau=0.1",
              "source.videos=3", "evaluation=[full]"]  # fmt: skip
    assert len({cell_hash(config(*options, other)) for other in others} | {one}) == len(others) + 1


def test_a_finished_folder_counts_only_for_its_own_cell(config, tmp_path):
    composed = config("source=synthetic", "target=[synthetic]", "protocol=targets")
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(composed, tmp_path / ".hydra" / "config.yaml")
    assert not is_finished(tmp_path, cell_hash(composed))
    (tmp_path / "metrics.json").write_text("{}")
    assert is_finished(tmp_path, cell_hash(composed))
    assert not is_finished(tmp_path, cell_hash(config("seed=1")))


def test_a_sweep_continues_and_outlives_a_failure(door, folders, tmp_path):
    sweep = tmp_path / "sweep"
    options = [*SWEEP, *folders, f"hydra.sweep.dir={sweep}"]
    told = fails(door("train", *options, "model.lr=0.001,fast", "seed=0,1"), "model.lr=fast")
    assert "2 of 4 cells did not finish" in told[-1] and len(runs(sweep)) == 2
    assert len(list(sweep.glob("*/error.txt"))) == 2
    before = {run: (run / "metrics.json").stat().st_mtime_ns for run in runs(sweep)}
    said = finished(door("train", *options, "model.lr=0.001,0.002", "seed=0,1"))
    assert "4 cells, 2 of them finished before" in said and said.count("Predicting") == 2
    assert {run: (run / "metrics.json").stat().st_mtime_ns for run in before} == before
    assert len(cells(sweep)) == 4 and len(runs(sweep)) == 4
    again = finished(door("train", *options, "model.lr=0.002,0.001", "seed=1,0"))
    assert "4 of 4 cells finished" in again and "Epoch" not in again


def test_a_dry_run_tells_and_writes_nothing(door, tmp_path):
    sweep = tmp_path / "sweep"
    options = ["-m", "--dry-run", "protocol=605,664", "seed=0,1", f"hydra.sweep.dir={sweep}"]
    said = finished(door("train", *options, "rate=500"))
    assert "4 of 4 cells missing" in said and not sweep.exists()
    # 150 epochs of 100,000 clips and 25 forward passes a test video, at 500 clips a second
    hours = sum(150 * 1e5 + n * 25 / 3 for n in (20_086, 47_887)) * 2 / 500 / 3600
    assert f"{hours:,.1f} GPU-hours" in said
    fails(door("train", "--dry-run", f"hydra.run.dir={tmp_path}/run"), "-m")


@pytest.mark.parametrize("launcher", ["joblib"])
def test_other_launchers(door, folders, tmp_path, launcher):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    sweep = tmp_path / "sweep"
    options = [*SWEEP, *folders, f"hydra.sweep.dir={sweep}", f"hydra/launcher={launcher}"]
    told = fails(door("train", *options, "model.lr=0.001,fast", "seed=0,1"), "model.lr=fast")
    assert "2 of 4 cells did not finish" in told[-1] and len(runs(sweep)) == 2
    assert len(list(sweep.glob("*/error.txt"))) == 2


SMALL = ["experiments=fig5", "scale=demo", "source.videos=2", "target.synthetic.videos=1",
         "subset.clusters=1", "seed=0,1", "trainer.max_epochs=6", "loader.workers=0",
         "loader.epoch_samples=44", "resamples=0", "save_every=1"]  # fmt: skip


def killed_when(condition, options, tmp_path):
    """Start a sweep and kill it as soon as the condition holds."""
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", "-m", *options],
        cwd=ROOT, env=os.environ | {"DATA_ROOT": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.wait()


def test_a_study_killed_twice_ends_in_the_same_report(door, tmp_path):
    once, twice = tmp_path / "once" / "demo", tmp_path / "twice" / "demo"
    finished(door("train", "-m", *SMALL, f"hydra.sweep.dir={once}"))
    options = [*SMALL, f"hydra.sweep.dir={twice}"]
    killed_when(lambda: any(twice.glob("cells/*/checkpoints/last.ckpt")), options, tmp_path)
    assert not list(twice.glob("cells/*/metrics.json"))
    killed_when(lambda: len(list(twice.glob("cells/*/checkpoints"))) > 1, options, tmp_path)
    said = finished(door("train", "-m", *options))
    assert "2 of 2 cells finished" in said and "0 of them finished before" not in said
    for folder in (once, twice):
        assert "fig5" in finished(door("report", *SMALL[:2], f"hydra.sweep.dir={folder}"))
    for ending in ("csv", "svg", "tex"):
        files = [folder / "fig5" / f"fig5.{ending}" for folder in (once, twice)]
        assert files[0].read_bytes() == files[1].read_bytes()
    again = finished(door("train", "-m", *options))
    assert "2 cells, 2 of them finished before" in again and "Epoch" not in again

    # a cell is evaluated and continued as a run by itself; its study stays as it is
    listed = (once / "fig5" / "cells.json").read_bytes()
    cell = next(once.glob("cells/*"))
    here, sweep = tmp_path / "evaluated", f"hydra.sweep.dir={once}"
    finished(door("evaluate", f"ckpt={cell}", "evaluation=[full]", sweep, f"hydra.run.dir={here}"))
    assert (here / "metrics.json").is_file()
    assert "nothing was left to do" in finished(door("train", f"resume={cell}", sweep))
    assert (once / "fig5" / "cells.json").read_bytes() == listed
