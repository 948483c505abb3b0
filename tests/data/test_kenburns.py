"""Still images as video: the crops, any kind of image, and SUN397's layout."""

import io

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from helpers.vectors import bank
from zsvideo.data.clips import Clips, Video, assemble
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.sun397 import SUN397
from zsvideo.data.decoding.faults import UnreadableVideoError
from zsvideo.data.kenburns import authors_boxes, cut, draw_boxes, ken_burns
from zsvideo.data.options import ClipSpec, LoaderSpec

SIZES = [(60, 60), (60, 300), (100, 80), (171, 256), (600, 800), (3, 2), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
def test_boxes_lie_inside_and_move_linearly(size):
    height, width = size
    for seed in range(200):
        boxes = draw_boxes(np.random.default_rng(seed), height, width, 16)
        top, left, side = boxes.T
        assert (boxes >= -1e-9).all()
        assert (top + side <= height + 1e-9).all() and (left + side <= width + 1e-9).all()
        assert (side >= 0.5 * min(size) - 1e-9).all() and (side <= min(size) + 1e-9).all()
        assert np.allclose(np.diff(boxes, axis=0), np.diff(boxes, axis=0)[0])


def test_place_and_size_both_vary():
    ends = np.array([draw_boxes(np.random.default_rng(s), 300, 400, 2) for s in range(500)])
    assert (np.ptp(ends.reshape(-1, 3), axis=0) > [130, 220, 140]).all()
    assert np.std(ends[:, 1] - ends[:, 0], axis=0).min() > 20


def gradient(height, width):
    """Give an image whose red is its row and whose green is its column."""
    rows = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    columns = np.linspace(0, 255, width)[None].repeat(height, 0)
    return np.stack([rows, columns, np.full_like(rows, 128)], axis=2).astype(np.uint8)


def test_crops_show_what_their_boxes_say(tmp_path):
    Image.fromarray(gradient(480, 640)).save(tmp_path / "a.png")
    clip = ken_burns(str(tmp_path / "a.png"), np.random.default_rng(3), 16, 112).astype(float)
    boxes = draw_boxes(np.random.default_rng(3), 480, 640, 16)
    assert clip.shape == (16, 112, 112, 3)
    top, left, side = boxes.T
    for name, centre, scale, channel in (("row", top, 480, 0), ("column", left, 640, 1)):
        expected = (centre + side / 2) / scale * 255
        assert np.abs(clip[..., channel].mean(axis=(1, 2)) - expected).max() < 1.5, name
    again = ken_burns(str(tmp_path / "a.png"), np.random.default_rng(3), 16, 112)
    assert np.array_equal(clip, again)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16", "RGB"])
@pytest.mark.parametrize("size", [(1, 1), (7, 200), (300, 400)])
def test_any_mode_and_size(tmp_path, mode, size):
    image = Image.fromarray(gradient(*size))
    image = Image.fromarray(np.zeros(size, np.uint16)) if mode == "I;16" else image.convert(mode)
    ending = {"CMYK": "jpg", "RGB": "jpg"}.get(mode, "png")
    image.save(tmp_path / f"a.{ending}")
    clip = ken_burns(str(tmp_path / f"a.{ending}"), np.random.default_rng(0), 16, 112)
    assert clip.shape == (16, 112, 112, 3) and clip.dtype == np.uint8


def test_exif_turns_the_image(tmp_path):
    upright = gradient(400, 300)
    lying = Image.fromarray(np.rot90(upright))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    lying.save(tmp_path / "lying.jpg", exif=exif, quality=95)
    Image.fromarray(upright).save(tmp_path / "upright.jpg", quality=95)
    clips = [
        ken_burns(str(tmp_path / f"{name}.jpg"), np.random.default_rng(1), 16, 112).astype(float)
        for name in ("lying", "upright")
    ]
    assert np.abs(clips[0] - clips[1]).mean() < 2


@pytest.mark.parametrize("size", [(375, 500), (768, 1024), (853, 1279), (1200, 1600), (1205, 1607)])
def test_reduced_decoding_equals_the_exact_crops(tmp_path, size):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)
    image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=92)
    (tmp_path / "a.jpg").write_bytes(file.getvalue())
    full = Image.open(tmp_path / "a.jpg").convert("RGB")
    for seed in range(5):
        fast = ken_burns(str(tmp_path / "a.jpg"), np.random.default_rng(seed), 16, 112)
        boxes = draw_boxes(np.random.default_rng(seed), *size, 16)
        error = (fast.astype(float) - cut(full, boxes, 112)) ** 2
        assert 10 * np.log10(255**2 / max(error.mean(), 1e-9)) > 45


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut"])
def test_faults(tmp_path, kind):
    file = tmp_path / "a.jpg"
    if kind == "empty":
        file.touch()
    if kind == "text":
        file.write_text("no image")
    if kind == "cut":
        Image.fromarray(gradient(300, 400)).save(file)
        file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(UnreadableVideoError) as error:
        ken_burns(str(file), np.random.default_rng(0), 16, 112)
    told = {
        "missing": "missing file",
        "empty": "empty file",
        "text": "not an image",
        "cut": "damaged",
    }
    assert told[kind] in str(error.value)


