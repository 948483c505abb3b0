"""Short side, crop and flip."""

import numpy as np
import pytest
import torch

from zsvideo.data.transforms import Crop, View, random_crop, resize_short_side


@pytest.mark.parametrize("side", range(64, 1081, 7))
def test_short_side_is_exact_and_aspect_is_kept(side):
    for height, width in ((side, side * 4 // 3), (side * 16 // 9, side)):
        out = resize_short_side(np.zeros((height, width, 3), np.uint8), 128)
        assert min(out.shape[:2]) == 128
        assert abs(max(out.shape[:2]) - 128 * max(height, width) / min(height, width)) <= 1


def test_floor_gives_one_pixel_less_for_forty_sizes():
    sides = range(64, 721)
    short = {
        side: min(
            resize_short_side(np.zeros((side, 2 * side, 3), np.uint8), 128, "floor").shape[:2]
        )
        for side in sides
    }
    less = [side for side in sides if short[side] == 127]
    assert len(less) == 40 and {98, 161, 237, 322} <= set(less)
    assert all(short[side] == 128 for side in sides if side not in less)


def test_crop_places_reach_both_edges_and_the_centre():
    ramp = np.tile(np.arange(160, dtype=np.uint8)[None, :, None], (128, 1, 3))
    for share, first in ((0.0, 0), (0.5, 24), (0.9999, 48)):
        out = View(128, 112, Crop(0.5, share)).part(128, 160).of(ramp)
        assert out.shape == (112, 112, 3) and out.dtype == np.uint8
        assert out[0, 0, 0] == first and out[0, -1, 0] == first + 111


@pytest.mark.parametrize("resize", ["exact", "floor"])
@pytest.mark.parametrize(
    "sides", [(240, 320), (256, 340), (720, 1280), (320, 240), (128, 171), (131, 127), (48, 301)]
)
def test_the_part_of_a_frame_gives_the_crop_of_the_whole(sides, resize):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
    scaled = resize_short_side(frame, 128, resize)
    for trial in range(30):
        crop = random_crop(rng, 0.5) if trial else Crop()
        size = int(rng.integers(8, 113)) if trial % 3 else 112
        room = np.array(scaled.shape[:2]) - size
        top, left = np.minimum((np.array([crop.top, crop.left]) * (room + 1)).astype(int), room)
        part = View(128, size, crop, resize).part(*sides)
        got = part.of(frame).astype(int)
        assert np.abs(got - scaled[top : top + size, left : left + size]).max() <= 1
    centre = View(128, 112).part(256, 340)
    assert centre[:4] == (16, 241, 58, 283)  # twice 112, and a pixel that is interpolated with


def test_resize_equals_bilinear_without_antialias():
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    out = resize_short_side(frame, 128)
    exact = torch.nn.functional.interpolate(
        torch.from_numpy(frame).permute(2, 0, 1)[None].float(), size=out.shape[:2], mode="bilinear"
    )[0].permute(1, 2, 0)
    assert (torch.from_numpy(out) - exact).abs().max() <= 1.01


def test_flip_rate_and_uniform_places():
    rng = np.random.default_rng(0)
    crops = [random_crop(rng, 0.5) for _ in range(4000)]
    assert abs(np.mean([c.flip for c in crops]) - 0.5) < 3 * np.sqrt(0.25 / 4000)
    assert abs(np.mean([c.top for c in crops]) - 0.5) < 0.02
    assert not any(random_crop(rng, 0.0).flip for _ in range(100))
