"""Weights from elsewhere give the same numbers here, and never run code."""

import argparse
import hashlib
import json
import os
from collections import OrderedDict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import video

from zsvideo.errors import UserError
from zsvideo.models import backbones, weights
from zsvideo.models.weights import (
    TORCHVISION,
    import_weights,
    load_strictly,
    published_weights,
    read_file,
)

C3D = {
    "conv1": (3, 64),
    "conv2": (64, 128),
    "conv3a": (128, 256),
    "conv3b": (256, 256),
    "conv4a": (256, 512),
    "conv4b": (512, 512),
    "conv5a": (512, 512),
    "conv5b": (512, 512),
}


def authors_resnet(make):
    """A plain torch model with the names that the authors' network gives its parameters."""
    torch.manual_seed(0)
    whole = make(weights=None)
    net = nn.Module()
    net.regressor = nn.Linear(whole.fc.in_features, 300)
    net.model = nn.Sequential(*list(whole.children())[:-1])
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return net.eval()


def plain_c3d(state, clips):
    """C3D up to fc6, written out with functions (Tran et al., 2015)."""
    pools = {"conv1": (1, 2, 2), "conv2": 2, "conv3b": 2, "conv4b": 2, "conv5b": 2}
    for name in C3D:
        clips = nn.functional.conv3d(
            clips, state[f"{name}.weight"], state[f"{name}.bias"], padding=1
        ).relu()
        if name in pools:
            pad = (0, 1, 1) if name == "conv5b" else 0
            clips = nn.functional.max_pool3d(clips, pools[name], pools[name], pad)
    return nn.functional.linear(clips.flatten(1), state["fc6.weight"], state["fc6.bias"]).relu()


def saved(folder, state, **beside):
    """Save as the authors did: keys of DataParallel, options as a namespace, a numpy number."""
    options = argparse.Namespace(network="r2plus1d_18", lr=1e-3, device=torch.device("cuda"))
    content = {"state_dict": state, "opt": options, "accuracy": np.float64(37.6), **beside}
    torch.save(content, folder / "checkpoint.pth.tar")
    return folder / "checkpoint.pth.tar"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "make"), [("r2plus1d", "r2plus1d_18"), ("r3d", "r3d_18")])
def test_authors_checkpoints_give_the_same_embeddings(name, make, tmp_path):
    net = authors_resnet(getattr(video, make))
    file = saved(tmp_path, {f"module.{k}": v for k, v in net.state_dict().items()})
    imported = import_weights(read_file(file, "ckpt"), file, "ckpt")
    assert imported.backbone == name and imported.options["network"] == "r2plus1d_18"
    ours = getattr(backbones, name)()
    load_strictly(ours, imported.f_v, file, "ckpt")
    head = nn.Linear(512, 300)
    load_strictly(head, imported.f_s, file, "ckpt")
    clips = torch.randn(2, 3, 16, 40, 40)
    with torch.no_grad():
        theirs = net.regressor(net.model(clips).flatten(1))
        assert torch.allclose(head(ours.eval()(clips)), theirs, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["module.", "module.model.", ""])
def test_authors_c3d_and_the_sports1m_weights(prefix, tmp_path):
    torch.manual_seed(0)
    state = OrderedDict()
    for layer, (inputs, outputs) in C3D.items():
        conv = nn.Conv3d(inputs, outputs, 3)
        state[f"{layer}.weight"], state[f"{layer}.bias"] = conv.weight.data, conv.bias.data
    for layer, (inputs, outputs) in {"fc6": (8192, 4096), "fc8": (40, 7)}.items():
        linear = nn.Linear(inputs, outputs)
        state[f"{layer}.weight"], state[f"{layer}.bias"] = linear.weight.data, linear.bias.data
    file = tmp_path / "c3d.pickle"
    torch.save(OrderedDict((prefix + k, v) for k, v in state.items()), file)
    imported = import_weights(read_file(file, "pretrain.ckpt"), file, "pretrain.ckpt")
    assert imported.backbone == "c3d" and not imported.f_s
    ours = backbones.c3d().eval()
    load_strictly(ours, imported.f_v, file, "pretrain.ckpt")
    clips = torch.randn(1, 3, 16, 112, 112)
    with torch.no_grad():
        assert torch.allclose(ours(clips), plain_c3d(state, clips), atol=1e-5)


@pytest.mark.parametrize("name", [n for n in backbones.__all__ if n in TORCHVISION])
def test_torchvision_states_are_recognised(name, tmp_path):
    network = getattr(backbones, name)()
    make = {"r2plus1d": "r2plus1d_18", "r3d": "r3d_18", "mc3": "mc3_18"}.get(name, name)
    state = getattr(video, make)(weights=None).state_dict()
    imported = import_weights(state, tmp_path, "pretrain.ckpt")
    assert imported.backbone == name
    load_strictly(network, imported.f_v, tmp_path, "pretrain.ckpt")