def test_sun397_by_folder_and_epoch(tmp_path):
    for name in ("a/abbey", "b/bakery/shop", "k/kitchen"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(gradient(90, 120)).save(tmp_path / name / "sun_1.jpg")
    (tmp_path / "ClassName.txt").write_text("/a/abbey\n/b/bakery/shop\n/k/kitchen\n")
    spec = ClipSpec(16, 25, 128, 112, 0.5, "loop")
    loader = LoaderSpec(2, 2, 0, 0)
    module = VideoDataModule(SUN397(root=str(tmp_path)), spec, loader, 0)
    assert module.classes == ["/a/abbey", "/b/bakery/shop", "/k/kitchen"]
    assert module.videos[1].id == "b/bakery/shop/sun_1.jpg"
    own = bank({name: np.zeros(2) for name in module.classes})
    clips = Clips(module.videos, own, spec, 0, train=True)
    one, same, later = (assemble(clips[key]) for key in ((0, 1), (0, 1), (1, 1)))
    assert one.shape == (1, 3, 16, 112, 112)
    assert torch.equal(one, same) and not torch.equal(one, later)


def test_reduced_decoding_of_real_scenes_equals_the_exact_crops(shared):
    for file in (shared / "images").rglob("*.jpg"):
        full = Image.open(file).convert("RGB")
        for seed in range(6):
            fast = ken_burns(str(file), np.random.default_rng(seed), 16, 112)
            boxes = draw_boxes(np.random.default_rng(seed), full.height, full.width, 16)
            error = (fast.astype(float) - cut(full, boxes, 112)) ** 2
            assert 10 * np.log10(255**2 / max(error.mean(), 1e-9)) > 45, file.name


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        ((60, 60), (120, 120)),
        ((86, 100), (172, 200)),
        ((100, 80), (200, 160)),
        ((90, 111), (90, 111)),
        ((171, 256), (171, 256)),
        ((600, 800), (512, 682)),
        ((300, 400), (300, 400)),
    ],
)
def test_boxes_of_the_authors_code(size, scaled):
    for seed in range(100):
        boxes, sides = authors_boxes(np.random.default_rng(seed), *size, 16, 112)
        assert sides == scaled and boxes.dtype.kind == "i" and boxes[:, 2].min() >= 112
        tops, lefts, whole = boxes.T
        inside = (tops + whole <= sides[0]) & (lefts + whole <= sides[1])
        assert inside.all() == (min(sides) >= 112)


def test_a_clip_by_the_authors_rule_is_not_mirrored(tmp_path):
    Image.fromarray(gradient(90, 111)).save(tmp_path / "a.png")
    rng = np.random.default_rng(3)
    clip = ken_burns(str(tmp_path / "a.png"), rng, 16, 112, "authors_code")
    assert clip.shape == (16, 112, 112, 3)
    assert np.ptp(clip[0][:, 56, 0]) > 240  # its whole height is stretched
    spec = ClipSpec(16, 25, 128, 112, 1.0, "loop", ken_burns="authors_code")
    clips = Clips(
        [Video("a", str(tmp_path / "a.png"), "x")], bank({"x": np.zeros(2)}), spec, 0, True
    )
    for epoch in range(4):
        frames = clips[(epoch, 0)]["frames"].numpy().astype(int)
        assert frames[:, 56, -1, 1].mean() > frames[:, 56, 0, 1].mean()


def test_real_scenes(shared):
    spec = ClipSpec(16, 25, 128, 112, 0.5, "loop")
    module = VideoDataModule(
        SUN397(root=str(shared / "images" / "SUN397")), spec, LoaderSpec(2, 2, 0, 0), 0
    )
    names = (shared / "images" / "SUN397" / "ClassName.txt").read_text().split()
    assert module.classes == sorted(names)
    for video in module.videos:
        assert ken_burns(video.path, np.random.default_rng(0), 16, 112).std() > 5


def test_an_image_is_mirrored_as_a_video_is(tmp_path):
    Image.fromarray(gradient(200, 200)).save(tmp_path / "a.png")
    video = [Video("a", str(tmp_path / "a.png"), "a")]
    for flip, rising in ((0.0, True), (1.0, False)):
        spec = ClipSpec(16, 25, 128, 112, flip, "loop")
        green = assemble(Clips(video, bank({"a": np.zeros(2)}), spec, 0, True)[(0, 0)])[
            0, 1, 0
        ].float()
        assert bool(green[:, 0].mean() < green[:, -1].mean()) == rising


@pytest.mark.parametrize("rule", ["ours", "authors_code"])
@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        ("<u2", "png"),
        ("<u2", "tif"),
        (">u2", "tif"),
        ("<i2", "tif"),
        ("<i4", "tif"),
        ("<f4", "tif"),
    ],
)
def test_grey_of_more_than_8_bits_keeps_its_levels(tmp_path, rule, kind, ending):
    grey = gradient(300, 300)[..., 0] // 2
    deep = grey / 255 if kind == "<f4" else grey * 256.0
    Image.fromarray(deep.astype(kind)).save(tmp_path / f"deep.{ending}")
    Image.fromarray(grey).save(tmp_path / "plain.png")
    deep, plain = (
        ken_burns(str(tmp_path / name), np.random.default_rng(1), 16, 112, rule).astype(int)
        for name in (f"deep.{ending}", "plain.png")
    )
    assert np.ptp(plain) > 40 and np.abs(deep - plain).max() <= 1


def test_small_whole_numbers_of_32_bits_are_levels(tmp_path):
    Image.fromarray(gradient(200, 200)[..., 1].astype(np.int32)).save(tmp_path / "a.tif")
    clip = ken_burns(str(tmp_path / "a.tif"), np.random.default_rng(1), 16, 112)
    assert 60 < clip.mean() < 195 and np.ptp(clip) > 80
