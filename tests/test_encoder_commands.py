"""An encoder of another library as it is: evaluate, predict, its track and its warnings."""

import numpy as np
import pytest
import yaml

import zsvideo
from helpers.commands import fails, finished, read, rows
from helpers.encoders import TINY, open_clip_folder
from zsvideo.errors import UserError
from zsvideo.models.encoders import open_encoder
from zsvideo.prediction.encoders import encoder_spec

pytest.importorskip("open_clip")
NAMES = ["dance", "read", "sing", "write"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return open_clip_folder(tmp_path_factory.mktemp("weights") / "tiny_clip")


@pytest.fixture
def encoder(weights):
    return [
        "encoder=pe_l14",
        "encoder.name=tiny",
        "encoder.size=32",
        "encoder.frames=4",
        f"encoder.weights={weights}",
        "clips.short_side=32",
        "clips.test_clips=1",
        "resamples=20",
    ]


@pytest.fixture
def own_file(tmp_path, weights):
    """A file like those of `conf/encoder`, as a user writes one."""
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(TINY | {"weights": str(weights)}))
    return str(file)


@pytest.mark.slow
def test_an_encoder_is_scored_without_training(cli, folders, encoder, own_file, weights, tmp_path):
    run = tmp_path / "run"
    said = finished(cli("evaluate", *folders, *encoder, f"hydra.run.dir={run}"))
    assert "UNKNOWN: pre-training classes" in said and "UNKNOWN: training classes" not in said
    assert "tiny, as published (track: vision-language)" in said
    record, protocol = read(run, "metrics.json"), read(run, "protocol.json")
    assert record["track"] == "vision-language" and record["encoder"]["library"] == "open_clip"
    assert record["checkpoint"]["sha256"] == record["encoder"]["sha256"]
    assert protocol["trained_classes"] == [] and protocol["class_vectors"]["kind"] == "text"
    with np.load(run / "predictions" / "folder.npz") as saved:
        stored = dict(saved)
    texts = open_encoder(encoder_spec(own_file)).encode_texts([f"a video of {n}." for n in NAMES])
    np.testing.assert_allclose(stored["class_vectors"], texts, atol=1e-6)
    card = (run / "card.md").read_text()
    assert "nothing was trained here" in card and "4 frames over the whole video" in card

    # own videos: the same embeddings, the same answers
    model = zsvideo.load(encoder=own_file, device="cpu", cache=tmp_path / "cache", workers=0)
    answers = list(model.predict(tmp_path / "target", NAMES))
    own = np.stack([answer.embedding for answer in answers])
    np.testing.assert_allclose(own, stored["embeddings"], atol=1e-6)
    assert answers[0].none_of_these is None and not answers[0].top[0].nearest


@pytest.mark.slow
def test_published_training_classes_are_audited(cli, folders, encoder, tmp_path):
    run, known = tmp_path / "run", [*encoder, "encoder.labels=kinetics400", "evaluation=[full]"]
    assert "UNKNOWN" not in finished(cli("evaluate", *folders, *known, f"hydra.run.dir={run}"))
    lineage = read(run, "protocol.json")["pretrain"]
    assert len(lineage["classes"]) == 400 and isinstance(lineage["leaks"], list)


@pytest.mark.slow
def test_a_head_with_texts_as_class_vectors_is_used_again(cli, folders, encoder, tmp_path):
    run, again = tmp_path / "run", tmp_path / "again"
    options = [*folders, *encoder, "class_vectors=text", "head=ridge"]
    said = finished(cli("train", *options, f"hydra.run.dir={run}"))
    assert "UNKNOWN: pre-training classes" in said
    assert read(run, "metrics.json")["track"] == "vision-language"
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    first, second = (read(r, "metrics.json")["targets"]["folder"]["full"] for r in (run, again))
    assert first == second
    model = zsvideo.load(run, device="cpu", cache=tmp_path / "cache", workers=0)
    with np.load(run / "predictions" / "folder.npz") as saved:
        scores, names = saved["head_scores"], saved["class_names"].tolist()
    answers = [*model.predict(tmp_path / "target", names, top=1)]
    best = [names[row] for row in scores.argmax(axis=1)]
    assert [answer.top[0].name for answer in answers] == best


@pytest.mark.slow
def test_own_videos_by_the_command(cli, folders, own_file, tmp_path):
    table = tmp_path / "out.csv"
    process = cli(
        "predict",
        "--encoder",
        own_file,
        f"{tmp_path}/target",
        "--classes",
        *NAMES,
        "--window",
        "0.4",
        "--csv",
        str(table),
    )
    said = finished(process)
    assert "trained on unknown classes" in said and "8 videos, 0 could not be read" in said
    assert len({row["path"] for row in rows(table)}) == 8


@pytest.mark.slow
def test_mistakes_with_encoders(cli, folders, encoder, own_file, tmp_path):
    place = f"hydra.run.dir={tmp_path}/x"
    fails(cli("train", *folders, *encoder, "class_vectors=text", place), "nothing to train")
    fails(cli("evaluate", *folders, place), "ckpt=RUN or encoder=NAME")
    words = [*encoder, "class_vectors=words"]
    fails(cli("evaluate", *folders, *words, place), "class_vectors=text")
    fails(cli("train", *folders, "class_vectors=text", place), "encoder=...")
    fails(cli("predict", "--encoder", "nothing", "a.mp4", "--classes", "a"), "pe_l14")
    fails(cli("predict", "--classes", "a"), "encoder")
    with pytest.raises(UserError, match="either a model"):
        zsvideo.load("run", encoder=own_file)
    (tmp_path / "list.yaml").write_text("- 1")
    (tmp_path / "broken.yaml").write_text("a: [")
    for name in ("list", "broken"):
        with pytest.raises(UserError, match=r"no options|cannot be read"):
            encoder_spec(f"{tmp_path}/{name}.yaml")
