"""The command `predict`: a table, files of results, reasons, and going on where it was stopped."""

import csv
import io
import json
import os
import subprocess
import sys

import av
import numpy as np
import pytest

from helpers.commands import fails, rows
from helpers.models import trained_run
from helpers.videos import grey_video, smooth, variable_rate, write_video
from zsvideo.prediction import terminal
from zsvideo.prediction.answers import SCHEMA
from zsvideo.prediction.results import COLUMNS
from zsvideo.resources import ROOT
from zsvideo.texts import printable

NAMES = ["pour tea", "climb ladder", "dance (read, sing)"]


@pytest.fixture
def predict(cli, tmp_path):
    """Run the command with the tiny run; gives the finished process."""
    run = trained_run(tmp_path / "run")

    def call(*arguments, model=run):
        own = [str(model), *map(str, arguments), "--device", "cpu"]
        return cli("predict", *own, XDG_CACHE_HOME=str(tmp_path / "cache"))

    return call


def sound_only(file):
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def odd_videos(folder):
    """Write videos that are read, and files that are none; gives the reasons of the latter."""
    folder.mkdir()
    frames = smooth(30)
    write_video(folder / "plain.mp4", frames)
    (folder / "cut.avi").write_bytes(b"")
    write_video(folder / "whole.avi", frames)
    content = (folder / "whole.avi").read_bytes()
    (folder / "cut.avi").write_bytes(content[: len(content) // 2])
    write_video(folder / "one frame.mp4", frames[:1])
    write_video(folder / "short ü 跑.mp4", frames[:7])
    write_video(folder / "a" / "b" / "copy, of it.mkv", frames)
    variable_rate(folder / "variable.mp4", np.cumsum([40, 10, 70] * 10).tolist(), frames)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video")
    sound_only(folder / "sound.mp4")
    return {
        "cut.avi": "truncated",
        "empty.mp4": "empty file",
        "text.mp4": "not a video file",
        "sound.mp4": "no video stream",
    }


def test_every_file_has_a_line_and_odd_ones_their_reason(predict, tmp_path):
    reasons = odd_videos(tmp_path / "videos")
    outs = [tmp_path / f"out.{kind}" for kind in ("csv", "json")]
    process = predict(tmp_path / "videos", "--classes", *NAMES, "--csv", outs[0], "--json", outs[1])
    assert process.returncode == 3, process.stderr
    assert "Traceback" not in process.stderr and "10 videos, 4 could not be read" in process.stderr
    document = json.loads(outs[1].read_text())
    assert document["schema"] == SCHEMA and document["counts"] == {"videos": 10, "failed": 4}
    assert [c["name"] for c in document["classes"]] == NAMES
    failed = {os.path.basename(v["path"]): v["reason"] for v in document["videos"] if v["reason"]}
    assert failed == reasons
    for video in document["videos"]:
        assert os.path.basename(video["path"])[:12] in process.stdout.replace("?", "ü")
        assert bool(video["top"]) == (video["status"] == "ok")
    table = rows(outs[0])
    assert tuple(table[0]) == COLUMNS
    assert len(table) == 6 * 3 + 4 and {r["name"] for r in table} == {*NAMES, ""}
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.tmp"))


def test_when_it_happens_is_written(predict, tmp_path):
    write_video(tmp_path / "long.mp4", smooth(120), fps=25)
    options = ["--window", "2", "--stride", "1", "--csv", tmp_path / "out.csv", "--top", "2"]
    process = predict(tmp_path / "long.mp4", "--classes", *NAMES, *options)
    assert process.returncode == 0, process.stderr
    spans = [row for row in rows(tmp_path / "out.csv") if row["start"]]
    assert spans[0]["start"] == "0.0" and float(spans[-1]["end"]) == pytest.approx(4.8, abs=0.05)
    assert "0.0 - " in process.stdout


@pytest.mark.slow
def test_a_stopped_command_goes_on(predict, tmp_path):
    for number in range(6):
        grey_video(tmp_path / "videos" / f"{number}.mp4", 20 + number)
    out = tmp_path / "out.csv"
    options = ["--classes", *NAMES, "--csv", out]
    assert predict(tmp_path / "videos", *options).returncode == 0
    whole = out.read_bytes()
    # As if stopped: a journal of four videos, the last one half written, the second one changed.
    journal = tmp_path / "out.csv.part"
    first = ["--classes", *NAMES, "--csv", tmp_path / "gone" / "x.csv"]
    assert predict(tmp_path / "videos", *first).returncode == 2
    code = """if True:
        import sys
        from zsvideo.prediction import results, terminal
        add, done = results.Journal.add, []
        def stop(self, source, answer, pictures):
            if len(done) == 3:
                self.out.write(b'{"path": "half'); self.out.close(); sys.exit(9)
            done.append(source); add(self, source, answer, pictures)
        results.Journal.add = stop
        from zsvideo.commands.predict import main
        main()
    """
    typed = [str(tmp_path / "run"), str(tmp_path / "videos"), *map(str, options), "--device", "cpu"]
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    stopped = subprocess.run([sys.executable, "-c", code, *typed], env=environment)
    assert stopped.returncode == 9 and journal.is_file()
    other = predict(tmp_path / "videos", "--classes", "sing", "--csv", out)
    assert fails(other, "is of another command")
    process = predict(tmp_path / "videos", *options)
    assert process.returncode == 0 and "going on: 3 of 6 videos are done" in process.stderr
    assert process.stdout.count(".mp4") == 3 and not journal.exists()

    def plain(content):  # batches differ, so the last digits may
        return [
            {k: round(float(v), 4) if k in ("score", "probability") else v for k, v in r.items()}
            for r in csv.DictReader(content.decode().splitlines())
        ]

    assert plain(out.read_bytes()) == plain(whole)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["a.mp4"], "no class names"),
        (["--classes", "sing"], "no video is given"),
        (["a.mp4", "--classes", "zzzz"], "no vector for 'zzzz'"),
        (["a.mp4", "--classes", "nope.txt"], "nope.txt"),
        (["a.mp4", "--classes", "sing", "--top", "0"], "--top 0"),
        (["a.mp4", "--classes", "sing", "--stride", "1"], "needs a window"),
        (["a.mp4", "--classes", "sing", "--csv", "/nope/a.csv"], "/nope/a.csv"),
        (["a.mp4", "--classes", "sing", "--json", "-"], "- is no file of results"),
        (["a.mp4", "--classes", "sing", "--nope"], "unrecognized arguments: --nope"),
        (["a.mp4", "--classes", "sing", "--oov", "x"], "--oov"),
        (["a.mp4", "--classes", "sing", "--vectors", "/nope.bin"], "/nope.bin"),
    ],
)
def test_mistakes_are_one_line(predict, arguments, said):
    assert len(fails(predict(*arguments), said)) == 1


