"""Video encoders of transformers, with tiny random models in folders."""

import json
import shutil

import numpy as np
import pytest
import torch

from helpers.encoders import VIDEO, spec, video_folder, video_spec
from zsvideo.errors import UserError
from zsvideo.models.encoders import open_encoder

hf = pytest.importorskip("transformers")
TEXTS = ["archery", "a dog", "run"]
WITH_TEXTS = sorted(name for name, own in VIDEO.items() if own["kind"] == "video-text")
BY_COSINE = sorted(set(VIDEO) - {"xclip"})
WITH_PROCESSOR = sorted(set(VIDEO) - {"videoprism_vision_model"})


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("transformers")
    return {family: video_folder(place / family, family) for family in VIDEO}


@pytest.mark.parametrize("family", BY_COSINE)
def test_a_clip_is_encoded_as_by_the_library(folders, family):
    encoder = open_encoder(video_spec(folders[family], family))
    theirs = hf.AutoModel.from_pretrained(folders[family]).eval()
    clips = torch.randn(2, 3, 4, 32, 32)
    frames = clips.movedim(2, 1)
    with torch.inference_mode():
        if family == "videoprism":
            expected = theirs.get_video_features(frames).pooler_output[:, 0]
        elif family == "pe_video":
            ids = torch.ones(2, 3, dtype=torch.int64)
            expected = theirs(ids, frames.contiguous()).video_embeds
        elif family == "vjepa2":
            expected = theirs.get_vision_features(frames).mean(dim=1)
        else:
            expected = theirs(frames).last_hidden_state.mean(dim=1)
        got = encoder.vision(clips)
    assert got.shape == (2, encoder.vision.feature_dim) == (2, 24)
    torch.testing.assert_close(got, expected)
    assert encoder.facts()["version"] == hf.__version__


@pytest.mark.parametrize("family", sorted({*WITH_TEXTS} - {"xclip"}))
def test_texts_are_those_of_the_library(folders, family):
    encoder = open_encoder(video_spec(folders[family], family))
    theirs = hf.AutoModel.from_pretrained(folders[family]).eval()
    tokenizer = hf.AutoTokenizer.from_pretrained(folders[family])
    with torch.inference_mode():
        if family == "videoprism":
            tokens = tokenizer(TEXTS, padding="max_length", return_tensors="pt")
            expected = theirs.get_text_features(**tokens).pooler_output
        else:
            tokens = tokenizer(TEXTS, padding=True, return_tensors="pt")
            clips = torch.zeros(3, 4, 3, 32, 32)
            own = {key: tokens[key] for key in ("input_ids", "attention_mask")}
            expected = theirs(pixel_values_videos=clips, **own).text_video_embeds
    expected = torch.nn.functional.normalize(expected, dim=1).numpy()
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=1e-5)
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, expected, atol=1e-5)


