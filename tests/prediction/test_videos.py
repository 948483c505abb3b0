"""Which videos are answered: files, folders, globs, lists and manifests."""

import io

import pytest

from helpers.datasets import touch
from zsvideo.errors import UserError
from zsvideo.prediction.videos import list_videos


def test_files_folders_globs_lists_and_manifests(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "a/x y.mp4", "a/b/ü.AVI", "a/notes.txt", "a/.hidden.mp4", "c[1].mp4", "d.mkv")
    places = [v.path for v in list_videos("a").videos]
    assert places == ["a/b/ü.AVI", "a/x y.mp4"]
    assert [v.path for v in list_videos("**/*.AVI").videos] == ["a/b/ü.AVI"]
    assert [v.path for v in list_videos("c[1].mp4").videos] == ["c[1].mp4"]  # it is there
    typed = io.StringIO("d.mkv\na/x y.mp4\n\n")
    assert [v.path for v in list_videos(["-"], typed).videos] == ["d.mkv", "a/x y.mp4"]
    found = io.StringIO("d.mkv\0a/x y.mp4\0")  # as of `find -print0`
    assert [v.path for v in list_videos(["-"], found).videos] == ["d.mkv", "a/x y.mp4"]
    listed = list_videos(["a", "a/x y.mp4", "./a/x y.mp4", "d.mkv"])
    assert len(listed.videos) == 3 and listed.duplicates == 2
    (tmp_path / "m.csv").write_text("path,class,start,end\na/x y.mp4,run,1,2.5\na/x y.mp4,run,,\n")
    first, second = list_videos("m.csv").videos
    assert first.window == (1, 2.5) and first.name.endswith("x y.mp4#t=1,2.5")
    assert second.window is None


def test_what_is_not_there_is_a_line(tmp_path):
    (tmp_path / "empty").mkdir()
    listed = list_videos([tmp_path / "empty", tmp_path / "nope*.mp4", tmp_path / "gone.mp4"])
    empty, nothing, gone = listed.videos
    assert "no video below it" in empty.reason and "nothing matches" in nothing.reason
    assert gone.reason is None  # its reader says so
    reasons = [video.reason for video in list_videos(["a\0b.mp4", ""]).videos]
    assert reasons == ["no file has such a name"] * 2
    with pytest.raises(UserError, match="no video is given"):
        list_videos([])
    (tmp_path / "bad.csv").write_text("file\nx.mp4\n")
    with pytest.raises(UserError, match="needs a column path"):
        list_videos(tmp_path / "bad.csv")
    (tmp_path / "bad.csv").write_text("path,start,end\nx.mp4,soon,2\n")
    with pytest.raises(UserError, match="line 2: start and end"):
        list_videos(tmp_path / "bad.csv")