def test_a_model_that_is_none_is_one_line(predict, tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.")
    assert fails(predict("a.mp4", "--classes", "a", model=tmp_path / "model.ckpt"), "run code")
    assert fails(predict("a.mp4", "--classes", "a", model=tmp_path), "no checkpoint")


def test_help_is_fast():
    code = "import sys, zsvideo.commands.predict as p; p.parser().format_help(); "
    code += "sys.exit(', '.join({'torch', 'numpy', 'gensim'} & set(sys.modules)) or 0)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


def test_real_clips_have_a_line_each(predict, shared, tmp_path):
    process = predict(shared / "clips", "--classes", *NAMES, "--json", tmp_path / "o.json")
    videos = json.loads((tmp_path / "o.json").read_text())["videos"]
    files = [f for f in (shared / "clips").rglob("*") if f.suffix in (".avi", ".mp4", ".mov")]
    assert process.returncode == 3 and len(videos) == len(files)
    failed = {os.path.basename(v["path"]): v["reason"] for v in videos if v["reason"]}
    assert failed == {
        "decord_corrupted.mp4": "damaged: frames do not decode",
        "small_Mpeg4.mp4": "no video stream",
        "small_mp4-with-audio.mp4": "no video stream",
    }


def test_progress_says_how_fast_and_how_long(monkeypatch):
    now = iter([0, 10, 20, 3000, 3000])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(now))
    out = io.StringIO()
    out.isatty = lambda: True
    progress = terminal.Progress(out, 1000)
    progress.step(0)
    assert out.getvalue() == "1 of 1000 files, 0.1 files/s, 2 h 46 min left, 0 failed\r"
    progress.clear()
    assert out.getvalue().endswith("\x1b[2K")
    progress.step(1)
    assert "2 of 1000 files, 0.1 files/s, 2 h 46 min left, 1 failed" in out.getvalue()
    assert printable("a\x1b[31m\n\udcff.mp4") == "a?[31m??.mp4"
