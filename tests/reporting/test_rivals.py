"""The table of all systems on the same features, from runs with known numbers."""

import csv
import json

import pytest

from zsvideo.reporting.studies.report import report

HEADS = {"ridge": 20.0, "tarn": 30.0}


def write_run(folder, top1, head=None):
    folder.mkdir(parents=True)
    interval = {"top1": {"both": [top1 - 5, top1 + 5]}}
    full = {"top1": top1, "top5": top1 + 20, "classes": 101, "interval": interval}
    half = {"top1_mean": top1 + 9, "top5_mean": top1 + 25, "classes": 50}
    content = {"targets": {"ucf101": {"full": full, "half": half}}, "head": head}
    (folder / "metrics.json").write_text(json.dumps(content))
    (folder / "protocol.json").write_text(json.dumps({"name": "664"}))


@pytest.fixture
def studies(tmp_path):
    """e2e at 40 %, f_s at 25 %, two heads, two seeds each; one more head has not run."""
    jobs = []

    def add(top1, method, head, **record):
        for seed in (0, 1):
            folder = tmp_path / "jobs" / str(len(jobs))
            if top1 is not None:
                write_run(folder, top1 + seed, record or None)
            pretrain = "none" if method == "e2e" else "kinetics400"
            axes = {"method": method, "head": head, "pretrain": pretrain, "seed": seed}
            jobs.append({"axes": axes, "folder": f"../jobs/{len(jobs)}"})

    add(40.0, "e2e", "linear")
    add(25.0, "baseline", "linear")
    for name, top1 in HEADS.items():
        known = {"substituted": ["C3D -> r2plus1d"], "seconds": {"fit": 2.0, "score": 0.5}}
        add(top1, "baseline", name, name=name, features={"backbone": "r2plus1d"}, **known)
    add(None, "baseline", "sae")
    for name in ("rivals", "table1"):
        (tmp_path / name).mkdir()
        content = {"study": {"name": name}, "jobs": jobs if name == "rivals" else []}
        (tmp_path / name / "jobs.json").write_text(json.dumps(content))
    return tmp_path


def test_every_system_has_a_row_and_quoted_numbers_stay_apart(studies):
    folder = report("rivals", studies)
    with (folder / "rivals.csv").open(newline="") as lines:
        rows = {(row["row"], row["from"]): row for row in csv.DictReader(lines)}
    tarn = rows["tarn (re-implementation on r2plus1d)", "ours"]
    assert tarn["ucf101 full top1"] == "30.5" and tarn["ucf101 half top1"] == "39.5"
    assert tarn["fit s"] == "2.0" and tarn["score s"] == "0.5"
    assert tarn["ucf101 full 95 % (classes, videos)"] == "25.0 to 35.0 (seed 0)"
    assert "substituted: C3D -> r2plus1d" in tarn["protocol"]
    assert "target videos used in training: no" in tarn["protocol"]
    assert rows["end to end", "ours"]["ucf101 full top1"] == "40.5"
    assert rows["end to end", "ours"]["fit s"] == ""
    quoted = rows["TARN [4], C3D", "paper"]
    assert quoted["ucf101 half top1"] == "19.0" and "as quoted in" in quoted["source"]
    assert quoted["ucf101 full top1"] == ""
    assert rows["sae (re-implementation)", "ours"]["ucf101 full top1"] == ""
    text = (folder / "rivals.md").read_text()
    assert "missing: 8 (not started)" in text and "same budget" in text
    tarn_alone = "ucf101: tarn (re-implementation on r2plus1d) above f_s on frozen features"
    assert f"{tarn_alone}: open (+5.00 points in each of 2 seeds" in text
    assert "ucf101: end to end above ridge (re-implementation on r2plus1d): open (+20.00" in text


def test_fig1_takes_the_rows(studies):
    folder = report("fig1", studies)
    text = (folder / "fig1.md").read_text()
    assert "| tarn (re-implementation on r2plus1d) | ours | ucf101 | 60.5 ± " in text
    assert "| TARN [4], C3D | paper | ucf101 | 81" in text
