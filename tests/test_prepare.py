"""`python -m src.prepare` as a user runs it: faults by name, kills survived, training on it."""

import fcntl
import json
import os
import resource
import signal
import struct
import time
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from helpers.commands import fails, finished, rows, start
from helpers.shared import SHARED
from helpers.vectors import toy_vectors
from helpers.videos import frames_of, grey_video, smooth, variable_rate, write_video
from zsvideo.data import preparation
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.forms import FormSpec
from zsvideo.data.manifest import NAME, read_manifest
from zsvideo.data.videos import Video
from zsvideo.errors import UserError

pytestmark = pytest.mark.slow


def sound(file):
    with av.open(str(file), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def box(kind, content=b""):
    return struct.pack(">I", 8 + len(content)) + kind + content


def replace_after(file, mark, skip, new):
    content = bytearray(file.read_bytes())
    place = content.index(mark) + len(mark) + skip
    content[place : place + len(new)] = new
    file.write_bytes(content)


def deep_colour(file):
    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p10le"
        for pixels in smooth(20, (48, 64)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p10le")))
        container.mux(stream.encode())


@pytest.fixture
def mixed(tmp_path):
    """Good videos of two classes, and each fault; gives the folder and the reasons by name."""
    root = tmp_path / "mixed"
    for name in ("run", "jump"):
        for number in range(2):
            grey_video(root / name / f"{number}.mp4", 30, codec="libx264")
    odd = root / "run"
    grey_video(odd / "cut.mp4", 40, codec="libx264")
    (odd / "cut.mp4").write_bytes((odd / "cut.mp4").read_bytes()[:900])
    grey_video(odd / "cut.avi", 60)
    (odd / "cut.avi").write_bytes((odd / "cut.avi").read_bytes()[:-3000])
    (odd / "zero.mp4").touch()
    (odd / "text.mp4").write_text("no video " * 50)
    sound(odd / "sound.mp4")
    (odd / "no-stream.mp4").write_bytes(
        box(b"ftyp", b"isom\0\0\2\0isom") + box(b"moov", box(b"mvhd", bytes(100)))
    )
    write_video(odd / "speck.mkv", np.zeros((5, 1, 1, 3), np.uint8), codec="ffv1")
    os.mkfifo(odd / "pipe.mp4")
    (odd / "gone.mp4").symlink_to("nowhere")
    variable_rate(odd / "fine-vfr.mkv", np.cumsum(np.arange(20) % 5 + 1) * 10, smooth(20))
    grey_video(odd / "fine-b.avi", 40, options={"bf": "2"})
    grey_video(odd / "fine-claims.avi", 40)
    for mark, skip in ((b"avih", 20), (b"strh", 36)):
        replace_after(odd / "fine-claims.avi", mark, skip, struct.pack("<I", 43))
    grey_video(odd / "fine-turned.mp4", 20, codec="libx264")
    turn = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    replace_after(odd / "fine-turned.mp4", b"tkhd", 40, turn)
    deep_colour(odd / "fine-10-bit.mp4")
    grey_video(odd / "forbidden.mp4", 20, codec="libx264")
    (odd / "forbidden.mp4").chmod(0)
    real = {}
    if (SHARED / "clips" / "odd").is_dir():
        for file in (SHARED / "clips" / "odd").iterdir():
            (odd / file.name).write_bytes(file.read_bytes())
        real = {
            "decord_corrupted.mp4": "damaged: frames do not decode",
            "small_Mpeg4.mp4": "no video stream",
            "small_mp4-with-audio.mp4": "no video stream",
        }
    return root, real | {
        "forbidden.mp4": "no permission to read it",
        "no-stream.mp4": "no video stream",
        "cut.mp4": "not a video file",
        "cut.avi": "truncated",
        "zero.mp4": "empty file",
        "text.mp4": "not a video file",
        "sound.mp4": "no video stream",
        "speck.mkv": "smaller than 8 pixels",
        "pipe.mp4": "not a regular file",
        "gone.mp4": "missing file",
    }


def test_each_fault_has_its_reason_and_training_goes_on(mixed, cli, tmp_path):
    root, reasons = mixed
    plain = partial(cli, plain=os.geteuid() == 0)  # root reads everything, unless it gives this up
    before = {file: file.lstat().st_mtime_ns for file in root.rglob("*")}
    options = ["dataset=folder", f"root={root}", f"out={tmp_path}/out"]
    plan = finished(cli("prepare", *options, "--dry-run"))
    found = len(before) - 2
    good = found - len(reasons)
    assert (
        f"{found} videos" in plan and "form=pack needs" in plan and not (tmp_path / "out").exists()
    )
    said = finished(plain("prepare", *options))
    assert f"{good} of {found} videos can be used" in said and good >= 6
    table = {os.path.basename(row["path"]): row for row in rows(tmp_path / "out" / "manifest.csv")}
    assert {name: row["reason"] for name, row in table.items() if row["status"] != "ok"} == reasons
    seen = {name: (row["frames"], row["width"], row["height"]) for name, row in table.items()}
    assert seen["0.mp4"] == ("30", "64", "48") and seen["fine-claims.avi"][0] == "40"
    assert [table[name]["claimed"] for name in ("0.mp4", "fine-claims.avi")] == ["30", "43"]
    assert seen["fine-turned.mp4"] == ("20", "48", "64") and seen["fine-10-bit.mp4"][0] == "20"
    assert len(rows(tmp_path / "out" / "quarantine.csv")) == len(reasons)
    assert {file: file.lstat().st_mtime_ns for file in root.rglob("*")} == before

    words = ["run", "jump", "read", "sing"]
    toy_vectors(words).save_word2vec_format(str(tmp_path / "toy.bin"), binary=True)
    for name in words[2:]:
        grey_video(tmp_path / "target" / name / "0.avi", 20)
    for place, command in ((root, plain), (tmp_path / "out", cli)):
        run = tmp_path / f"run-{place.name}"
        finished(
            command(
                "train",
                "source=folder",
                f"source.root={place}",
                "target=[folder]",
                f"target.folder.root={tmp_path}/target",
                "protocol=targets",
                "model=tiny",
                "semantics=word2vec",
                f"semantics.path={tmp_path}/toy.bin",
                "clips.short_side=40",
                "clips.crop=32",
                "clips.test_clips=3",
                "loader.batch_size=3",
                "loader.workers=1",
                "trainer.max_epochs=2",
                "trainer.accelerator=cpu",
                f"hydra.run.dir={run}",
            )
        )
        source = json.loads((run / "metrics.json").read_text())["source"]
        told = source["unreadable_replaced"] | source["quarantined"]
        told = {os.path.basename(name): reason for name, reason in told.items()}
        partly = {} if place != root else {"decord_corrupted.mp4"}  # some of its clips decode
        assert {**told, **{n: reasons[n] for n in partly if n in reasons}} == reasons
        assert (source["found"], source["used"]) == (found, found - len(told))


def noise(root, count):
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 255, (25, 48, 64, 3), dtype=np.uint8)
        write_video(root / f"c{number % 3}" / f"{number}.avi", pixels)


def started(root, out, *more):
    """Start a preparation, with files beside its videos for what it says."""
    options = ["dataset=folder", f"root={root}", f"out={out}", *more]
    said = root.with_name("said")
    said.mkdir(exist_ok=True)
    return start("src.prepare", options, {}, said)


def ended(process):
    process.join(120)
    return process.exitcode == 0


def killed_after(process, journal, done):
    """Kill a preparation as soon as its journal has so many lines; tell whether it came to that."""
    limit = time.monotonic() + 60
    while process.is_alive() and time.monotonic() < limit:
        if journal.exists() and journal.read_bytes().count(b"\n") >= done:
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
            return process.exitcode == -signal.SIGKILL
        time.sleep(0.002)
    return False


def content(out):
    return {
        str(f.relative_to(out)): f.read_bytes()
        for f in out.rglob("*")
        if f.is_file() and not f.name.startswith("progress")
    }


@pytest.mark.parametrize("form", ["pack", "h264"])
def test_killed_at_any_moment_it_ends_as_if_undisturbed(tmp_path, form):
    root, calm, killed = tmp_path / "videos", tmp_path / "calm", tmp_path / "killed"
    noise(root, 60)
    assert ended(started(root, calm, f"form={form}"))
    for done in (1, 12, 35):
        process = started(root, killed, f"form={form}")
        assert killed_after(process, killed / "progress.jsonl", done)
    assert not (killed / "manifest.csv").exists()
    assert ended(started(root, killed, f"form={form}"))
    assert content(killed) == content(calm) and len(content(calm)) == 63


def test_shards_of_which_one_is_killed_join_to_what_one_process_makes(cli, tmp_path):
    root, calm, out = tmp_path / "videos", tmp_path / "calm", tmp_path / "out"
    noise(root, 30)
    for name in ("text.avi", "more.avi"):
        (root / "c0" / name).write_text("no video " * 50)
    options = ["dataset=folder", f"root={root}", f"out={out}"]
    assert ended(started(root, calm))
    journal = out / "progress-1-of-3.jsonl"
    assert killed_after(started(root, out, "shards=3", "shard=1", "workers=1"), journal, 3)
    before = journal.read_text()
    fails(cli("prepare", *options, "shards=3"), "30 files", "src.prepare -m shard=0,1,2")
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", "workers=1"]
    sweep = ["-m", "shard=0,2,3", f"hydra.sweep.dir={tmp_path}/sweep", *launcher]
    fails(cli("prepare", *sweep, *options, "shards=3"), "shard=3", "shards=N")
    fails(cli("prepare", *options, "shards=3"), "src.prepare shard=1")
    finished(cli("prepare", *options, "shards=3", "shard=1"))
    lines = journal.read_text().splitlines()
    assert lines[: before.count("\n")] == before.splitlines()
    states = [json.loads(line).get("state") for line in lines if line != before.rpartition("\n")[2]]
    assert len(states) == len(set(states))
    assert not (out / "manifest.csv").exists()
    said = finished(cli("prepare", *options, "shards=3"))
    assert "30 of 32 videos can be used" in said
    assert content(out) == content(calm) and len(content(out)) == 33


def listed(root):
    return [Video(f"run/{f.name}", str(f), "run") for f in sorted((root / "run").glob("*.mp4"))]


def prepare(root, out, form="pack", dataset="folder"):
    spec = FormSpec(form, 128, 90, 18, 16)
    return preparation.prepare(listed(root), root, out, spec, 1, 60, dataset)


def test_what_changes_between_two_runs(cli, tmp_path):
    """A file that was missing, a moved root, another form, another data set."""
    root, moved, out = tmp_path / "set", tmp_path / "moved", tmp_path / "out"
    for number in range(3):
        grey_video(root / "run" / f"{number}.mp4", 20 + number, codec="libx264")
    (root / "run" / "2.mp4").rename(root / "run" / "hidden")
    (root / "run" / "2.mp4").symlink_to("nowhere")
    first = prepare(root, out)
    assert [row["reason"] for row in first] == ["", "", "missing file"]
    packs = {f: f.stat().st_mtime_ns for f in out.rglob("*.frames")}
    (root / "run" / "2.mp4").unlink()
    (root / "run" / "hidden").rename(root / "run" / "2.mp4")
    with (out / preparation.JOURNAL).open("a") as journal:
        journal.write('{"state": "r')  # of a killed preparation
    root.rename(moved)
    second = prepare(moved, out)
    assert [row["frames"] for row in second] == [20, 21, 22]
    assert [row["path"] for row in second] == [video.path for video in listed(moved)]
    assert first[0]["prepared"] == second[0]["prepared"]
    assert len(list(out.rglob("*.frames"))) == 3
    assert packs.items() <= {f: f.stat().st_mtime_ns for f in out.rglob("*.frames")}.items()

    options = ["dataset=folder", f"root={moved}", f"out={out}", "form=h264"]
    assert "3 prepared files of other options" in finished(cli("prepare", *options))
    assert {row["prepared"][-4:] for row in rows(out / "manifest.csv")} == {".mp4"}
    times = {f: f.stat().st_mtime_ns for f in out.rglob("*.frames")}
    assert prepare(moved, out) == second and len(times) == 3
    assert times == {f: f.stat().st_mtime_ns for f in out.rglob("*.frames")}
    with pytest.raises(UserError, match=r"holds dataset=folder; choose another folder for images"):
        prepare(moved, out, dataset="images")


def test_segments_beyond_the_end_of_their_video_are_told(tmp_path):
    grey_video(tmp_path / "a.mp4", 50, codec="libx264")  # two seconds
    windows = [
        (0.0, 1.0),
        (1.9, 9.0),
        (2.0, 9.0),
        (1.0, 1.0),
        (0.05, 0.07),
        (1.97, 9.0),
        (3.0, 1.0),
    ]
    videos = [Video(f"a/{w}", str(tmp_path / "a.mp4"), "run", w) for w in windows]
    spec = FormSpec("pack", 128, 90, 18, 16)
    found = preparation.prepare(videos, tmp_path, tmp_path / "out", spec, 1, 60, "folder")
    assert [row["status"] for row in found] == ["ok", "ok", "bad", "bad", "bad", "bad", "bad"]
    for video in videos[2:]:  # training says the same
        with pytest.raises(UnreadableVideoError, match="the labelled segment has no frame"):
            frames_of(video.path, np.arange, window=video.window)
    assert {row["reason"] for row in found} == {"", "the labelled segment has no frame"}
    for row, video in zip(found, read_manifest(tmp_path / "out" / NAME, "x").videos, strict=False):
        assert len(frames_of(video.path, lambda n: [n - 1], window=video.window)) == 1
        assert row["id"] == video.id


@pytest.mark.parametrize("form", ["pack", "h264"])
def test_a_full_disk_ends_it_in_one_line_and_it_goes_on(tmp_path, form):
    noise = np.random.default_rng(0).integers(0, 255, (30, 96, 128, 3), dtype=np.uint8)
    for number in range(2):
        write_video(tmp_path / "run" / f"{number}.mp4", noise, codec="libx264")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(UserError, match=r"out=.* cannot be written .*File too large.*goes on"):
            prepare(tmp_path, tmp_path / "out", form)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert [row["frames"] for row in prepare(tmp_path, tmp_path / "out", form)] == [30, 30]


def test_two_at_once_and_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    grey_video(tmp_path / "run" / "a.mp4", 5, codec="libx264")
    monkeypatch.setattr(preparation, "PATIENCE", 0.2)
    out = tmp_path / "out"
    assert prepare(tmp_path, out, "check")[0]["frames"] == 5
    with (out / preparation.JOURNAL).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="used by another preparation"):
            prepare(tmp_path, out, "check")
    assert prepare(tmp_path, out, "check")[0]["frames"] == 5
    with pytest.raises(UserError, match=r"out=/proc/no cannot be written"):
        prepare(tmp_path, Path("/proc/no"), "check")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["dataset=imagenet", "root=x", "out=y"], ["imagenet", "ucf101"]),
        (["dataset=ucf101", "root=nowhere", "out=y"], ["nowhere", "UCF101.rar"]),
        (["dataset=ucf101"], ["root=...", "out=..."]),
        (["dataset=folder", "root=.", "out=./prepared"], ["choose another folder"]),
        (["dataset=folder", "root=.", "out=y", "quality=high"], ["quality"]),
        (["dataset=folder", "root=.", "out=y", "form=raw"], ["form=raw", "pack, h264, check"]),
        (["dataset=folder", "root=.", "out=y", "shard=1"], ["shard=1", "shards=N"]),
        (
            ["dataset=ucf101", "root=x", "out=y", "shard=1", "shards=2", "download=true"],
            ["download_only=true"],
        ),
    ],
)
def test_bad_options(cli, tmp_path, options, words):
    grey_video(tmp_path / "set" / "a" / "0.avi", 3)
    options = [
        o.replace("root=.", f"root={tmp_path}/set").replace("out=.", f"out={tmp_path}/set")
        for o in options
    ]
    fails(cli("prepare", *options), *words)
