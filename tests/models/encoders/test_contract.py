"""An encoder reads the pixels, and the frames, that its library would give it."""

from dataclasses import replace

import numpy as np
import pytest
from omegaconf import OmegaConf
from PIL import Image

from helpers.encoders import spec
from helpers.videos import grey_video, smooth, write_video
from zsvideo.data.clips import read_clips
from zsvideo.data.decoding.reading import open_video
from zsvideo.data.options import ClipSpec
from zsvideo.data.transforms import Crop, View
from zsvideo.data.videos import Video
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.prediction.encoders import encoder_spec
from zsvideo.resources import CONF
from zsvideo.semantics.words import DATASETS

SIZES = [(240, 320), (720, 1280), (321, 240), (128, 171), (48, 301), (224, 224), (256, 340)]
NAMES = sorted(file.stem for file in (CONF / "encoder").glob("*.yaml"))


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", ["squash", "shortest"])
def test_pixels_are_those_of_open_clip(resize, interpolation):
    pytest.importorskip("open_clip")
    from open_clip.transform import image_transform

    rng = np.random.default_rng(0)
    for size in (32, 224):
        own = spec("x", size=size, resize=resize, interpolation=interpolation)
        view = View.of(own.clips(ClipSpec()), Crop())
        theirs = image_transform(
            size, False, (0,) * 3, (1,) * 3, resize_mode=resize, interpolation=interpolation
        )
        for sides in SIZES:
            frame = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
            expected = (theirs(Image.fromarray(frame)) * 255).round().permute(1, 2, 0).numpy()
            assert (view.part(*sides).of(frame) == expected).all(), (size, sides)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("resize", ["squash", "shortest"])
def test_pixels_are_those_of_torchvision(resize, interpolation):
    """As the video processors of transformers scale them; to a grey level, for parts are scaled."""
    import torch
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2 import functional

    rng = np.random.default_rng(0)
    own = spec(
        "x",
        library="transformers",
        size=112,
        short_side=128,
        resize=resize,
        interpolation=interpolation,
    )
    view = View.of(own.clips(ClipSpec()), Crop())
    for sides in SIZES:
        frame = rng.integers(0, 256, (*sides, 3), dtype=np.uint8)
        side = [128] if resize == "shortest" else [128, 128]
        planes = torch.from_numpy(frame).permute(2, 0, 1)
        mode = InterpolationMode(interpolation)
        scaled = functional.resize(planes, side, mode, antialias=True)
        top, left = ((side - 112) // 2 for side in scaled.shape[1:])  # as transformers crops
        expected = scaled[:, top : top + 112, left : left + 112].permute(1, 2, 0).numpy()
        difference = np.abs(view.part(*sides).of(frame).astype(int) - expected)
        assert difference.max() <= 1, sides
        assert difference.mean() < 0.01


@pytest.mark.parametrize("sampling", ["starts", "middles", "ends"])
@pytest.mark.parametrize("length", [3, 8, 21])
def test_the_frames_of_a_video(tmp_path, sampling, length):
    file = tmp_path / "a.avi"
    write_video(file, smooth(length))
    own = spec("x", frames=8, sampling=sampling)
    clips = read_clips(Video("a", file, "x"), own.clips(ClipSpec()))
    expected = {
        "starts": [int(i * length / 8) for i in range(8)],
        "middles": [int((i + 0.5) * length / 8) for i in range(8)],
        "ends": [int(i * (length - 1) / 7) for i in range(8)],
    }[sampling]
    with open_video(str(file)) as reader:
        whole = reader.get(np.arange(length))[expected]
    shown = clips["frames"][clips["frame_indices"][0]].numpy()
    assert clips["frame_indices"].shape == (1, 8) and shown.shape == (8, 32, 32, 3)
    theirs = [np.asarray(Image.fromarray(f).resize((32, 32), Image.BILINEAR)) for f in whole]
    assert (shown == np.stack(theirs)).all()


def test_several_clips_share_the_frames_of_a_video(tmp_path):
    file = tmp_path / "a.avi"
    write_video(file, smooth(24))
    whole = replace(spec("x").clips(ClipSpec()), test_clips=3)
    one = replace(whole, test_clips=1, frames=12)
    many, few = (read_clips(Video("a", file, "x"), clips) for clips in (whole, one))
    assert many["frame_indices"].shape == (3, 4)
    assert (many["frame_indices"].T.flatten() == few["frame_indices"][0]).all()


def test_training_takes_a_random_frame_of_each_part(tmp_path):
    file = tmp_path / "a.avi"
    grey_video(file, 40)
    clips, rng = spec("x").clips(ClipSpec(flip=0)), np.random.default_rng(0)
    with open_video(str(file)) as reader:
        greys = reader.get(np.arange(40)).mean(axis=(1, 2, 3))
    drawn = set()
    for _ in range(5):
        sample = read_clips(Video("a", file, "x"), clips, rng)
        grey = sample["frames"][sample["frame_indices"][0]].float().mean(dim=(1, 2, 3)).numpy()
        numbers = np.abs(grey[:, None] - greys).argmin(axis=1).tolist()
        assert [number // 10 for number in numbers] == [0, 1, 2, 3]
        drawn.add(tuple(numbers))
    assert len(drawn) == 5


def test_every_file_is_an_encoder():
    assert len(NAMES) >= 20
    for name in NAMES:
        own = encoder_spec(name)
        assert own.name == name and own.labels in (None, "none", *DATASETS)
        own.check(own.clips(ClipSpec()))


@pytest.mark.parametrize("name", ["pe_l14", "clip_b16", "vjepa2_l"])
def test_the_config_is_the_contract(config, name):
    composed = config(f"encoder={name}")
    experiment = Experiment.of(composed)
    encoder = experiment.encoder
    base = ClipSpec(**OmegaConf.to_container(config().clips))
    assert experiment.clips == encoder.clips(base)
    model = experiment.model
    assert (model.mean, model.std, model.backbone) == (encoder.mean, encoder.std, name)
    assert experiment.method.frozen and not experiment.pretrain.weights
    assert Experiment.of(config(f"encoder={name}", "head=ridge")).method.frozen


def test_typed_clips_are_honoured_where_the_encoder_can_read_them(config):
    typed = config("encoder=clip_b16", "clips.frames=16", "clips.sampling=ends")
    assert Experiment.of(typed).clips.frames == 16
    with pytest.raises(UserError, match=r"clips\.crop=112 is not what encoder=clip_b16 reads: 224"):
        Experiment.of(config("encoder=clip_b16", "clips.crop=112"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["method=baseline"], "brings its own weights"),
        (["pretrain.ckpt=x"], "brings its own weights"),
        (["features.ckpt=x"], "brings its own weights"),
        (["method=classify"], "method=classify"),
        (["method.legacy_bn=true"], "legacy_bn"),
        (["class_vectors=words", "method=contrastive"], "class_vectors=text"),
        (["encoder.frames=0"], "encoder.frames=0"),
        (["encoder.resize=fit"], "encoder.resize=fit"),
        (["encoder.std=[0,1,1]"], "encoder.std"),
        (["encoder.short_side=100"], "encoder.short_side=100"),
    ],
)
def test_options_that_do_not_go_with_an_encoder(config, options, words):
    with pytest.raises(UserError, match=words):
        Experiment.of(config("encoder=clip_b16", *options))
