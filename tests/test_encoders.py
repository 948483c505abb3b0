"""An encoder of another library in whole runs: features, f_s, heads, fine-tuning, evaluation."""

import numpy as np
import pytest
import torch
import yaml

import zsvideo
from helpers.commands import fails, finished, read, rows
from helpers.encoders import open_clip_folder, video_folder, video_spec
from zsvideo.errors import UserError
from zsvideo.experiment.jobs import job_name
from zsvideo.prediction.loading import read_model
from zsvideo.prediction.videos import list_videos

pytest.importorskip("open_clip")
LAST = "checkpoints/last.ckpt"


@pytest.fixture
def encoder(tmp_path):
    folder = open_clip_folder(tmp_path / "tiny_clip")
    return [
        "encoder=pe_l14",
        "encoder.name=tiny",
        "encoder.size=32",
        "encoder.frames=4",
        f"encoder.weights={folder}",
        "clips.short_side=32",
        "clips.test_clips=1",
    ]


@pytest.mark.slow
def test_f_s_is_trained_on_a_frozen_encoder_and_tested_again(cli, folders, encoder, tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    own = [*folders, *encoder, f"hydra.run.dir={run}"]
    finished(cli("train", *own, "trainer.max_epochs=1"))
    said = finished(cli("train", *own, "resume=auto"))
    assert "going on from step" in said
    state = torch.load(run / LAST, weights_only=True)
    assert set(state["state_dict"]) == {"f_s.weight", "f_s.bias"}
    hparams = state["hyper_parameters"]
    assert hparams["backbone"] == "tiny" and len(hparams["encoder"]["sha256"]) == 64
    finished(cli("evaluate", *folders, *encoder, f"ckpt={run}", f"hydra.run.dir={again}"))
    first, second = (np.load(r / "predictions" / "folder.npz")["embeddings"] for r in (run, again))
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_jobs_are_named_by_the_encoder(config):
    name = job_name(config("encoder=clip_b16", "source=synthetic", "target=[synthetic]", run="x"))
    assert "clip_b16-frozen" in name
    assert "encoder" not in config() and "encoder" not in job_name(config(run="x"))


@pytest.mark.slow
def test_a_head_is_fitted_on_a_frozen_encoder(cli, folders, encoder, tmp_path):
    run = tmp_path / "run"
    finished(cli("train", *folders, *encoder, "head=ridge", f"hydra.run.dir={run}"))
    record = read(run, "metrics.json")
    assert record["head"]["features"]["size"] == 24
    state = torch.load(run / LAST, weights_only=True)["state_dict"]
    assert state and all(key.startswith("head.") for key in state)


@pytest.mark.slow
def test_an_encoder_is_tuned_on_the_texts_of_classes(cli, folders, encoder, tmp_path):
    run = tmp_path / "run"
    options = ["method=contrastive", "method.lr=0.001", "trainer.max_epochs=4"]
    finished(cli("train", *folders, *encoder, *options, f"hydra.run.dir={run}"))
    curve = [row["train/loss_epoch"] for row in rows(run / "metrics.csv")]
    losses = [float(loss) for loss in curve if loss]
    assert len(losses) == 4 and losses[-1] < losses[0]
    state = torch.load(run / LAST, weights_only=True)
    assert state["state_dict"] and all(key.startswith("f_v.") for key in state["state_dict"])
    with np.load(run / "predictions" / "folder.npz") as tested:
        assert tested["embeddings"].shape == (8, 24) and tested["class_vectors"].shape == (4, 24)
    network, facts = read_model(run)
    own = network.state_dict()
    assert own.keys() == state["state_dict"].keys()
    assert all(torch.equal(own[key], value) for key, value in state["state_dict"].items())
    assert facts.clips.frames == 4 and facts.network["projection"] == "none"
    fails(cli("train", *folders, *encoder, "class_vectors=text"), "nothing to train")
    fails(cli("train", *folders, "method=contrastive"), "give encoder=")


def video_options(folder, name, family):
    size = {"vjepa2": ["encoder.short_side=36", "clips.short_side=36"]}
    return [
        f"encoder={name}",
        "encoder.size=32",
        "encoder.frames=4",
        f"encoder.weights={video_folder(folder / family, family)}",
        *size.get(family, ["clips.short_side=32"]),
        "clips.test_clips=1",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "family"), [("videoprism_b", "videoprism"), ("pe_av_small", "pe_video")]
)
def test_a_video_encoder_with_texts_is_tested_as_it_is(cli, folders, tmp_path, name, family):
    pytest.importorskip("transformers")
    run, encoder = tmp_path / "run", video_options(tmp_path, name, family)
    said = finished(cli("evaluate", *folders, *encoder, f"hydra.run.dir={run}"))
    assert "UNKNOWN: pre-training classes" in said
    record = read(run, "metrics.json")
    assert record["track"] == "vision-language"
    assert record["encoder"]["library"] == "transformers" and record["encoder"]["name"] == name
    with np.load(run / "predictions" / "folder.npz") as saved:
        assert saved["embeddings"].shape == (8, 24) and saved["class_vectors"].shape == (4, 24)
    assert name in (run / "card.md").read_text()


