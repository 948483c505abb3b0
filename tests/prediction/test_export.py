"""A shared model: the same answers, a card that says what is known, nothing executed."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import zsvideo
from helpers.commands import fails, finished
from helpers.hub import hub_of
from helpers.models import NONE, trained_run
from helpers.videos import grey_video
from zsvideo.errors import UserError
from zsvideo.models.safetensors import read_safetensors, write_safetensors
from zsvideo.prediction.export import export

NAMES = ["pour tea", "climb ladder"]


@pytest.fixture
def shared_model(tmp_path, cli):
    run = trained_run(tmp_path / "run")
    card = f"# Protocol card\n\nLEAK: jump was trained on.\n\n| file | {run}/my runs/last.ckpt |\n"
    (run / "card.md").write_text(f"{card}| list | {run}/a.csv, {run}/b.csv; 1 / 2, half/full |\n")
    finished(cli("export", str(run), str(tmp_path / "out" / "mine")))
    return run, tmp_path / "out" / "mine"


def test_a_shared_model_answers_as_its_run(shared_model, tmp_path):
    run, out = shared_model
    assert {f.name for f in out.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    grey_video(tmp_path / "a.mp4", 40)
    options = {"device": "cpu", "cache": tmp_path / "cache", "vectors": tmp_path / "toy.bin"}
    first, second = (
        next(iter(zsvideo.load(place, **options).predict(tmp_path / "a.mp4", NAMES)))
        for place in (run, out)
    )
    assert first.top == second.top and np.array_equal(first.embedding, second.embedding)
    assert second.none_of_these is not None
    card = (out / "README.md").read_text()
    assert "LEAK: jump was trained on" in card and f"{NONE.threshold:.3f}" in card
    assert "| file | last.ckpt |\n| list | a.csv, b.csv; 1 / 2, half/full |" in card
    assert not any(str(tmp_path).encode() in file.read_bytes() for file in out.iterdir())
    with pytest.raises(UserError, match=r"toy\.bin, which are not there"):
        zsvideo.load(out, cache=tmp_path / "cache").candidates(NAMES)


@pytest.mark.slow
def test_what_is_refused(shared_model, cli, tmp_path):
    run, out = shared_model
    assert fails(cli("export", str(run), str(run)), "holds other files")
    assert fails(cli("export", str(tmp_path / "nope"), str(out)), "no checkpoint")
    config = json.loads((out / "config.json").read_text())
    for change, said in (
        ({"format": "zsvideo.model/9"}, "another version"),
        ({"network": {"backbone": "nope"}}, "no model of this project|unknown"),
        ({"clips": {"frames": "many"}}, "clips.frames"),
        ({"vectors": None, "network": None}, "no model|no config"),
    ):
        (out / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(UserError, match=said):
            zsvideo.load(out)


def test_safetensors(tmp_path):
    state = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor(7),
        "c": torch.zeros(0, 4, dtype=torch.float16),
        "d": torch.tensor([True, False, True]),
    }
    file = tmp_path / "x.safetensors"
    write_safetensors(file, state, {"format": "pt"})
    again = read_safetensors(file)
    assert {k: v.dtype for k, v in again.items()} == {k: v.dtype for k, v in state.items()}
    assert all(torch.equal(again[k], state[k]) for k in state)
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert (8 + length) % 8 == 0
    header = json.loads(content[8 : 8 + length])
    spoiled = [b"", content[:7], content[:40], content[:-1], b"\xff" * 64]
    for entry in (
        {"shape": [2, 4]},
        {"data_offsets": [0, 1 << 40]},
        {"dtype": "X"},
        {"shape": [-6]},
    ):
        text = json.dumps(header | {"a": header["a"] | entry}).encode()
        spoiled.append(len(text).to_bytes(8, "little") + text + content[8 + length :])
    for bad in spoiled:
        file.write_bytes(bad)
        with pytest.raises(UserError, match="cannot be read as safetensors"):
            read_safetensors(file)


def test_the_format_is_that_of_the_library(tmp_path):
    library = pytest.importorskip("safetensors.torch")
    state = {"a": torch.randn(3, 5), "b": torch.tensor(7)}
    write_safetensors(tmp_path / "ours", state, {"format": "pt"})
    library.save_file(state, tmp_path / "theirs")
    for read, name in ((library.load_file, "ours"), (read_safetensors, "theirs")):
        assert all(torch.equal(read(tmp_path / name)[k], state[k]) for k in state)


def test_a_shared_model_is_fetched_from_the_hub_once(shared_model, tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    _, out = shared_model
    with hub_of(out, tmp_path / "hub", monkeypatch) as hub:
        model = zsvideo.load("hf://user/name", device="cpu")
        assert model.facts == replace(zsvideo.load(out).facts, place="hf://user/name")
        sent = [path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path]
        assert {*sent} == {"model.safetensors", "config.json"}
        with pytest.raises(UserError, match="hf://user/nope cannot be fetched: there is no such"):
            zsvideo.load("hf://user/nope")
        with pytest.raises(UserError, match="hf://a/b/c cannot be fetched: Repo id must be"):
            zsvideo.load("hf://a/b/c")
    assert zsvideo.load("hf://user/name", device="cpu").facts == model.facts  # from the cache


def test_a_hub_that_gives_no_model_is_one_line(shared_model, tmp_path, monkeypatch):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    with hub_of(shared_model[1], tmp_path / "hub", monkeypatch) as hub:
        hub.cut = True
        with pytest.raises(UserError, match="hf://user/name cannot be fetched: peer closed"):
            zsvideo.load("hf://user/name")
    (shared_model[1] / "config.json").unlink()
    said = pytest.raises(UserError, match=r"hf://user/name holds no config\.json")
    with hub_of(shared_model[1], tmp_path / "second", monkeypatch), said:
        zsvideo.load("hf://user/name")
    with pytest.raises(UserError, match=r"hf://user/other cannot be fetched: .*refused"):
        zsvideo.load("hf://user/other")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match="pip install huggingface_hub"):
        zsvideo.load("hf://user/name")


def test_onnx_gives_what_torch_gives_for_any_batch(tmp_path, cli):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    run = trained_run(tmp_path / "run")
    finished(cli("export", str(run), str(tmp_path / "out"), "--onnx"))
    model = zsvideo.load(tmp_path / "out", device="cpu", vectors=tmp_path / "toy.bin")
    f_v, f_s = (runtime.InferenceSession(tmp_path / "out" / f"{n}.onnx") for n in ("f_v", "f_s"))
    spec = model.facts.clips
    for videos, clips in ((1, 1), (2, 3)):
        shape = (videos, clips, 3, spec.frames, spec.crop, spec.crop)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
        (features,) = f_v.run(None, {"clips": pixels.flatten(0, 1).numpy()})
        (embedding,) = f_s.run(None, {"features": features.reshape(videos, clips, -1).mean(axis=1)})
        with torch.inference_mode():
            expected = model.network(pixels).numpy()
        assert embedding.shape == expected.shape
        assert np.abs(embedding - expected).max() < 1e-5
    assert not any(b".py" in file.read_bytes() for file in (tmp_path / "out").glob("*.onnx"))


def test_onnx_without_its_packages_says_what_to_install(tmp_path, monkeypatch):
    model = zsvideo.load(trained_run(tmp_path / "run"), device="cpu", vectors=tmp_path / "toy.bin")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(UserError, match=r"--onnx needs packages: pip install"):
        export(model.network, model.facts, tmp_path / "out", onnx=True)
