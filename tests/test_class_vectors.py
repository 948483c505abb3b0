"""Class vectors from sentences, from training to an exported model."""

import json
import shutil
import sys

import numpy as np
import pytest
from omegaconf import OmegaConf

import zsvideo
from helpers.commands import fails, finished, read
from helpers.sentences import sentence_model
from zsvideo.errors import UserError
from zsvideo.experiment.jobs import job_hash
from zsvideo.prediction.export import export
from zsvideo.prediction.loading import read_model
from zsvideo.semantics.class_texts import ClassVectorSpec
from zsvideo.semantics.sentences import sentence_encoder
from zsvideo.semantics.text_vectors import TextVectors

pytest.importorskip("sentence_transformers")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return sentence_model(tmp_path_factory.mktemp("sentences"))


@pytest.fixture(autouse=True)
def without_a_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def options(folders, model, tmp_path):
    (tmp_path / "said.csv").write_text("run,someone hurries along\nsing,a {} with a voice,song\n")
    return [
        *folders,
        "class_vectors=sentences",
        f"class_vectors.model={model}",
        f"class_vectors.descriptions={tmp_path}/said.csv",
        "evaluation=[full]",
        "resamples=0",
        "loader.workers=0",
        "trainer.max_epochs=1",
    ]


@pytest.mark.slow
def test_sentences_from_training_to_an_exported_model(cli, options, model, tmp_path):
    run = tmp_path / "run"
    zsvideo.train(zsvideo.compose(*options, run=run), run)
    spec = ClassVectorSpec(
        kind="sentences", model=str(model), descriptions=str(tmp_path / "said.csv")
    )
    texts = TextVectors.of(spec, sentence_encoder(str(model)), tmp_path / "own cache")
    with np.load(run / "predictions" / "folder.npz") as stored:
        names = stored["class_names"].tolist()
        vectors, embeddings = stored["class_vectors"], stored["embeddings"]
        trained = stored["trained_names"].tolist()
    assert np.array_equal(vectors, texts.bank(names).vectors.astype(np.float32))
    assert embeddings.shape == (8, 16)
    protocol = read(run, "protocol.json")
    assert protocol["class_vectors"] == texts.describe()
    assert protocol["class_texts"]["described"] == {"folder": 2}
    assert protocol["vectors"]["file"] == "toy.bin" and trained == ["climb", "jump", "run", "swim"]
    setup = read(run, "metrics.json")["setup"]
    assert setup["class_vectors"]["kind"] == "sentences"
    assert str(tmp_path) not in json.dumps([protocol, setup["class_vectors"]])

    again = tmp_path / "again"
    typed = [o for o in options if "class_vectors" not in o]  # the checkpoint has them
    finished(cli("evaluate", *typed, f"ckpt={run}", f"hydra.run.dir={again}"))
    before, after = (read(r, "metrics.json")["targets"]["folder"] for r in (run, again))
    assert before["full"] == after["full"] and before["hashes"] == after["hashes"]
    wrong = ["class_vectors.prompts=['it is {}']", f"hydra.run.dir={tmp_path}/wrong"]
    assert fails(cli("evaluate", *options, f"ckpt={run}", *wrong), "prompts_sha256 differs")

    loaded = zsvideo.load(run, device="cpu", cache=tmp_path / "cache")
    answers = list(loaded.predict(tmp_path / "target", names))
    assert np.array_equal(np.stack([a.embedding for a in answers]), embeddings)
    asked = loaded.candidates(names)
    assert np.array_equal(asked.bank.vectors, vectors)
    assert all("far from all classes" in warning for warning in asked.warnings)  # of 4 that train
    assert asked.nearest["sing"][0].name in trained

    network, facts = read_model(run)
    export(network, facts, tmp_path / "out")
    assert str(tmp_path) not in (tmp_path / "out" / "config.json").read_text()
    assert (
        "or said.csv where it has the class) by model" in (tmp_path / "out/README.md").read_text()
    )
    shared = tmp_path / "out"
    given = zsvideo.load(shared, device="cpu", vectors=model, cache=tmp_path / "cache")
    own = given.candidates({"sing": ["a {} with a voice", "song"], "unheard-of thing": []})
    assert np.array_equal(own.bank.vectors[0], vectors[names.index("sing")])
    assert own.bank.names[1] == "unheard-of thing" and "said.csv" in own.warnings[0]
    assert next(iter(given.predict(tmp_path / "target", own))).top[0].name in own.bank.names
    with pytest.raises(UserError, match=r"by the model of sentences model; .*--vectors FOLDER"):
        zsvideo.load(shared, cache=tmp_path / "cache").candidates(names)
    other = sentence_model(tmp_path / "other", seed=1)
    with pytest.raises(UserError, match="whose weights are others than those here"):
        zsvideo.load(shared, vectors=other, cache=tmp_path / "cache").candidates(names)


