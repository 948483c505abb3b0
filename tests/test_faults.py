"""Files that vanish, may not be read, or hang their decoder: counted, or told in one line."""

import gc
import json
import time
from pathlib import Path

import av
import numpy as np
import pytest

from helpers.commands import fails, finished, rows, run_module
from helpers.faults import hang
from helpers.videos import frames_of, grey_video
from zsvideo.data import preparation
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.forms import FormSpec
from zsvideo.data.decoding.limits import within
from zsvideo.data.videos import Video
from zsvideo.resources import ROOT

pytestmark = pytest.mark.slow

CHECK = FormSpec("check", 128, 90, 18, 16)


def denied(*_, **__):
    raise PermissionError(13, "Permission denied")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    file = tmp_path / "a.mp4"
    grey_video(file, 5, codec="libx264")
    settings = preparation.Settings(tmp_path, tmp_path, CHECK, 60)
    for place, name in ((Path, "open"), (Path, "stat"), (av, "open")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, denied)
            with pytest.raises(UnreadableVideoError, match="no permission to read it"):
                frames_of(file, np.arange)
            found = preparation.examine(str(file), settings)
            assert found == {"status": "bad", "reason": "no permission to read it"}
    assert preparation.examine(str(file), settings)["status"] == "ok"


def test_prepare_counts_a_file_that_hangs_in_c(tmp_path, monkeypatch):
    for name in ("a", "b", "hangs"):
        grey_video(tmp_path / f"{name}.mp4", 5, codec="libx264")
    whole = preparation.all_frames
    monkeypatch.setattr(
        preparation, "all_frames", lambda path: hang() if "hangs" in path else whole(path)
    )
    videos = [Video(f, str(tmp_path / f"{f}.mp4"), "run") for f in ("a", "hangs", "b")]
    found = preparation.prepare(videos, tmp_path, tmp_path / "out", CHECK, 2, 2, "folder")
    assert [(r["status"], r["reason"]) for r in found] == [
        ("ok", ""),
        ("bad", "not decoded within 2 s"),
        ("ok", ""),
    ]


def test_a_process_leaves_alone_what_it_inherits():
    """FFmpeg's threads of the first process, in garbage that another one would free, hang it."""
    frame = av.VideoFrame.from_ndarray(np.zeros((480, 640, 3), np.uint8), format="rgb24")
    frame.reformat(64, 64, "yuv420p")
    gc.disable()
    try:
        garbage = [frame]
        garbage.append(garbage)
        del frame, garbage
        assert isinstance(*within(3, gc.collect, [()], 1), int)
    finally:
        gc.enable()


DRIVER = """
import ctypes, sys
from zsvideo.data.decoding.pyav_reader import PyAVReader
def lock_twice():
    lock = ctypes.create_string_buffer(64)
    for _ in range(2):  # no signal ends a wait for a lock
        ctypes.{library}(None).pthread_mutex_lock(lock)
read = PyAVReader.decode
def hang(reader, *rest):
    if str(reader.path).endswith(("source/jump/1.avi", "target/sing/1.avi")):
        lock_twice()
    return read(reader, *rest)
PyAVReader.decode = hang
sys.argv = ["train", *{options}]
from zsvideo.commands.train import train
from zsvideo.cli import run_command
run_command(train, "train")
"""


def train(folder, library, *options):
    driver = folder / "driver.py"
    driver.write_text(DRIVER.format(library=library, options=options))
    return run_module(str(driver), [], {"DATA_ROOT": f"{folder}/data"}, 200)


@pytest.mark.parametrize("library", ["CDLL", "PyDLL"])  # which lets Python go on, and which not
def test_a_decoder_that_hangs_ends_the_run_in_one_line(folders, tmp_path, library):
    options = [*folders, "loader.workers=1", f"hydra.run.dir={tmp_path}/run", "loader.timeout=4"]
    words = ("timed out after 4", "loader.timeout", "src.prepare", "form=check")
    fails(train(tmp_path, library, *options), *words)


@pytest.mark.parametrize("end", ["goes on", "error", "SIGKILL"])
def test_processes_that_are_stopped_end_with_the_run(folders, cli, tmp_path, end):
    planted = [
        "+callbacks.planted._target_=helpers.faults.Stopped",
        "+callbacks.planted.step=2",
        f"+callbacks.planted.file={tmp_path}/pids",
        f"+callbacks.planted.end='{end}'",
    ]
    options = ["loader.batch_size=2", "loader.timeout=60", "clips.test_clips=1", "resamples=0"]
    process = cli(
        "train",
        *folders,
        *options,
        "loader.workers=2",
        *planted,
        f"hydra.run.dir={tmp_path}/run",
        PYTHONPATH=str(ROOT / "tests"),
        ZSVIDEO_TARGETS="helpers.faults",
    )
    if end == "goes on":
        assert "was stopped (SIGSTOP); it goes on" in finished(process)
    elif end == "error":
        assert fails(process, "planted") == ["error: planted"]
    else:
        assert process.returncode == -9
    workers = [Path("/proc") / pid for pid in (tmp_path / "pids").read_text().split()]
    assert len(workers) == 2
    end = time.monotonic() + 10
    while any(map(alive, workers)):
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process):
    """Tell whether a process has not ended, or is not yet buried."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_files_that_vanish_between_manifest_and_use(folders, cli, tmp_path):
    for place in ("source", "target"):
        finished(
            cli(
                "prepare",
                "dataset=folder",
                f"root={tmp_path}/{place}",
                f"out={tmp_path}/{place}-out",
            )
        )
    gone = {}
    for place, name in (("source", "run/0.avi"), ("target", "sing/1.avi")):
        (row,) = [r for r in rows(tmp_path / f"{place}-out" / "manifest.csv") if r["id"] == name]
        (tmp_path / f"{place}-out" / row["prepared"]).unlink()
        gone[place] = {name: "missing file"}
    run = tmp_path / "run"
    options = [
        o.replace("/source", "/source-out").replace("/target", "/target-out") for o in folders
    ]
    finished(cli("train", *options, f"hydra.run.dir={run}"))
    scored = json.loads((run / "metrics.json").read_text())
    assert scored["source"]["unreadable_replaced"] == gone["source"]
    target = scored["targets"]["folder"]
    assert (target["used"], target["found"], target["expected"]) == (7, 8, 8)
    assert target["unreadable"] == gone["target"]
