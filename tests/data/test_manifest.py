"""Manifests by hand and by `src.prepare`."""

import os

import pytest

from zsvideo.data.manifest import read_manifest, write_table
from zsvideo.errors import UserError


def written(tmp_path, text):
    file = tmp_path / "manifest.csv"
    file.write_text(text, encoding="utf-8-sig")
    return file


def test_short_and_full_rows(tmp_path):
    found = read_manifest(written(tmp_path, "label,path\nrun,a.mp4\njump,/b.avi\n"), "x")
    assert [(v.id, v.path, v.label) for v in found.videos] == [
        ("a.mp4", str(tmp_path / "a.mp4"), "run"),
        ("/b.avi", "/b.avi", "jump"),
    ]
    text = (
        "id,path,class,start,end,frames,status,reason,prepared\n"
        "one,a.mp4,run,1.5,3,40,ok,,packs/1.frames\n"
        "two,b.mp4,run,,,,bad,truncated,\n"
    )
    found = read_manifest(written(tmp_path, text), "x")
    (video,) = found.videos
    assert (video.path, video.window, video.frames) == (
        str(tmp_path / "packs" / "1.frames"),
        (1.5, 3.0),
        40,
    )
    assert found.quarantined == {"two": "truncated"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name\nx\n", "columns path and class"),
        ("", "columns path and class"),
        ("path,class,frames\na.mp4,run,many\n", "line 2"),
        ("path,class\na.mp4\n", "line 2"),
        ("path,class\na.mp4,run,\nb,c.mp4,run\n", r"line 3 has more values than columns \(run\)"),
        ("path,class,start,end\na.mp4,run,1,\n", "line 2 has half a window"),
        ("path,class,start,end\na.mp4,run,,2\n", "line 2 has half a window"),
        ("path,class,start,end\na.mp4,run,1, \n", "line 2 has half a window"),
        ("path,class,start,end\na.mp4,run,nan,2\n", "line 2"),
        ("path,class\na.mp4, \n", "line 2"),
        ("path,class\n,run\n", "line 2"),
        ("path,class,start,end\na.mp4,run,0,inf\n", "line 2"),
        ("path,class,frames\na.mp4,run,-5\n", "line 2"),
        ("path,class,frames\na.mp4,run," + "9" * 30, "line 2"),
        ("path,class,claimed\na.mp4,run," + "9" * 5000, "line 2"),
        ('path,class\n"a\0.mp4",run\n', "line 2"),
        ("path,class\n" + "a" * 200_000 + ",run\n", "cannot be read as a manifest"),
        ("path,class,status\na.mp4,run,bad\n", "no video that can be used"),
        ("path,class\na.mp4,run\na.mp4,jump\n", "line 3 repeats a.mp4; .* column id"),
    ],
)
def test_faults_name_the_line(tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        read_manifest(written(tmp_path, text), "source.root")


def test_windows_of_one_file_need_no_ids(tmp_path):
    text = 'path,class,start,end\r\na.mp4,run,0,1.5\r\na.mp4,jump,1,2\r\n"b, c.mp4",run,,\r\n'
    found = read_manifest(written(tmp_path, text), "x").videos
    assert [v.id for v in found] == ["a.mp4#0-1.5", "a.mp4#1-2", "b, c.mp4"]


def test_file_names_that_are_no_text_are_kept(tmp_path):
    name = os.fsdecode(b"\xff.mp4")
    write_table(tmp_path / "m.csv", ("path", "class"), [{"path": name, "class": "run"}])
    (video,) = read_manifest(tmp_path / "m.csv", "x").videos
    assert os.fsencode(video.path).endswith(b"/\xff.mp4")
