"""Image-text encoders of open_clip, with a tiny random model in a folder."""

import json
import shutil

import numpy as np
import pytest
import torch

from helpers.encoders import open_clip_folder, spec
from zsvideo.commands.predict import parser
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.models import encoders
from zsvideo.models.encoders import open_encoder
from zsvideo.prediction.terminal import run

open_clip = pytest.importorskip("open_clip")
TEXTS = ["a video of archery", "Archery", "a dog"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return open_clip_folder(tmp_path_factory.mktemp("encoders") / "tiny")


@pytest.fixture(scope="module")
def encoder(folder):
    return open_encoder(spec(folder))


@pytest.fixture(scope="module")
def theirs(folder):
    return open_clip.create_model(f"local-dir:{folder}").eval()


def test_texts_are_those_of_the_library(encoder, theirs, folder):
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    with torch.inference_mode():
        expected = theirs.encode_text(tokens, normalize=True).numpy()
    got = encoder.encode_texts(TEXTS)
    assert got.shape == (3, 24) and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert encoder.encode_texts([]).shape == (0, 24)


def test_many_texts_are_encoded_in_parts(encoder, monkeypatch):
    whole = encoder.encode_texts(TEXTS)
    monkeypatch.setattr("zsvideo.models.encoders.base.TEXTS", 2)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), whole, atol=1e-6)


def test_a_clip_is_the_mean_of_its_unit_frames(encoder, theirs):
    clips = torch.randn(2, 3, 5, 32, 32)
    with torch.inference_mode():
        frames = [theirs.encode_image(clips[:, :, t], normalize=True) for t in range(5)]
        got = encoder.vision(clips)
    assert got.shape == (2, encoder.vision.feature_dim)
    torch.testing.assert_close(got, torch.stack(frames).mean(dim=0), atol=1e-6, rtol=0)


def test_texts_beyond_the_context_are_told_once(encoder, caplog):
    encoder.encode_texts(TEXTS)
    assert not caplog.text
    encoder.encode_texts(["short", "word " * 40, "word " * 50])
    assert "2 of 3 texts" in caplog.text
    caplog.clear()
    encoder.encode_texts(["word " * 40])  # class vectors are made class by class
    assert not caplog.text


def test_facts_name_the_weights(encoder, folder):
    facts = encoder.facts()
    assert facts["version"] == open_clip.__version__ and facts["library"] == "open_clip"
    assert facts["id"] == "test/tiny" and facts["trained_on"] is None
    assert len(facts["sha256"]) == 64 and str(folder) not in json.dumps(facts)
    assert encoder.scale == pytest.approx(1 / 0.07, rel=1e-3)
    assert not any(p.requires_grad for p in encoder.parameters()) and not encoder.training


def test_other_weights_are_refused(encoder, folder, tmp_path):
    assert open_encoder(spec(folder, sha256=encoder.spec.sha256))
    with pytest.raises(UserError, match="are others"):
        open_encoder(spec(folder, sha256="0" * 64))


@pytest.mark.parametrize(
    "changes",
    [
        {"size": 64},
        {"resize": "shortest"},
        {"interpolation": "bicubic"},
        {"mean": [0.4, 0.5, 0.5]},
        {"std": [0.2, 0.2, 0.2]},
    ],
)
def test_an_input_that_the_files_do_not_say_is_refused(folder, changes):
    with pytest.raises(UserError, match=rf"encoder\.{next(iter(changes))}="):
        open_encoder(spec(folder, **changes))


def test_wrong_folders(folder, tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        open_encoder(spec(tmp_path / "nothing"))
    with pytest.raises(UserError, match="holds no open_clip_config"):
        open_encoder(spec(tmp_path))
    (tmp_path / "open_clip_config.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        open_encoder(spec(tmp_path))
    config = (folder / "open_clip_config.json").read_text()
    (tmp_path / "open_clip_config.json").write_text(config)
    with pytest.raises(UserError, match="is damaged"):
        open_encoder(spec(tmp_path))  # without weights
    (tmp_path / "open_clip_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match="is damaged"):
        open_encoder(spec(tmp_path))


def test_what_runs_code_is_refused(tmp_path):
    with pytest.raises(UserError, match="nothing that is downloaded is run"):
        open_encoder(spec(None, weights=None, id="OpenGVLab/InternVideo2-CLIP-1B-224p-f8"))
    (tmp_path / "open_clip_config.json").write_text('{"auto_map": {"AutoModel": "own.Model"}}')
    with pytest.raises(UserError, match="nothing that is downloaded is run"):
        open_encoder(spec(tmp_path))


def test_weights_that_cannot_be_fetched(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"encoder\.weights=FOLDER"):
        open_encoder(spec(None, weights=None))


@pytest.fixture
def cached(monkeypatch, tmp_path, folder):
    """The cache of the hub's client, with the tiny model in it, and no network."""
    place = tmp_path / "models--test--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("a" * 40)
    shutil.copytree(folder, place / "snapshots" / ("a" * 40))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_weights_of_the_cache_and_their_revision(cached, encoder):
    found = open_encoder(spec(None, weights=None))
    assert found.spec.revision == "a" * 40 and found.spec.sha256 == encoder.spec.sha256
    assert open_encoder(spec(None, weights=None, revision="a" * 40))
    with pytest.raises(UserError, match="cannot be fetched"):
        open_encoder(spec(None, weights=None, revision="b" * 40))


def test_a_folder_that_is_gone(cached, encoder, tmp_path):
    """Weights that are known by their hash are looked for on the hub too."""
    gone = spec(tmp_path / "gone", sha256=encoder.spec.sha256)
    assert open_encoder(gone).spec.sha256 == encoder.spec.sha256
    with pytest.raises(UserError, match="is no folder"):
        open_encoder(spec(tmp_path / "gone"))


def test_texts_are_encoded_where_the_videos_are(folder):
    encoder = open_encoder(spec(folder))
    encoder.vision.to("meta")  # a device that computes nothing
    with pytest.raises(RuntimeError, match="meta"):
        encoder.encode_texts(["a dog"])
    assert {p.device.type for p in open_encoder(spec(folder), "meta").parameters()} == {"meta"}


def test_without_the_extra(monkeypatch, folder, config, tmp_path):
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"zsvideo\[encoders\]"):
        open_encoder(spec(folder))
    data = [
        "source=folder",
        "source.root=/nowhere",
        "target=[folder]",
        "target.folder.root=/nowhere",
    ]
    composed = config(*data, "encoder=clip_b16", "protocol=targets", f"paths.run={tmp_path}")
    with pytest.raises(UserError, match=r"zsvideo\[encoders\]"):  # before videos are looked for
        Experiment.of(composed).check_data("target")
    own = parser().parse_args(["--encoder", "clip_b16", "--classes", "a"])
    own.videos = ["/nowhere"]
    with pytest.raises(UserError, match=r"zsvideo\[encoders\]"):
        run(own)
