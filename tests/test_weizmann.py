"""The experiment on real video: whole, on made-up files in its layout; a few steps on the real."""

import csv
import json

import numpy as np
import pytest

from helpers.commands import fails, finished
from helpers.videos import write_video
from zsvideo.data.datasets.weizmann import ACTORS, CODES

SMALL = [
    "clips.short_side=32",
    "clips.crop=32",
    "clips.test_clips=1",
    "loader.workers=0",
    "trainer.accelerator=cpu",
    "resamples=50",
]


@pytest.fixture
def made(tmp_path):
    """Write one short video an actor and action, and two an interaction, into `tmp_path/data`."""
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    for code in CODES:
        for actor in ACTORS:
            frames = rng.integers(0, 255, (4, 32, 40, 3), dtype=np.uint8)
            write_video(data / "weizmann" / code / f"{actor}_{code}.avi", frames)
    for number in range(12):
        frames = rng.integers(0, 255, (4, 32, 40, 3), dtype=np.uint8)
        file = data / "ut_interaction" / "segmented_set1" / f"{number}_1_{number % 6}.avi"
        write_video(file, frames)
    return data


def jobs(sweep):
    listed = json.loads((sweep / "weizmann" / "jobs.json").read_text())["jobs"]
    return [sweep / "weizmann" / job["folder"] for job in listed]


@pytest.mark.slow
def test_the_whole_experiment_on_made_up_files(cli, made, tmp_path):
    sweep = tmp_path / "sweep"
    options = ["experiments=weizmann", f"hydra.sweep.dir={sweep}"]
    finished(cli("train", *options, *SMALL, "trainer.max_epochs=1"))
    tested, trained = [], []
    for folder in jobs(sweep):
        saved = np.load(folder / "predictions" / "weizmann.npz")
        tested += list(saved["ids"])
        assert len(saved["ids"]) == 30 and len(saved["class_names"]) == 10
        metrics = json.loads((folder / "metrics.json").read_text())
        trained.append(metrics["source"]["used"])
        protocol = json.loads((folder / "protocol.json").read_text())
        assert protocol["videos_tested_too"] == {"weizmann": 0, "ut_interaction": 0}
        results = (folder / "results.md").read_text()
        assert "NOT ZERO-SHOT: the classes of weizmann were trained on" in results
        assert "training videos are tested" not in results
    assert trained == [60] * 3 and len(set(tested)) == len(tested) == 90
    said = finished(cli("report", *options))
    assert "3 of 3 runs finished" in said and "no claim of zero-shot" in said
    with (sweep / "weizmann" / "weizmann.csv").open(newline="") as lines:
        rows = {(r["target"], r["row"]): r for r in csv.DictReader(lines)}
    whole = rows["weizmann, seen classes", "seed 0, all folds, 3 networks"]
    assert (whole["videos"], whole["chance"]) == ("90", "10.0")
    other = rows["ut_interaction, zero-shot", "seed 0, mean of the 3 networks"]
    assert other["videos"] == "12" and other["chance"].startswith("16.6")


@pytest.mark.slow
def test_without_the_videos_one_line_says_what_to_fetch(cli, tmp_path):
    process = cli("train", "experiments=weizmann", f"hydra.sweep.dir={tmp_path}/sweep")
    (line,) = fails(process, "weizmann is not at", "download=true", "source.root=FOLDER")
    assert str(tmp_path / "data" / "weizmann") in line
    assert not list((tmp_path / "sweep").glob("jobs/*"))


def test_it_has_no_demo_scale(cli):
    done = cli("train", "experiments=weizmann", "scale=demo")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "with experiments=weizmann scale=demo" in done.stderr


@pytest.mark.slow
def test_an_actor_on_both_sides_is_a_leak(cli, made, tmp_path):
    run = tmp_path / "run"
    own = ["hydra.mode=RUN", "target=[weizmann]", "source.leave_out=[ido]"]
    own += ["target.weizmann.actors=[ido,ira]", "trainer.max_steps=1", f"hydra.run.dir={run}"]
    assert "LEAK: 10 training videos are tested" in finished(
        cli("train", "experiments=weizmann", *SMALL, *own)
    )


@pytest.mark.slow
def test_a_few_steps_on_the_real_videos(cli, shared, tmp_path):
    run, data = tmp_path / "run", shared / "datasets"
    own = ["hydra.mode=RUN", "target=[weizmann]", "target.weizmann.actors=[ido,ira,lena]"]
    own += [f"source.root={data}/weizmann", "trainer.max_epochs=4", f"hydra.run.dir={run}"]
    finished(cli("train", "experiments=weizmann", *SMALL, *own))
    target = json.loads((run / "metrics.json").read_text())["targets"]["weizmann"]
    assert (target["used"], target["expected"], target["unreadable"]) == (30, 30, {})
    with (run / "metrics.csv").open(newline="") as lines:
        column = [row["train/loss_epoch"] for row in csv.DictReader(lines)]
    losses = [float(value) for value in column if value]
    assert len(losses) == 4 and losses[-1] < 0.8 * losses[0]
