"""Saved predictions scored again and compared, as a user does it."""

import json
import shutil
import subprocess
import sys

import pytest

from helpers.commands import finished
from helpers.videos import grey_video
from zsvideo.resources import ROOT

pytestmark = pytest.mark.slow

EVERY = (
    "half",
    "half_casefold",
    "full",
    "shuffled",
    "official3",
    "truze",
    "kinetics600_220",
    "distance",
    "generalised",
)
WITHOUT_TORCH = """
import runpy, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "pytorch_lightning", "av", "cv2"):
            raise ImportError(f"{name} is not needed to score")
sys.meta_path.insert(0, Refuse())
runpy.run_module("src.evaluate", run_name="__main__", alter_sys=True)
"""


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def refused(process):
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert process.returncode == 2 and "Traceback" not in process.stderr, process.stderr[-3000:]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def trained(cli, folders, tmp_path):
    """A run with held-out videos of the classes it was trained on."""
    for name in ("jump", "run"):
        grey_video(tmp_path / "held" / name / "9.avi", 20)
    run = tmp_path / "sweep" / "0"
    options = [*folders, "source@seen=folder", f"seen.root={tmp_path}/held", "resamples=50"]
    finished(cli("train", *options, f"hydra.run.dir={run}"))
    return run, options


def test_a_run_is_scored_again_without_torch_or_data(trained, tmp_path):
    run, _ = trained
    shutil.rmtree(tmp_path / "source")
    shutil.rmtree(tmp_path / "target")
    (tmp_path / "toy.bin").unlink()
    out = tmp_path / "again"
    command = [
        sys.executable,
        "-c",
        WITHOUT_TORCH,
        f"predictions={run}",
        "resamples=50",
        f"evaluation=[{','.join(EVERY)}]",
        f"hydra.run.dir={out}",
    ]
    said = finished(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280))
    before, after = metrics(run), metrics(out)
    for name in ("half", "full"):  # the same code path as in training
        assert after["targets"]["folder"][name] == before["targets"]["folder"][name]
    found = after["targets"]["folder"]
    assert set(EVERY) - set(found) == {"official3", "truze", "kinetics600_220"}
    assert set(found["not_applicable"]) == {"official3", "truze", "kinetics600_220"}
    assert "evaluation truze left out" in said
    general = found["generalised"]
    assert (general["seen_classes"], general["unseen_classes"], general["seen_videos"]) == (4, 4, 2)
    assert 0 <= general["ausuc"] <= 1 and general["harmonic"] is not None
    assert found["distance"]["curve"][0]["classes"] == 4
    assert after["checkpoint"] == before["checkpoint"] and after["scored"]["from"] == run.name
    for name in ("card.md", "card.json", "analysis/folder.json", "results.md", "protocol.json"):
        assert (out / name).stat().st_size > 0
    assert len(json.loads((out / "protocol.json").read_text())["trained_classes"]) == 4


def test_a_file_alone_is_scored_and_says_what_is_unknown(trained, cli, tmp_path):
    run, _ = trained
    (tmp_path / "alone" / "predictions").mkdir(parents=True)
    file = tmp_path / "alone" / "predictions" / "mine.npz"
    shutil.copy(run / "predictions" / "folder.npz", file)
    out = tmp_path / "out"
    said = finished(
        cli("evaluate", f"predictions={file}", "track=vision-language", f"hydra.run.dir={out}")
    )
    assert metrics(out)["targets"]["mine"]["full"]["top1"] is not None
    assert metrics(out)["track"] == "vision-language"
    assert "UNKNOWN: training classes" in said


def test_seeds_are_compared_and_other_clips_refused(trained, cli, tmp_path):
    run, options = trained
    sweep = tmp_path / "sweep"
    finished(cli("train", *options, "seed=1", f"hydra.run.dir={sweep}/1"))
    out = f"out={tmp_path}/comparison"
    said = finished(cli("report", f"compare=[{sweep}/0,{sweep}/1]", "resamples=50", out))
    assert "McNemar" in said and "mean over seeds 0, 1" in said
    assert finished(cli("report", f"compare={sweep}", "resamples=50", out)) == said
    again = ["clips.test_clips=1", f"hydra.run.dir={tmp_path}/odd"]
    finished(cli("evaluate", f"ckpt={run}", *options, *again))
    pair = f"compare=[{run},{tmp_path}/odd]"
    line = refused(cli("report", pair, out))
    assert "differ in clips.test_clips for folder, full: 3 against 1" in line
    assert "clips.test_clips: 3 -> 1" in finished(cli("report", pair, out, "--force"))


def test_mistakes_are_told_in_one_line(trained, cli, folders, tmp_path):
    run, _ = trained
    place = f"hydra.run.dir={tmp_path}/x"
    assert "either ckpt=RUN" in refused(cli("evaluate", place))
    assert "nowhere" in refused(cli("evaluate", "predictions=nowhere", place))
    assert "resamples=-1" in refused(cli("evaluate", f"predictions={run}", "resamples=-1", place))
    wrong = ["evaluation.half.draws=0", place]
    assert "draws=0" in refused(cli("evaluate", f"predictions={run}", *wrong))
    alone = ["evaluation=[truze]", place]
    line = refused(cli("evaluate", f"predictions={run}", *alone))
    assert "truze.tsv is of ucf101, hmdb51, not of folder" in line
    assert "not of folder" in refused(cli("train", *folders, *alone))
    assert not (tmp_path / "x" / "checkpoints").exists()
    assert "one of run=RUN" in refused(cli("report"))
    seen = [*folders, "source@seen=folder", f"seen.root={tmp_path}/source", place]
    assert "were trained on" in refused(cli("train", *seen, "trainer.max_epochs=1"))


def test_other_word_vectors_are_found_by_their_hash(trained, cli, tmp_path):
    run, _ = trained
    content = bytearray((tmp_path / "toy.bin").read_bytes())
    content[-1] ^= 1
    (tmp_path / "toy.bin").write_bytes(content)
    line = refused(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={tmp_path}/x"))
    assert "trained with other word vectors (toy.bin; sha256 differs)" in line
