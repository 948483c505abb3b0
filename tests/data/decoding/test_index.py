"""The index of a video, as a manifest keeps it, is as good as a look at its packets."""

import csv

import numpy as np
import pytest

from helpers.videos import grey_video, moving, sequential, write_video
from zsvideo.data.clips import read_clips
from zsvideo.data.decoding import pyav_reader, reading
from zsvideo.data.decoding.forms import FormSpec
from zsvideo.data.decoding.index import Shown, VideoIndex, as_text, from_text
from zsvideo.data.decoding.pyav_reader import PyAVReader
from zsvideo.data.decoding.reading import index_of, open_video
from zsvideo.data.manifest import NAME, read_manifest
from zsvideo.data.options import ClipSpec
from zsvideo.data.preparation import prepare
from zsvideo.data.videos import Video

STAMPS = np.array([0, 1536, 512, 1024, 2048])


@pytest.mark.parametrize(
    "index",
    [
        VideoIndex(12345, STAMPS, [0, 4], []),
        VideoIndex(12345, STAMPS - 700, [0], [0, 2]),
        VideoIndex(9, np.array([], np.int64), [], [], [Shown(1, 0), Shown(3, 2), Shown(2, 1)]),
    ],
)
def test_an_index_as_text(index):
    text = as_text(index)
    again = from_text(text)
    assert np.array_equal(again.stamps, index.stamps)
    assert again._replace(stamps=0) == index._replace(stamps=0)
    assert text.isascii() and not set(text) & set(',"\n ')


def test_the_order_of_showing_leaves_out_what_is_hidden():
    assert VideoIndex(1, STAMPS, [0], []).order.tolist() == [0, 2, 3, 1, 4]
    assert VideoIndex(1, STAMPS, [0], [0, 3]).order.tolist() == [2, 1, 4]


@pytest.mark.parametrize("text", ["", "x", "é", "AAAA", "eJxjYGBgAAAABAAB"])
def test_what_is_no_index_is_not_used(tmp_path, text):
    assert from_text(text) is None
    grey_video(tmp_path / "a.avi", 20)
    with open_video(tmp_path / "a.avi", index=text) as video:
        assert len(video) == 20 and video.packets is not None


def test_an_index_of_another_file_is_not_used(tmp_path):
    write_video(tmp_path / "a.mp4", moving(60), codec="libx264")
    write_video(tmp_path / "b.mp4", moving(40), codec="libx264")
    with open_video(tmp_path / "b.mp4", index=index_of(tmp_path / "a.mp4")) as video:
        assert len(video) == 40 and video.packets is not None


@pytest.mark.parametrize("shift", [1, 512, -(10**6)])
def test_a_wrong_index_of_a_file_of_the_same_size_gives_the_right_frames(tmp_path, shift):
    """As after other content of that size was put in its place."""
    write_video(tmp_path / "a.mp4", moving(60), codec="libx264", options={"g": "20"})
    index = from_text(index_of(tmp_path / "a.mp4"))
    wrong = as_text(index._replace(stamps=index.stamps + shift))
    with open_video(tmp_path / "a.mp4", index=wrong) as video:
        frames = video.get(np.arange(25, 41))
        assert video.packets is not None  # it was looked at after all
    assert np.array_equal(frames, np.stack(sequential(tmp_path / "a.mp4")[25:41]))


def test_a_very_long_index_is_not_kept(tmp_path, monkeypatch):
    grey_video(tmp_path / "a.avi", 20)
    assert index_of(tmp_path / "a.avi")
    monkeypatch.setattr(reading, "LONGEST", 10)
    assert index_of(tmp_path / "a.avi") == ""


@pytest.mark.parametrize("form", ["check", "h264", "pack"])
def test_prepared_videos_are_read_without_listing_their_packets(tmp_path, monkeypatch, form):
    root, out = tmp_path / "root", tmp_path / "out"
    write_video(root / "a.mp4", moving(60), codec="libx264", options={"g": "30"})
    write_video(root / "b.avi", moving(60), options={"bf": "2"})
    videos = [Video(name, str(root / name), "run") for name in ("a.mp4", "b.avi")]
    spec = FormSpec(form, 32, 85, 18, 16)
    prepare(videos, root, out, spec, 1, 60, "own")
    with (out / NAME).open() as file:
        assert all(bool(row["index"]) == (form != "pack") for row in csv.DictReader(file))
    stored = read_manifest(out / NAME, "root").videos
    clips = ClipSpec(crop=24, short_side=32)

    def read(video):
        return read_clips(video, clips, np.random.default_rng(3))["frames"]

    alone = [read(Video(v.id, v.path)) for v in stored]

    def listed(*_):
        raise AssertionError("the packets were listed")

    monkeypatch.setattr(PyAVReader, "list_packets", listed)
    monkeypatch.setattr(pyav_reader, "display_order", listed)
    for video, frames in zip(stored, alone, strict=True):
        assert read(video).equal(frames)


def test_an_index_is_kept_in_columns(tmp_path):
    (tmp_path / "m.csv").write_text("path,class,index\na.avi,run,abc\nb.avi,jump,\n")
    first, second = read_manifest(tmp_path / "m.csv", "root").videos
    assert (first.index, second.index) == ("abc", None)
    spelled = read_manifest(tmp_path / "m.csv", "root").videos.spelled({"run": "running"})
    assert [(v.label, v.index) for v in spelled] == [("running", "abc")]