@pytest.mark.slow
def test_an_encoder_whose_texts_change_by_the_video(cli, folders, tmp_path):
    hf = pytest.importorskip("transformers")
    run, encoder = tmp_path / "run", video_options(tmp_path, "xclip_b32", "xclip")
    encoder += ["encoder.mean=[0.5,0.5,0.5]", "encoder.std=[0.5,0.5,0.5]", "evaluation=[full]"]
    own = [*folders, *encoder, "class_vectors.prompts=none", f"hydra.run.dir={run}"]
    said = finished(cli("evaluate", *own))
    assert "UNKNOWN: pre-training classes" in said and "LEAK: pre-training classes overlap" in said
    lineage = read(run, "protocol.json")["pretrain"]
    assert lineage["dataset"] == "kinetics400" and "singing" in str(lineage["leaks"])
    assert lineage["pretrain"]["name"] == "CLIP"
    record = read(run, "metrics.json")
    assert record["track"] == "vision-language" and record["encoder"]["labels"] == "kinetics400"
    assert "change by the video" in (run / "card.md").read_text()
    with np.load(run / "predictions" / "folder.npz") as saved:
        stored = dict(saved)
    assert stored["embeddings"].shape == (8, 0) and stored["class_vectors"].shape == (4, 25)

    # own videos: the same scores, which are the library's own
    file = tmp_path / "own.yaml"
    about = video_spec(tmp_path / "xclip", "xclip")
    file.write_text(yaml.safe_dump(vars(about)))
    how = {"device": "cpu", "cache": tmp_path / "cache", "workers": 0}
    model = zsvideo.load(encoder=str(file), prompts="none", **how)
    names = stored["class_names"].tolist()
    theirs = hf.AutoModel.from_pretrained(tmp_path / "xclip").eval()
    texts = hf.AutoTokenizer.from_pretrained(tmp_path / "xclip")(
        names, padding=True, truncation=True, return_tensors="pt"
    )
    own = {key: texts[key] for key in ("input_ids", "attention_mask")}
    sources = list_videos(tmp_path / "target").videos
    clips = torch.cat([clip for _, clip in model.read_ahead(sources)])  # (8, 3, 4, 32, 32)
    with torch.inference_mode():
        pixels = (clips.movedim(2, 1) / 255 - 0.5) / 0.5
        logits = theirs(pixel_values=pixels.contiguous(), **own).logits_per_video
        expected = (logits / theirs.logit_scale.exp()).numpy()
    assert expected.std(axis=1).min() > 0.001
    np.testing.assert_allclose(stored["head_scores"], expected, atol=1e-5)
    answers = [{a.name: a.score for a in v.top} for v in model.predict(tmp_path / "target", names)]
    np.testing.assert_allclose([[a[n] for n in names] for a in answers], expected, atol=1e-5)
    (windowed,) = model.predict(sources[0].path, names, window=9)
    assert {a.name: a.score for a in windowed.top} == pytest.approx(answers[0], abs=1e-5)
    with pytest.raises(UserError, match="have no embedding"):
        model.embed(sources[0].path)
    place = f"hydra.run.dir={tmp_path}/x"
    for how in ("head=ridge", "method=frozen", "method=contrastive"):
        fails(cli("train", *folders, *encoder, how, place), "as it is by `evaluate encoder=")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "family", "options"),
    [("vjepa2_l", "vjepa2", ["head=ridge"]), ("videomae_b", "videomae", [])],
)
def test_features_without_texts(cli, folders, tmp_path, name, family, options):
    pytest.importorskip("transformers")
    run, encoder = tmp_path / "run", video_options(tmp_path, name, family)
    if family == "videomae":  # the published weights have other colours than the class's default
        encoder += ["encoder.mean=[0.5,0.5,0.5]", "encoder.std=[0.5,0.5,0.5]"]
    finished(cli("train", *folders, *encoder, *options, f"hydra.run.dir={run}"))
    record = read(run, "metrics.json")
    assert record["track"] == "video-encoder" and record["encoder"]["labels"] == "none"
    assert read(run, "protocol.json")["pretrain"]["leaks"] is not None
    network, facts = read_model(run)
    assert facts.network["backbone"] == name and network.f_v.feature_dim == 24
    texts = [*folders, *encoder, "class_vectors=text"]
    fails(cli("evaluate", *texts, f"hydra.run.dir={tmp_path}/x"), "text side")
