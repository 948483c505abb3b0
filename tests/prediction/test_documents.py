"""What the documents show of prediction, on a tiny run that stands for `runs/demo`."""

import re
import sys

import pytest

from helpers.models import trained_run
from helpers.videos import smooth, write_video
from test_readme import FILES, PLAIN, own
from test_readme import lines as typed_lines
from zsvideo.commands import main
from zsvideo.resources import ROOT

LINES = [line for file in FILES for line in typed_lines(file) if own(line)]
LINES = list(dict.fromkeys(line for line in LINES if own(line)[0] in PLAIN))

ELSEWHERE = {"--page", "--encoder"}  # tested with a browser, and with a tiny encoder


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trained_run(tmp_path / "runs" / "demo")
    for name in ("clip.mp4", "long.mp4", "videos/a.mp4", "VIDEOS/b/c.mp4"):
        write_video(tmp_path / name, smooth(60))
    (tmp_path / "names.txt").write_text("pour tea\nclimb a ladder\nsing\n")
    return tmp_path


def test_the_first_snippet_of_the_readme(place, capsys):
    snippet = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    assert "zsvideo.load" in snippet and len(snippet.strip().splitlines()) <= 6
    names = {}
    exec(snippet, names)
    assert re.search(
        r"^videos/a\.mp4 (pour tea|climb a ladder) -?0\.\d+ (True|False)$",
        capsys.readouterr().out,
        re.M,
    )
    assert names["z"].shape == (20,)


@pytest.mark.parametrize("line", [line for line in LINES if not ELSEWHERE & {*line.split()}])
def test_commands_of_the_documents(place, monkeypatch, capsys, line):
    name, options = own(line)
    monkeypatch.setattr(sys, "argv", ["zsvideo", name, *options])
    try:
        main()
    except SystemExit as end:
        assert not end.code, capsys.readouterr().err
    out = capsys.readouterr().out
    assert "written: " in out if name == "export" else "cosine" in out


def test_all_kinds_are_shown():
    shown = " ".join(LINES)
    for word in ("--page", "--window", "--html", "src.export", "names.txt"):
        assert word in shown