def test_texts_that_change_by_the_video_are_scored_as_by_the_library(folders):
    encoder = open_encoder(video_spec(folders["xclip"], "xclip"))
    theirs = hf.AutoModel.from_pretrained(folders["xclip"]).eval()
    tokens = hf.AutoTokenizer.from_pretrained(folders["xclip"])(
        TEXTS, padding="max_length", truncation=True, return_tensors="pt"
    )
    clips = torch.randn(5, 3, 4, 32, 32)
    own = {key: tokens[key] for key in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        expected = theirs(pixel_values=clips.movedim(2, 1).contiguous(), **own).logits_per_video
        features = encoder.vision(clips)
        texts = torch.from_numpy(encoder.encode_texts(TEXTS))
        scores = encoder.vision.scores(features, texts)
        assert features.shape == (5, encoder.vision.feature_dim) == (5, 24 * 5 + 1)
        assert texts.shape == (3, encoder.vision.text_dim) == (3, 25)
        plain = torch.nn.functional.normalize(features[:, :24], dim=1) @ texts[:, :24].T
        assert (scores - plain).abs().max() > 0.01  # the cosine alone is another number
        for rows, columns in ((features / 7, texts), (features, 3 * texts)):
            torch.testing.assert_close(encoder.vision.scores(rows, columns), scores)
    torch.testing.assert_close(scores * encoder.scale, expected, atol=1e-5, rtol=1e-5)
    with pytest.raises(UserError, match=r"encoder\.frames=8 .* files say 4"):
        open_encoder(video_spec(folders["xclip"], "xclip", frames=8))


@pytest.mark.parametrize("family", WITH_TEXTS)
def test_texts_beyond_the_context_are_counted(folders, family, caplog):
    encoder = open_encoder(video_spec(folders[family], family))
    encoder.encode_texts(["dog", "a very long text"])
    assert "1 of 2 texts" in caplog.text


@pytest.mark.parametrize("family", sorted(set(VIDEO) - set(WITH_TEXTS)))
def test_an_encoder_without_texts_says_so(folders, family):
    encoder = open_encoder(video_spec(folders[family], family))
    with pytest.raises(UserError, match="has no text side"):
        encoder.encode_texts(TEXTS)
    with pytest.raises(UserError, match="has no text side"):
        open_encoder(video_spec(folders[family], family, kind="video-text"))


@pytest.mark.parametrize("family", WITH_PROCESSOR)
def test_another_input_than_that_of_the_processor_is_refused(folders, family):
    for changes in ({"mean": [0.3] * 3}, {"std": [0.7] * 3}):
        with pytest.raises(UserError, match="would not see the pixels"):
            open_encoder(video_spec(folders[family], family, **changes))
    with pytest.raises(UserError, match=r"encoder\.size=48"):
        open_encoder(video_spec(folders[family], family, size=48, short_side=48))
    other = {"squash": "shortest", "shortest": "squash"}
    resize = other[VIDEO[family].get("resize", "squash")]
    with pytest.raises(UserError, match="would not see the pixels"):
        open_encoder(video_spec(folders[family], family, resize=resize))


@pytest.mark.parametrize(("family", "sampling"), [("pe_video", "starts"), ("videoprism", "ends")])
def test_other_frames_than_those_of_the_processor_are_refused(folders, family, sampling):
    with pytest.raises(UserError, match=f"encoder.sampling={sampling} takes other frames"):
        open_encoder(video_spec(folders[family], family, sampling=sampling))


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("tokenizer*", None, "it has no tokenizer: .*tokenizer.json"),
        ("config.json", "[1]", "holds no object"),
        ("video_preprocessor_config.json", "{", "is damaged: Expecting"),
        ("video_preprocessor_config.json", '{"size": 3, "image_mean": "x"}', "is damaged: "),
    ],
)
def test_damaged_files(folders, tmp_path, file, content, reason):
    place = shutil.copytree(folders["videoprism"], tmp_path / "x")
    for old in place.glob(file):
        old.unlink()
    if content:
        (place / file).write_text(content)
    with pytest.raises(UserError, match=reason) as error:
        open_encoder(video_spec(place, "videoprism"))
    assert len(str(error.value).splitlines()) == 1


def test_weights_of_another_size_are_said_in_one_line(folders, tmp_path, caplog, capfd):
    place = shutil.copytree(folders["xclip"], tmp_path / "x")
    config = json.loads((place / "config.json").read_text())
    config["vision_config"]["patch_size"] = 8
    (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="2 weights have other sizes, such as vision_model"):
        open_encoder(video_spec(place, "xclip"))
    assert not caplog.text and not "".join(capfd.readouterr())


def test_models_that_are_no_encoders(folders, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="of type bert"):
        open_encoder(spec(tmp_path, library="transformers", kind="video"))
    config = (folders["videomae"] / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(UserError, match="is damaged"):  # no weights
        open_encoder(video_spec(tmp_path, "videomae"))
    network = hf.AutoModel.from_pretrained(folders["videomae"])
    state = network.state_dict()
    state.pop("embeddings.patch_embeddings.projection.bias")
    network.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(UserError, match="1 weights are missing"):
        open_encoder(video_spec(tmp_path, "videomae"))
