"""The parity self-test: the stored cosines pass, and with one weight changed they fail."""

import numpy as np
import pytest
import torch
import yaml

from helpers.encoders import open_clip_folder, spec, video_folder, video_spec
from zsvideo.errors import UserError
from zsvideo.models.encoders import open_encoder
from zsvideo.models.encoders.parity import fixed_frames, parity_of
from zsvideo.parity import parity_lines

pytest.importorskip("open_clip")
pytest.importorskip("transformers")


def image_text(place):
    return open_clip_folder(place / "clip"), spec


def video_text(place):
    return video_folder(place / "prism", "videoprism"), lambda f, **c: video_spec(
        f, "videoprism", **c
    )


def pairwise(place):
    return video_folder(place / "xclip", "xclip"), lambda f, **c: video_spec(f, "xclip", **c)


def video(place):
    return video_folder(place / "jepa", "vjepa2"), lambda f, **c: video_spec(f, "vjepa2", **c)


@pytest.mark.parametrize(
    ("made", "numbers", "weight"),
    [
        (image_text, 10, "visual.proj"),
        (image_text, 10, "text_projection"),
        (video_text, 10, "video_model.head_layernorm.weight"),
        (video_text, 10, "text_model.layernorm.weight"),
        (pairwise, 10, "prompts_generator.alpha"),
        (video, 1, "encoder.layernorm.weight"),
    ],
)
def test_one_changed_weight_fails(tmp_path, made, numbers, weight):
    from safetensors.torch import load_file, save_file

    folder, about = made(tmp_path)
    cosines = parity_of(open_encoder(about(folder)))
    assert len(cosines) == numbers and all(-1 <= value <= 1 for value in cosines)
    assert len(set(cosines)) == numbers
    encoder = open_encoder(about(folder, parity=cosines, tolerance=1e-5))
    assert parity_of(encoder) == pytest.approx(cosines, abs=2e-6)
    (file,) = folder.glob("*.safetensors")
    state = load_file(file)
    state[weight].flatten()[0] += 10
    save_file(state, file, {"format": "pt"})
    with pytest.raises(UserError, match="gives other numbers than it should"):
        open_encoder(about(folder, parity=cosines))


def test_a_wrong_number_of_cosines(tmp_path):
    folder = open_clip_folder(tmp_path / "clip")
    with pytest.raises(UserError, match="must be 10 numbers"):
        open_encoder(spec(folder, parity=[0.5]))


def test_the_fixed_clip_moves_and_is_whole_numbers():
    clip = fixed_frames(4, 30, 40)
    assert clip.shape == (4, 30, 40, 3) and clip.dtype == np.uint8
    assert all((clip[n] != clip[n + 1]).any() for n in range(3))
    assert (clip != clip[:, :, ::-1]).any() and clip.std() > 20
    assert int(torch.from_numpy(clip).long().sum()) == 1904719


def test_the_command_writes_what_is_then_checked(tmp_path):
    folder = open_clip_folder(tmp_path / "clip")
    options = ["encoder=pe_l14", "encoder.size=32", "encoder.frames=4", f"encoder.weights={folder}"]
    known = yaml.safe_load(parity_lines(options))
    assert known["revision"] is None and len(known["parity"]) == 10
    encoder = open_encoder(spec(folder, parity=known["parity"], sha256=known["sha256"]))
    assert encoder.spec.sha256 == known["sha256"]
    with pytest.raises(UserError, match="name an encoder"):
        parity_lines([])
    with pytest.raises(UserError, match="encoder=nothing is unknown"):
        parity_lines(["encoder=nothing"])