def test_a_model_is_known_by_its_content(model, tmp_path):
    first = sentence_encoder(str(model))
    shutil.copytree(model, tmp_path / "copy")
    second = sentence_encoder(str(tmp_path / "copy"))
    assert first.facts["sha256"] == second.facts["sha256"]
    assert np.array_equal(first.encode(["run", "swim"]), second.encode(["run", "swim"]))
    pooling = tmp_path / "copy" / "1_Pooling" / "config.json"
    text = pooling.read_text()
    pooling.write_text(text.replace('"mean"', '"max"'))
    assert pooling.read_text() != text
    sentence_encoder.cache_clear()
    assert sentence_encoder(str(tmp_path / "copy")).facts["sha256"] != first.facts["sha256"]


@pytest.mark.parametrize("change", ["folder", "code", "none"])
def test_what_is_no_model_is_refused(model, tmp_path, change):
    place = tmp_path / "model"
    if change != "none":
        place.mkdir()
    if change == "code":
        shutil.copytree(model, place, dirs_exist_ok=True)
        (place / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
        modules = json.loads((place / "modules.json").read_text())
        modules[1]["type"] = "own.Pooling"
        (place / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UserError, match=r"cannot be loaded: .*class_vectors\.model=FOLDER"):
        sentence_encoder(str(place))
    assert not (tmp_path / "ran").exists()


def test_without_the_package_it_says_what_to_install(options, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(UserError, match=r"pip install 'zsvideo\[sentences\]'"):
        sentence_encoder("a model that nobody has")
    shutil.rmtree(tmp_path / "source", ignore_errors=True)  # said before videos are looked for
    with pytest.raises(UserError, match=r"pip install 'zsvideo\[sentences\]'"):
        zsvideo.train(zsvideo.compose(*options, run=tmp_path / "run"), tmp_path / "run")


def test_text_needs_an_encoder_with_a_text_side(options, tmp_path):
    typed = [*(o for o in options if "model=/" not in o), "class_vectors=text"]
    with pytest.raises(UserError, match="class_vectors=text needs an encoder with a text side"):
        zsvideo.train(zsvideo.compose(*typed, run=tmp_path / "run"), tmp_path / "run")


def test_an_option_of_word_vectors_has_no_effect(options, tmp_path):
    with pytest.raises(UserError, match=r"semantics\.target_length=sum has no effect"):
        zsvideo.train(
            zsvideo.compose(*options, "semantics.target_length=sum", run=tmp_path / "run"),
            tmp_path / "run",
        )


def test_a_job_is_known_by_what_its_descriptions_say(config, tmp_path):
    def hashed(*typed):
        composed = config("semantics=word2vec_small", "protocol=664", *typed)
        composed.paths.run = "run"
        return job_hash(composed)

    for name, said in (("a", "fast"), ("b", "fast"), ("c", "slow")):
        (tmp_path / f"{name}.csv").write_text(f"run,{said}\n")
    of = [
        hashed("class_vectors=sentences", f"class_vectors.descriptions={tmp_path}/{name}.csv")
        for name in "abc"
    ]
    assert of[0] == of[1] != of[2]
    for name, said in (("m", "1"), ("n", "1"), ("o", "2")):
        (tmp_path / name / "0").mkdir(parents=True)
        (tmp_path / name / "0" / "weights").write_text(said)
        (tmp_path / name / f".of_{name}").write_text(name)
    for kind, key in (
        ("class_vectors=sentences", "class_vectors.model"),
        ("encoder=clip_b16", "encoder.weights"),
    ):
        composed = config("semantics=word2vec_small", "protocol=664", kind)
        models = []
        for name in "mno":
            OmegaConf.update(composed, key, str(tmp_path / name))
            models.append(job_hash(composed))
        assert models[0] == models[1] != models[2]
    assert hashed() == hashed("class_vectors=words") not in of
    assert hashed("class_vectors=sentences") != hashed("class_vectors=text") != hashed()
