"""Typed options: what is wrong is said in one line that names the option and what is allowed."""

from typing import Literal

import pytest
from pydantic import Field

from zsvideo.errors import UserError
from zsvideo.options import Count, Seed, Share, Switch, Text, described, options, parse, plain


@options
class Clips:
    """What a clip is."""

    frames: Count = 16
    """Frames of a clip
    (Sec. 3.2)."""
    flip: Share = 0.5
    resize: Literal["exact", "floor"] = "exact"
    last: Switch = True
    cap: Count | None = None
    names: list[Text] = Field(default_factory=list)


@options
class Run:
    """A run."""

    clips: Clips
    seed: Seed = 0


@pytest.mark.parametrize(
    ("clips", "line"),
    [
        ({"frames": "x"}, "clips.frames=x must be a whole number"),
        ({"frames": True}, "clips.frames=true must be a whole number"),
        ({"frames": 0}, "clips.frames=0 must be at least 1"),
        ({"flip": 2}, "clips.flip=2 must be a number from 0 to 1"),
        ({"resize": "other"}, "clips.resize=other is unknown; allowed: exact, floor"),
        ({"last": 1}, "clips.last=1 must be true or false"),
        ({"last": "yes"}, "clips.last=yes must be true or false"),
        ({"cap": 0}, "clips.cap=0 must be at least 1"),
        ({"names": "a"}, "clips.names=a must be a list: [A,B]"),
        ({"nmaes": []}, "there is no option clips.nmaes; `--cfg job` prints all of them"),
    ],
)
def test_each_mistake_is_one_line(clips, line):
    with pytest.raises(UserError) as error:
        parse(Run, {"clips": clips})
    assert str(error.value) == line


def test_what_is_not_given():
    with pytest.raises(UserError, match="clips is not set"):
        parse(Run, {})
    with pytest.raises(UserError, match=r"run\.seed=-1 must be at least 0"):
        parse(Run, {"clips": {}, "seed": -1}, "run")


def test_typed_values_are_plain_data_again():
    run = parse(Run, {"clips": {"names": [605, "b"], "flip": 1}})
    assert run.clips.names == ["605", "b"] and run.clips.flip == 1.0
    assert plain(run)["clips"] == {
        "frames": 16,
        "flip": 1.0,
        "resize": "exact",
        "last": True,
        "cap": None,
        "names": ["605", "b"],
    }


def test_fields_are_described_by_their_docstrings():
    rows = {name: (default, text) for name, _, default, text in described(Clips)}
    assert rows["frames"] == ("16", "Frames of a clip (Sec. 3.2).")
    assert rows["last"] == ("true", "")
