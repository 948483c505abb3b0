"""Names that are no UTF-8, in two Unicode forms, or with signs that markup takes for its own."""

import json
import os
import re
import unicodedata
import zlib
from dataclasses import replace

import numpy as np
import pytest

from helpers.commands import rows as csv_rows
from helpers.datasets import module, touch
from helpers.runs import predictions, write_run
from helpers.vectors import toy_vectors
from zsvideo.data.clips import Clips
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.fingerprints import cache_key, fingerprints
from zsvideo.data.layouts import Video, empty_classes, spelling_key
from zsvideo.data.manifest import read_manifest
from zsvideo.data.options import ClipSpec
from zsvideo.evaluation.record import as_json, write_text
from zsvideo.names import encoded, legible, one_form
from zsvideo.prediction.videos import list_videos
from zsvideo.reporting.studies.files import latex, write_csv
from zsvideo.reporting.studies.files import markdown as table_markdown
from zsvideo.semantics.class_lists import ClassList
from zsvideo.semantics.class_texts import read_classes
from zsvideo.semantics.files import read_vectors
from zsvideo.semantics.records import lines_hash
from zsvideo.semantics.vectors import text_hash
from zsvideo.semantics.words import words
from zsvideo.texts import in_markdown

BYTES = [b"caf\xe9.avi", b"\xff", b"a\xc3", b"\xf0\x9f\x98.mp4", "café.avi".encode()]


@pytest.mark.parametrize("name", BYTES)
def test_names_that_are_no_text_have_their_bytes(tmp_path, name):
    text = os.fsdecode(name)
    assert encoded(text) == name
    assert lines_hash([text]) != lines_hash(["x"]) and text_hash(text)
    write_text(tmp_path / "a.json", as_json({"unreadable": {text: "why"}}))
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == {"unreadable": {text: "why"}}
    write_text(tmp_path / "a.md", text)
    assert (tmp_path / "a.md").read_text("utf-8") == legible(text)
    (tmp_path / text).write_text("no video")
    prints, unreadable = fingerprints([str(tmp_path / text)], tmp_path)
    assert not prints and list(unreadable) == [str(tmp_path / text)]
    legible(cache_key(str(tmp_path / text))).encode()


def test_random_clips_of_names_that_are_text_are_as_they_were(monkeypatch):
    keys = []
    monkeypatch.setattr(np.random, "default_rng", keys.append)
    monkeypatch.setattr("zsvideo.data.clips.read_clips", lambda *_: {})
    clips = Clips([], None, ClipSpec(), 7, train=True)
    for name in ("run/0.avi", "café/ü.mp4", "caf\udce9"):
        clips.cut(3, Video(name, name))
    assert [key[2] for key in keys[:2]] == [
        zlib.crc32(n.encode()) for n in ("run/0.avi", "café/ü.mp4")
    ]
    assert len(keys) == 3


def test_any_text_can_be_hashed_and_written():
    for text in ("\ud800", "\udfff a", "\udce9\ud83d"):
        assert encoded(text) and legible(text).encode()


def both(text):
    return [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]


@pytest.mark.parametrize("name", ["café", "Übung", "ネコとガチョウ", "한국 춤", "Å"])
def test_both_unicode_forms_are_one_class(tmp_path, name):
    one, other = both(name)
    assert one != other and one_form(other) == one
    assert words(one) == words(other) and spelling_key(one) == spelling_key(other)
    touch(tmp_path, f"{one}/a.mp4", f"{other}/b.mp4", f"{other}/nested/c.txt")
    data = module(VideoSet, tmp_path)
    assert data.classes == [one] and len(data.videos) == 2 and len({v.id for v in data.videos}) == 2
    assert empty_classes(tmp_path) == []
    (tmp_path / "m.csv").write_text(f"path,class\nx.mp4,{one}\ny.mp4,{other}\n", "utf-8")
    assert {v.label for v in read_manifest(tmp_path / "m.csv", "x").videos} == {one}
    assert VideoSet(root=str(tmp_path / "m.csv")).class_list() == [one]
    assert ClassList.read([other], None, "x").of(None, [one, "run"]) == [one]
    assert {entry.name for entry in read_classes([one, other])} == {one}
    vectors = toy_vectors(list(words(one)))
    vectors.save_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    known = read_vectors(tmp_path / "v.bin", set(words(other)))
    assert all(word in known for word in words(other))


