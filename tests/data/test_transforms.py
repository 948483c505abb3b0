"""Short side, crop and flip."""

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import center_crop

from zsvideo.data.transforms import CENTRE, Crop, View, random_crop, resize_short_side, scaled_size


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
        if not trial:
            top, left = np.round(room / 2).astype(int)
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


@pytest.mark.parametrize("size", [111, 112])
def test_the_centre_is_that_of_torchvision(size):
    """Half a pixel goes to the even one: at (side - size) % 4 = 1 to the lower one."""
    for side in range(size, 800):
        ramp = torch.arange(side).expand(size, side)
        theirs = center_crop(ramp[None], [size, size])[0, 0]
        first, end, _ = View(side, size).stretch(side, side, CENTRE)
        assert (first, end) == (int(theirs[0]), int(theirs[-1]) + 1), side
        if size < side < size + 9:
            shares = np.linspace(0, 1, 201)[:-1]
            shares = shares[shares != CENTRE]
            places = {View(side, size).stretch(side, side, share)[0] for share in shares}
            assert places == set(range(side - size + 1))


@pytest.mark.parametrize(("sides", "first"), [((128, 225), 56), ((225, 128), 56), ((240, 452), 64)])
def test_the_centre_of_frames(sides, first):
    scaled = resize_short_side(np.zeros((*sides, 3), np.uint8), 128).shape
    rows, columns = np.mgrid[: sides[0], : sides[1]]
    frame = np.stack([rows, columns, rows], axis=2).astype(np.uint8)
    got = View(128, 112).part(*sides).of(frame)
    long = int(sides[1] > sides[0])
    assert center_crop(torch.zeros(1, *scaled[:2]), [112, 112]).shape == (1, 112, 112)
    start = (first + 0.5) * max(sides) / max(scaled) - 0.5
    assert abs(int(got[0, 0, long]) - start) <= 0.6


@pytest.mark.parametrize("resize", ["exact", "floor"])
@pytest.mark.parametrize("sides", [(240, 320), (720, 1280), (321, 240), (128, 171), (48, 301)])
def test_antialias_equals_pytorch_on_the_whole_frame(sides, resize):
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
    new = scaled_size(*sides, 128, resize)
    whole = torch.nn.functional.interpolate(
        torch.from_numpy(frame).permute(2, 0, 1)[None].float(),
        size=new,
        mode="bilinear",
        antialias=True,
    )[0].permute(1, 2, 0)
    for trial in range(20):
        crop = random_crop(rng, 0.5) if trial else Crop()
        plain, smooth = (View(128, 112, crop, resize, a).part(*sides).of(frame) for a in (0, 1))
        room = np.array(new) - 112
        top, left = (
            round(r / 2) if share == CENTRE else min(int(share * (r + 1)), r)
            for r, share in zip(room.tolist(), (crop.top, crop.left), strict=True)
        )
        expected = whole[top : top + 112, left : left + 112]
        assert smooth.shape == (112, 112, 3) and smooth.dtype == np.uint8
        assert (torch.from_numpy(smooth).float() - expected).abs().max() <= 1.01
        if min(sides) > 200:
            assert smooth.astype(float).std() < 0.9 * plain.astype(float).std()