def test_every_key_that_does_not_fit_is_named(tmp_path):
    network = backbones.tiny()
    state = dict(network.state_dict())
    gone = state.pop("layers.0.weight")
    state |= {"stranger": gone, "layers.3.weight": torch.zeros(1)}
    with pytest.raises(UserError) as error:
        load_strictly(network, state, tmp_path / "w.pth", "ckpt")
    for words in ("missing: layers.0.weight", "unexpected: stranger", "shape: layers.3.weight"):
        assert words in str(error.value)


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_file_is_executed(legacy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "bad.pth"
    torch.save({"state_dict": {}, "opt": Attack()}, file, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(UserError, match="asks to run code, which is refused"):
        read_file(file, "ckpt")
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 damaged"])
def test_damaged_files(content, tmp_path):
    file = tmp_path / "bad.pth"
    file.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as weights"):
        read_file(file, "ckpt")
    with pytest.raises(UserError, match="cannot be read as weights"):
        read_file(tmp_path / "nothing.pth", "ckpt")
    with pytest.raises(UserError, match="no network known here"):
        import_weights({"a": torch.zeros(1)}, file, "ckpt")


@pytest.mark.slow
def test_published_weights_are_downloaded_and_checked(tmp_path, monkeypatch):
    made, kept = tmp_path / "made", tmp_path / "kept"
    made.mkdir()
    torch.save(video.r3d_18(weights=None).state_dict(), made / "plain.pth")
    digest = hashlib.sha256((made / "plain.pth").read_bytes()).hexdigest()
    for name in (f"r3d-{digest[:8]}.pth", "r3d-00000000.pth"):
        (made / name).write_bytes((made / "plain.pth").read_bytes())
    serve = partial(SimpleHTTPRequestHandler, directory=str(made))
    server = ThreadingHTTPServer(("127.0.0.1", 0), serve)
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(weights, "torchvision_url", lambda _: f"{address}/r3d-{digest[:8]}.pth")
    file = published_weights("r3d", "kinetics400", kept)
    assert published_weights("r3d", "kinetics400", kept) == file  # it is fetched once
    imported = import_weights(read_file(file, "pretrain.ckpt"), file, "pretrain.ckpt")
    load_strictly(backbones.r3d(), imported.f_v, file, "pretrain.ckpt")
    monkeypatch.setattr(weights, "torchvision_url", lambda _: f"{address}/r3d-00000000.pth")
    with pytest.raises(UserError, match=r"cannot be downloaded.*invalid hash"):
        published_weights("r3d", "kinetics400", kept)
    server.shutdown()
    assert not (kept / "r3d-00000000.pth").exists()


def test_published_weights(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="c3d takes pretrain=sports1m"):
        published_weights("c3d", "kinetics400", tmp_path)
    with pytest.raises(UserError, match="for c3d alone, not for r3d"):
        published_weights("r3d", "sports1m", tmp_path)
    with pytest.raises(UserError, match="put the file there"):
        published_weights("c3d", "sports1m", tmp_path)
    (tmp_path / "c3d.pickle").touch()
    assert published_weights("c3d", "sports1m", tmp_path) == tmp_path / "c3d.pickle"
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody there
    with pytest.raises(UserError, match=r"put it at .*r3d_18-b3b3357e\.pth"):
        published_weights("r3d", "kinetics400", tmp_path)


def test_what_is_not_used_of_a_file_is_named(tmp_path):
    net = authors_resnet(video.r3d_18)
    state = {f"module.{k}": v for k, v in net.state_dict().items()}
    options = argparse.Namespace(lr=np.float64(0.5), flags=[1, 2], none=None, device="cuda")
    file = saved(tmp_path, state, opt=options, epoch=3, optimizer={"state": {}})
    imported = import_weights(read_file(file, "ckpt"), file, "ckpt")
    assert imported.unused == ("accuracy", "epoch", "optimizer")
    assert imported.selection == "test_best"
    plain = {"lr": 0.5, "flags": "[1, 2]", "none": None, "device": "cuda"}
    assert imported.describe() == {"options": plain, "unused": list(imported.unused)}
    assert json.loads(json.dumps(imported.describe())) == imported.describe()
    plain = import_weights(video.r3d_18(weights=None).state_dict(), file, "ckpt")
    assert plain.unused == ("fc.weight", "fc.bias") and plain.selection is None


@pytest.mark.parametrize("key", ["extra.weight", "model.extra.weight", "aux.regressor.weight"])
def test_a_parameter_without_a_place_is_named(key, tmp_path):
    net = authors_resnet(video.r3d_18)
    state = {f"module.{k}": v for k, v in net.state_dict().items()}
    state[f"module.{key}"] = torch.zeros(1)
    file = saved(tmp_path, state)
    imported = import_weights(read_file(file, "ckpt"), file, "ckpt")
    assert imported.backbone == "r3d"
    with pytest.raises(UserError, match=f"unexpected: network.{key.removeprefix('model.')}"):
        load_strictly(backbones.r3d(), imported.f_v, file, "ckpt")


def test_a_parameter_without_a_place_in_c3d_is_named(tmp_path):
    state = {f"{layer}.{kind}": torch.zeros(1) for layer in (*C3D, "fc6") for kind in ("weight",)}
    state |= dict.fromkeys(("fc7.bias", "fc8.weight", "extra", "odd.one.weight"), torch.zeros(1))
    imported = import_weights(state, tmp_path, "pretrain.ckpt")
    assert imported.unused == ("fc7.bias", "fc8.weight")
    with pytest.raises(UserError, match=r"unexpected: extra, odd\.one\.weight"):
        load_strictly(backbones.c3d(), imported.f_v, tmp_path, "pretrain.ckpt")