def test_a_manifest_of_one_form_finds_files_of_the_other(tmp_path):
    for here, listed in (both("é1.mp4"), both("é2.mp4")[::-1]):
        touch(tmp_path, here)
        (tmp_path / "m.csv").write_text(f"path,class\n{listed},run\n", "utf-8")
        (video,) = read_manifest(tmp_path / "m.csv", "x").videos
        assert os.path.exists(video.path) and video.id == listed
        (source,) = list_videos(tmp_path / "m.csv").videos
        assert os.path.exists(source.path)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("sing?", "sing"),
        ("write!", "write"),
        ("dance.", "dance"),
        ("jump, run", "jump run"),
        ("002.run", "run"),
        ("1) run", "run"),
        ("12. jump rope", "jump rope"),
        ('"sing"', "sing"),
        ("sing/dance", "sing dance"),
        ("run & jump", "run jump"),
        ("dance $^$", "dance"),
        ("[run]", "run"),
        ("run…", "run"),
        ("¿sing?", "sing"),
        ("3-point shot", "3 point shoot"),
        ("sing \udcff", "sing"),
        ("007", "007"),
        ("2.5", "2 5"),
    ],
)
def test_punctuation_in_names_is_no_word(name, own):
    assert words(name) == tuple(own.split())
    assert words(name, rules="fixed")


ODD = [
    "a|b",
    "`x`",
    "$x$ $y",
    "<b>hi</b>",
    "<!-- x",
    "[a](b)",
    "a\\b",
    "*x*",
    "_x_",
    "~~x~~",
    "a\nb",
]


@pytest.mark.parametrize("name", ODD)
def test_no_name_is_markdown(name):
    line = in_markdown(name)
    bare = re.sub(r"\\.", "", line)
    assert "\n" not in line and not re.search(r"[|<`$]|\]\(", bare)


def test_usual_names_stay_as_they_are():
    for name in (
        "brush_hair",
        "Playing Tabla",
        "massaging person's head",
        "top-1 (%)",
        "#1",
    ):
        assert in_markdown(name) == name


def test_a_run_of_odd_class_names_is_shown_in_every_form(tmp_path, capsys):
    names = np.array([*ODD, "dance $^$ {", "$\\frac{", ":smile:", "%s {x}", "日本", "_x"])
    own = predictions(videos=60, classes=len(names))
    run = write_run(tmp_path / "run [x]", replace(own, class_names=names))
    said = capsys.readouterr().out
    assert f"{tmp_path}/run [x]/results.md" in said
    for name in ("results.md", "card.md"):
        tables = [s for s in (run / name).read_text("utf-8").splitlines() if s.startswith("| ")]
        counts = {len(re.sub(r"\\.", "", line).split("|")) for line in tables}
        assert counts <= ({9} if name == "results.md" else {4, 12}), name
    assert (run / "figures" / "own.png").stat().st_size > 0


def test_odd_names_in_the_tables_of_studies(tmp_path):
    rows = [{"row": name, "from": "ours", "x": name} for name in [*ODD, "[a]", "*b", "100 % & #"]]
    text = latex(rows).splitlines()
    assert not [line for line in text if line.startswith(("[", "*"))]  # what `\\\\` would take
    assert all(len(re.sub(r"\\.", "", line).split("&")) == 3 for line in text if " & " in line)
    for line in table_markdown(rows).splitlines():
        assert len(re.sub(r"\\.", "", line).split("|")) == 5
    write_csv(rows, tmp_path / "a.csv")
    assert [row["row"] for row in csv_rows(tmp_path / "a.csv")] == [row["row"] for row in rows]
