"""`python -m src.audit` as a user runs it, and its page in a real browser."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from helpers.commands import fails, finished
from helpers.vectors import toy_vectors
from helpers.videos import write_video
from zsvideo.resources import ROOT

pytestmark = pytest.mark.slow

NO_TORCH = """
import runpy, sys
class NoTorch:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "torch":
            raise ImportError("torch was imported")
sys.meta_path.insert(0, NoTorch())
runpy.run_module("src.audit", run_name="__main__")
"""


def chromium(run, folder, *options):
    return subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={folder}/profile",
            "--window-size=1280,1400",
            "--virtual-time-budget=3000",
            *options,
            f"file://{run}/audit.html",
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """The audit of the headline protocol, in a process that has no torch."""
    run = tmp_path_factory.mktemp("audit")
    process = subprocess.run(
        [sys.executable, "-c", NO_TORCH, "protocol=605", "pretrain=sun", f"hydra.run.dir={run}"],
        cwd=ROOT,
        env=os.environ | {"DATA_ROOT": str(run / "data"), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    return run, finished(process)


def test_files_and_words_of_the_headline_audit(audited):
    run, said = audited
    assert "605" in said and "586" in said and "sun397 (pretrain)" in said
    assert "canoeing or kayaking (0.0469)" in said and "duplicates flagged" in said
    found = json.loads((run / "audit.json").read_text())
    assert found["protocol"]["keep_out"] == ["ucf101", "hmdb51", "activitynet"]
    assert found["training"]["source"]["counts"]["kept"] == 586
    with (run / "audit.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 700 + 397
    removed = [r for r in rows if r["role"] == "source" and r["kept"] == "False"]
    assert len(removed) == 114 and all(r["reason"] for r in removed)
    for figure in ("map", "distances-source", "strictness-source", "distances-pretrain"):
        for ending in ("svg", "png"):
            assert (run / "figures" / f"{figure}.{ending}").stat().st_size > 5000


def test_the_page_needs_nothing_from_elsewhere(audited):
    text = (audited[0] / "audit.html").read_text()
    assert "$" + "data" not in text
    for word in ("http-equiv", "<link", "src=", "@import", "fetch("):
        assert word not in text
    outside = [part for part in text.split('href="')[1:] if not part.startswith("#")]
    assert not outside


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_the_page_opens_in_a_browser(audited, tmp_path):
    run, _ = audited
    page = chromium(run, tmp_path, "--dump-dom").stdout
    shown = page.split('id="rows"')[1].split("</tbody>")[0]
    assert "208 of 700 classes" in page
    assert "<b>riding a bike</b>" in shown and "ucf101/Biking" in shown
    assert "<b>abseiling</b>" not in shown  # no leak: filtered out at first
    assert page.count("<title>") > 700  # points of the figures say their names
    picture = tmp_path / "page.png"
    chromium(run, tmp_path, f"--screenshot={picture}")
    with Image.open(picture) as image:
        assert image.size == (1280, 1400)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50


def test_own_folders_lists_and_videos(cli, tmp_path):
    words = ["jump", "run", "swim", "trampoline", "bounce"]
    toy_vectors(words).save_word2vec_format(str(tmp_path / "toy.bin"), binary=True)
    noise = np.random.default_rng(0).integers(0, 255, (2, 12, 48, 64, 3), dtype=np.uint8)
    for place, name, frames in (("a", "jumping", 0), ("a", "swim", 1), ("b", "run", 0)):
        write_video(tmp_path / place / name / "0.avi", noise[frames])
    (tmp_path / "seen.txt").write_text("Running\nzorbing\n")
    run = tmp_path / "run"
    said = finished(
        cli(
            "audit",
            "source=folder",
            f"source.root={tmp_path}/a",
            "target=[folder]",
            f"target.folder.root={tmp_path}/b",
            "protocol=targets",
            "semantics=word2vec",
            f"semantics.path={tmp_path}/toy.bin",
            "pretrain=listed",
            f"pretrain.root={tmp_path}/seen.txt",
            "videos=true",
            f"hydra.run.dir={run}",
        )
    )
    assert "LEAK if weights are trained on all of folder (pretrain): 1 of its classes" in said
    assert "1 pairs are the same video" in said
    found = json.loads((run / "audit.json").read_text())
    assert found["videos"]["pairs"][0]["source"] == f"{tmp_path}/a/jumping/0.avi"
    assert found["coverage"]["pretrain"]["without_vector"] == {"zorbing": ["zorbing"]}
    assert "same video" in (run / "audit.html").read_text()


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
def test_strange_names_neither_break_the_page_nor_the_terminal(cli, tmp_path):
    words = ["jump", "run", "swim", "read"]
    toy_vectors(words).save_word2vec_format(str(tmp_path / "toy.bin"), binary=True)
    names = [
        "50% jump",
        "run [/] swim",
        "<!--<script> read",
        "$read$ run",
        'swim "<b>&',
        "read [red] run",
    ]
    (tmp_path / "source.txt").write_text("\n".join(names))
    (tmp_path / "target.txt").write_text("jump\nread run\n")
    run = tmp_path / "run"
    said = finished(
        cli(
            "audit",
            "source=folder",
            f"source.root={tmp_path}/source.txt",
            "target=[folder]",
            f"target.folder.root={tmp_path}/target.txt",
            "protocol=targets",
            "semantics=word2vec",
            f"semantics.path={tmp_path}/toy.bin",
            f"hydra.run.dir={run}",
        )
    )
    assert "read [red] run" in said
    page = chromium(run, tmp_path, "--dump-dom").stdout
    assert "Audit of protocol targets" in page.split("<h1")[1].split("</h1>")[0]
    assert "of 6 classes" in page


def test_generated_videos_and_other_protocols(cli, tmp_path):
    said = finished(
        cli(
            "audit",
            "source=synthetic",
            "target=[synthetic]",
            "protocol=targets",
            f"hydra.run.dir={tmp_path}/run",
        )
    )
    assert "synthetic (source)" in said and "│ 52 " in said and "│ 48 " in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["source=folder", "source.root=nowhere"], ["nowhere", "source.root"]),
        (["source=folder"], ["source.root"]),
        (["target=[]"], ["target is empty"]),
        (["pretrain=imagenet"], ["pretrain=imagenet", "kinetics400", "sun"]),
        (["source.table=imagenet"], ["imagenet", "kinetics700"]),
        (["protocol=manual"], ["protocol.remove"]),
        (["protocol=manual", "protocol.remove=[flying]"], ["flying", "spell"]),
        (["protocol=audited", "protocol.grades=[twin]"], ["twin", "duplicate"]),
        (["videos=true"], ["kinetics700", "source.root"]),
        (["semantics.oov=guess"], ["semantics.oov", "fallback"]),
        (["protocol=truze", "target=[activitynet]"], ["truze", "activitynet"]),
        (["hydra.run.dir=/proc/nowhere"], ["hydra.run.dir"]),
        (["protocol.tau=nan"], ["protocol.tau"]),
    ],
)
def test_bad_options(cli, tmp_path, options, words):
    fails(cli("audit", f"hydra.run.dir={tmp_path}/run", *options), *words)


def test_a_target_that_a_fixed_list_is_not_of_is_left_out_and_said(cli, tmp_path):
    """ActivityNet has a class Rafting too, but TruZe's is UCF101's."""
    options = ["protocol=truze", "source=kinetics400", "target=[ucf101,activitynet]"]
    process = cli("audit", f"hydra.run.dir={tmp_path}/run", *options)
    assert process.returncode == 0, process.stderr[-3000:]
    said = process.stdout + process.stderr
    assert said.count("target activitynet is not tested") == 1
    found = json.loads((tmp_path / "run" / "audit.json").read_text())
    assert found["protocol"]["tested"] == ["ucf101"]


def test_fig2_and_fig3_name_what_they_show(cli, tmp_path, shared):
    """SUN's names, removed classes on top, frames of test videos, class names on an axis."""
    top = tmp_path / "full"
    for name in ("fig2", "fig3"):
        roots = [f"target.{t}.root={shared}/clips/{t}" for t in ("ucf101", "hmdb51")]
        process = cli("audit", f"experiments={name}", f"hydra.run.dir={top}/{name}", *roots)
        assert process.returncode == 0, process.stderr[-3000:]
        process = cli("report", f"experiments={name}", f"hydra.sweep.dir={top}")
        assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads((top / "fig2" / "audit.json").read_text())
    groups = Counter((p["dataset"], p["group"]) for p in found["map"])
    assert groups["sun397", "kept"] > 300 and groups["kinetics700", "removed"] == 33
    drawing = (top / "fig2" / "fig2.svg").read_text()
    for (dataset, group), count in groups.items():
        what = dataset if group == "target" else f"{dataset}, {group}"
        assert f">{what}: {count}<" in drawing
    frames = {f["name"]: f["file"] for f in found["frames"]}
    assert {"Archery", "ApplyEyeMakeup"} <= set(frames)
    assert all((top / "fig2" / file).is_file() for file in frames.values())
    assert all(f">{name}<" in drawing for name in frames) and drawing.count("<image ") == len(
        frames
    )
    drawing = (top / "fig3" / "fig3.svg").read_text()
    assert ">throwing discus ~ JavelinThrow<" in drawing
    assert ">swinging baseball bat ~ swing_baseball<" in drawing and ">tau = 0.05<" in drawing
