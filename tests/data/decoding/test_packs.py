"""Packs of JPEG frames."""

from fractions import Fraction

import numpy as np
import pytest

from helpers.videos import frames_of, length_of, moving
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.decoding.packs import runs, write_pack
from zsvideo.data.decoding.pyav_reader import WholeVideo
from zsvideo.data.transforms import Crop, View


def pack(tmp_path, count=40, fps=20):
    frames = [np.full((48, 64, 3), 5 * i + 10, np.uint8) for i in range(count)]
    video = WholeVideo(Fraction(fps), Fraction(1, fps), enumerate(frames))
    assert write_pack(tmp_path / "a.frames", video, 90) == count
    return tmp_path / "a.frames"


def test_frames_by_number_and_window(tmp_path):
    file = pack(tmp_path)
    numbers = np.array([0, 3, 4, 5, 17, 39])
    got = frames_of(file, numbers).mean(axis=(1, 2, 3))
    assert np.abs(got - (5 * numbers + 10)).max() < 2
    (first,) = frames_of(file, [0], window=(0.5, 1.0))
    assert length_of(file, window=(0.5, 1.0)) == 10 and abs(first.mean() - 60) < 2


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_damaged_pack_is_told(tmp_path, keep):
    file = pack(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else keep])
    with pytest.raises(UnreadableVideoError, match=r"truncated|empty"):
        frames_of(file, np.arange)


def test_a_picture_overwritten_inside_a_pack_is_told(tmp_path):
    file = pack(tmp_path)
    content = bytearray(file.read_bytes())
    content[:200] = bytes(200)
    file.write_bytes(content)
    with pytest.raises(UnreadableVideoError, match="damaged"):
        frames_of(file, [0])


def test_runs():
    numbers = np.array([1, 2, 5, 7, 8, 9])
    assert [r.tolist() for r in runs(numbers, 2)] == [[1, 2], [5], [7, 8], [9]]


@pytest.mark.parametrize("sides", [(48, 75), (75, 48), (9, 200), (64, 64)])
def test_a_part_and_any_choice_give_the_pixels_of_whole_frames(tmp_path, sides):
    frames = moving(40, sides)
    video = WholeVideo(Fraction(20), Fraction(1, 20), enumerate(frames))
    write_pack(tmp_path / "a.frames", video, 95)
    whole = frames_of(tmp_path / "a.frames", np.arange)
    assert [frame.shape for frame in whole] == [(*sides, 3)] * 40
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(whole, frames, strict=True)]
    others = [np.abs(a.astype(int) - b).mean() for a, b in zip(whole, frames[1:], strict=False)]
    assert max(errors) < min(others)
    rng = np.random.default_rng(0)
    for _ in range(10):
        numbers = np.unique(rng.integers(0, 40, 20))
        view = View(min(sides), 8, Crop(*rng.random(2)))
        got = frames_of(tmp_path / "a.frames", numbers, view)
        for pixels, number in zip(got, numbers, strict=True):
            assert np.array_equal(pixels, view.part(*sides).of(whole[number]))


def test_a_pack_of_an_earlier_version_is_told(tmp_path):
    file = pack(tmp_path)
    file.write_bytes(file.read_bytes()[:-1] + b"2")
    with pytest.raises(UnreadableVideoError, match="earlier form"):
        frames_of(file, [0])
