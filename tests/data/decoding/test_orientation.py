"""Pixels stand as the file says: turned and mirrored display matrices, by every way to frames."""

import struct

import numpy as np
import pytest

from helpers.videos import frames_of, write_video
from zsvideo.data import preparation
from zsvideo.data.content import sampled
from zsvideo.data.decoding.forms import FormSpec

SHOWN = {  # a, b, c, d of the matrix, and the picture that it shows
    "as it is": ((1, 0, 0, 1), lambda p: p),
    "turned 90": ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
    "turned 180": ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
    "turned 270": ((0, -1, 1, 0), lambda p: np.rot90(p, 1)),
    "hflip": ((-1, 0, 0, 1), np.fliplr),
    "vflip": ((1, 0, 0, -1), np.flipud),
    "transpose": ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
    "transverse": ((0, -1, -1, 0), lambda p: np.rot90(p, 2).transpose(1, 0, 2)),
    "vflip and larger": ((2, 0, 0, -2), np.flipud),
    "a little askew": ((0.999, 0.04, 0.04, -0.999), np.flipud),
    "no direction": ((0, 0, 0, 0), lambda p: p),
}


def quarters(height, width):
    """Give a picture whose corners all differ."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2, 0] = 200
    picture[height // 2 :, : width // 2, 1] = 200
    picture[: height // 2, width // 2 :, 2] = 200
    return picture


def put_matrix(file, matrix):
    a, b, c, d = (round(value * (1 << 16)) for value in matrix)
    content = bytearray(file.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    file.write_bytes(content)


@pytest.mark.parametrize("name", SHOWN)
def test_every_display_matrix(tmp_path, name):
    matrix, show = SHOWN[name]
    picture, file = quarters(48, 64), tmp_path / "a.mp4"
    write_video(file, np.stack([picture] * 3), codec="libx264")
    put_matrix(file, matrix)
    ways = {decoder: frames_of(file, range(3), decoder=decoder) for decoder in ("pyav", "decord")}
    for form in ("pack", "h264"):
        settings = preparation.Settings(tmp_path, tmp_path, FormSpec(form, 128, 95, 10, 16), 60)
        made = tmp_path / preparation.examine(str(file), settings)["prepared"]
        ways[form] = frames_of(made, range(3))
    expected = show(picture).astype(int)
    for way, frames in ways.items():
        assert frames.shape == (3, *expected.shape), way
        assert np.abs(frames - expected).mean() < 6, way  # of the codecs; a wrong turn gives > 60
    small = np.asarray(next(sampled(str(file)))).astype(int)
    assert (
        np.abs(small[::48, ::48] - expected[:: len(expected) - 1, :: expected.shape[1] - 1]).max()
        < 60
    )


@pytest.mark.parametrize("width", [8, 16, 24, 48, 72, 74])
def test_rows_that_decord_pads(tmp_path, width):
    """It refuses 24, 48 and 72 columns, which are whole."""
    write_video(tmp_path / "a.mp4", np.stack([quarters(40, width)] * 70), codec="libx264")
    one, other = (frames_of(tmp_path / "a.mp4", range(70), decoder=d) for d in ("pyav", "decord"))
    assert one.shape == other.shape
    assert np.abs(one.astype(int) - other).max() < 12
