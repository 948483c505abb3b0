"""Packs of JPEG frames."""

from fractions import Fraction

import numpy as np
import pytest

from src.data.decoding.faults import UnreadableVideo
from src.data.decoding.packs import runs, write_pack
from src.data.decoding.pyav_reader import Whole
from src.data.decoding.reading import read_frames


def pack(tmp_path, count=40, fps=20):
    frames = [np.full((48, 64, 3), 5 * i + 10, np.uint8) for i in range(count)]
    video = Whole(Fraction(fps), Fraction(1, fps), enumerate(frames))
    assert write_pack(tmp_path / "a.frames", video, 90) == count
    return tmp_path / "a.frames"


def test_frames_by_number_and_window(tmp_path):
    file = pack(tmp_path)
    numbers = np.array([0, 3, 4, 5, 17, 39])
    got = read_frames(file, lambda n: numbers, lambda f: f.mean())
    assert np.abs(np.array(got) - (5 * numbers + 10)).max() < 2
    lengths = []
    (first,) = read_frames(
        file, lambda n: lengths.append(n) or np.array([0]), lambda f: f.mean(), (0.5, 1.0)
    )
    assert lengths == [10] and abs(first - 60) < 2


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_damaged_pack_is_told(tmp_path, keep):
    file = pack(tmp_path)
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else keep])
    with pytest.raises(UnreadableVideo, match=r"truncated|empty"):
        read_frames(file, lambda n: np.arange(n), np.copy)


def test_a_picture_overwritten_inside_a_pack_is_told(tmp_path):
    file = pack(tmp_path)
    content = bytearray(file.read_bytes())
    content[:200] = bytes(200)
    file.write_bytes(content)
    with pytest.raises(UnreadableVideo, match="damaged"):
        read_frames(file, lambda n: np.array([0]), np.copy)


def test_runs():
    assert [r.tolist() for r in runs(np.array([1, 2, 5, 7, 8]))] == [[1, 2], [5], [7, 8]]
