"""Run folders written before version 0.2 are read by report, evaluate and compare."""

import json
import shutil
from pathlib import Path

import pytest

import zsvideo
from helpers.commands import check_sums, fails, finished, read
from helpers.videos import grey_video

RUNS = Path(__file__).parent / "runs" / "before_0.2"

pytestmark = pytest.mark.slow


@pytest.fixture
def earlier(tmp_path):
    shutil.copytree(RUNS, tmp_path / "runs")
    return tmp_path / "runs" / "seed0", tmp_path / "runs" / "seed1"


def test_they_are_shown_and_compared(earlier, cli, tmp_path):
    one, other = earlier
    before = read(one, "metrics.json")["targets"]["synthetic"]
    said = finished(cli("report", f"run={one}"))
    assert "top-1" in said and f"{before['full']['top1']:.1f}" in said
    out = f"out={tmp_path}/compared"
    said = finished(cli("report", f"compare=[{one},{other}]", "resamples=50", out))
    assert "McNemar" in said


def test_they_are_scored_again_with_the_same_numbers(earlier, cli, tmp_path):
    one, _ = earlier
    options = [f"predictions={one}", "evaluation=[half,full]", f"hydra.run.dir={tmp_path}/again"]
    finished(cli("evaluate", *options, "resamples=50"))
    before, after = (read(run, "metrics.json") for run in (one, tmp_path / "again"))
    for name in ("half", "full"):
        old, new = (m["targets"]["synthetic"][name] for m in (before, after))
        assert old == {key: new[key] for key in old}, name
    assert check_sums(tmp_path / "again") >= {"metrics.json", "predictions/synthetic.npz"}


def test_their_files_are_checked_by_the_hashes_in_their_records(earlier, cli, tmp_path):
    one, other = earlier
    file = one / "predictions" / "synthetic.npz"
    file.write_bytes((other / "predictions" / "synthetic.npz").read_bytes())
    fails(cli("report", f"run={one}"), "synthetic.npz is not the file that the run wrote")
    protocol = json.loads((other / "protocol.json").read_text())
    (other / "protocol.json").write_text(json.dumps(protocol | {"tau": 0.2}))
    again = f"hydra.run.dir={tmp_path}/again"
    fails(cli("evaluate", f"predictions={other}", again), "protocol.json is not the file that")


def test_their_checkpoint_is_tested_again(earlier, cli, tmp_path):
    one, _ = earlier
    finished(cli("evaluate", f"ckpt={one}", f"hydra.run.dir={tmp_path}/tested", "resamples=50"))
    before, after = (read(run, "metrics.json") for run in (one, tmp_path / "tested"))
    old, new = (m["targets"]["synthetic"]["full"]["top1"] for m in (before, after))
    assert abs(old - new) < 5  # another processor may tip a video of 48
    kept = [
        json.loads((run / "protocol.json").read_text())["counts"]["kept"]
        for run in (one, tmp_path / "tested")
    ]
    assert kept == [48, 48]


def test_they_predict(earlier, tmp_path):
    one, _ = earlier
    model = zsvideo.load(one, device="cpu", cache=tmp_path / "cache")
    assert model.facts.trained.names == tuple(read(one, "protocol.json")["trained_classes"])
    assert model.facts.none_of_these is None
    grey_video(tmp_path / "a.mp4", 30)
    (answer,) = model.predict(tmp_path / "a.mp4", ["pour tea", "climb a ladder"])
    assert len(answer.top) == 2 and answer.none_of_these is None
