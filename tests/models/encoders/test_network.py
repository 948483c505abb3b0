"""An encoder of another library as the f_v of a network, and what checkpoints hold of it."""

import json

import numpy as np
import pytest
import torch

from helpers.encoders import open_clip_folder, spec
from helpers.networks import module
from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.experiment.features import network_of
from zsvideo.models.encoders import open_encoder
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.options import plain
from zsvideo.prediction.export import export
from zsvideo.prediction.loading import read_model
from zsvideo.prediction.onnx import export_onnx

pytest.importorskip("open_clip")
load_file = pytest.importorskip("safetensors.torch").load_file
INPUT = {"mean": [0.5] * 3, "std": [0.5] * 3, "backbone": "tiny_clip"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return open_clip_folder(tmp_path_factory.mktemp("network") / "tiny")


@pytest.fixture
def encoder(folder):
    return open_encoder(spec(folder))


def pixels(videos=2, frames=4):
    generator = torch.Generator().manual_seed(1)
    shape = (videos, 1, 3, frames, 32, 32)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_texts_and_videos_are_compared_in_one_space(encoder):
    network = module(encoder=encoder, projection="none", embedding_dim=24, frozen=True, **INPUT)
    clips = pixels()
    with torch.inference_mode():
        own = network.eval()(clips)
        theirs = encoder.vision((clips[:, 0] / 255 - 0.5) / 0.5)
    torch.testing.assert_close(own, torch.nn.functional.normalize(theirs, dim=1))
    assert (own.norm(dim=1) - 1).abs().max() < 1e-6
    assert not list(network.f_s.parameters()) and network.dropout.p == 0


def test_texts_of_another_size_are_refused(encoder):
    with pytest.raises(UserError, match="class vectors of 300 numbers"):
        module(encoder=encoder, projection="none", **INPUT)


def test_a_frozen_encoder_is_in_no_checkpoint(encoder, folder, tmp_path):
    network = module(encoder=encoder, frozen=True, **INPUT)
    assert not network.f_v.training and not any(p.requires_grad for p in network.f_v.parameters())
    state = network.state_dict()
    assert set(state) == {"f_s.weight", "f_s.bias"}
    file = tmp_path / "own.ckpt"
    torch.save(
        {
            "pytorch-lightning_version": "2",
            "state_dict": state,
            "hyper_parameters": dict(network.hparams),
        },
        file,
    )
    again = ZeroShotModule.load_from_checkpoint(file, map_location="cpu", weights_only=True)
    clips = pixels()
    with torch.inference_mode():
        torch.testing.assert_close(again.eval()(clips), network.eval()(clips))
    assert again.hparams["encoder"]["sha256"] == encoder.spec.sha256
    assert again.encoder_facts == encoder.facts()


def test_an_exported_network_names_its_encoder(encoder, folder, tmp_path):
    network = module(encoder=encoder, frozen=True, **INPUT)
    run = tmp_path / "run" / "checkpoints"
    run.mkdir(parents=True)
    checkpoint = {
        "pytorch-lightning_version": "2",
        "state_dict": network.state_dict(),
        "hyper_parameters": dict(network.hparams),
    }
    torch.save(checkpoint, run / "last.ckpt")
    read, facts = read_model(run.parent)
    clips = pixels()
    with torch.inference_mode():
        torch.testing.assert_close(read(clips), network.eval()(clips))
    export(read, facts, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["network"]["encoder"]["sha256"] == encoder.spec.sha256
    assert str(folder) not in json.dumps(config)
    assert set(load_file(tmp_path / "out" / "model.safetensors")) == {"f_s.weight", "f_s.bias"}


@pytest.mark.slow
def test_a_frozen_encoder_as_onnx(encoder, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = module(encoder=encoder, frozen=True, **INPUT).eval()
    files = export_onnx(network, encoder.spec.clips(ClipSpec()), tmp_path)
    f_v, f_s = (runtime.InferenceSession(file) for file in files)
    clips = pixels(videos=3)
    (features,) = f_v.run(None, {"clips": clips[:, 0].numpy()})
    (embeddings,) = f_s.run(None, {"features": features})
    with torch.inference_mode():
        np.testing.assert_allclose(embeddings, network(clips[:, :1]).numpy(), atol=1e-5)


def test_pairs_have_no_form_as_onnx(encoder, tmp_path):
    network = module(encoder=encoder, frozen=True, **INPUT)
    network.pairwise = True
    with pytest.raises(UserError, match="compares pairs"):
        export_onnx(network, encoder.spec.clips(ClipSpec()), tmp_path)


def test_features_are_known_by_the_weights_and_the_library(encoder):
    network = module(encoder=encoder, frozen=True, **INPUT)
    before = network_of(network, "32-true")
    assert before["encoder"]["library"] == "open_clip" and before["encoder"]["version"]
    with torch.no_grad():
        next(network.f_v.parameters()).add_(1e-3)
    after = network_of(network, "32-true")
    assert before["weights"] != after["weights"] and before["encoder"] == after["encoder"]


def test_a_missing_projection_is_still_missed(encoder):
    network = module(encoder=encoder, frozen=True, **INPUT)
    state = network.state_dict()
    del state["f_s.bias"]
    with pytest.raises(RuntimeError, match=r"f_s\.bias"):
        network.load_state_dict(state)


def test_a_checkpoint_is_refused_with_other_weights(encoder, tmp_path):
    network = module(encoder=encoder, frozen=True, **INPUT)
    options = dict(network.hparams) | {"encoder": network.hparams["encoder"] | {"sha256": "0" * 64}}
    with pytest.raises(UserError, match="are others"):
        ZeroShotModule(**options)


def test_a_fine_tuned_encoder_is_in_the_checkpoint(encoder):
    network = module(encoder=encoder, **INPUT)
    assert all(p.requires_grad for p in network.f_v.parameters())
    state = network.state_dict()
    assert any(key.startswith("f_v.") for key in state)
    with torch.no_grad():
        next(network.f_v.parameters()).add_(0.1)
    again = ZeroShotModule(**network.hparams)
    again.load_state_dict(network.state_dict())
    clips = pixels()
    with torch.inference_mode():
        torch.testing.assert_close(again.eval()(clips), network.eval()(clips))


def test_a_network_is_built_without_lightning(encoder):
    network = EmbeddingNetwork()
    network.build(
        "tiny_clip",
        24,
        0.0,
        True,
        50,
        [0.5] * 3,
        [0.5] * 3,
        encoder=plain(encoder.spec),
        projection="none",
        frozen=True,
        channels_last=True,
    )
    assert network.state_dict() == {}
    with torch.inference_mode():
        vectors = network.eval()(pixels()).numpy()
    texts = encoder.encode_texts(["a dog", "a cat"])
    assert np.abs(vectors @ texts.T).max() <= 1
