"""Class names, prompts and descriptions as texts, and the class vectors made of them."""

import hashlib
import json
import re

import numpy as np
import pytest

from zsvideo.errors import UserError
from zsvideo.options import parse
from zsvideo.semantics.class_texts import USUAL, ClassTexts, ClassVectorSpec, in_words
from zsvideo.semantics.text_vectors import TextEncoder, TextVectors, differing


def encode(texts):
    """Give each text a direction of its own and any length."""
    seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
    rows = [np.random.default_rng(seed).normal(size=6) * (1 + seed % 7) for seed in seeds]
    return np.array(rows, np.float32)


def text_vectors(cache, sha256="0" * 64, **options):
    spec = ClassVectorSpec(**{"kind": "text", **options})
    return TextVectors.of(spec, TextEncoder(encode, {"id": "toy", "sha256": sha256}), cache)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("YoYo", "yo yo"),
        ("brush_hair", "brush hair"),
        ("playing guitar", "playing guitar"),
        ("Applying sunscreen", "applying sunscreen"),
        ("fencing (sport)", "fencing (sport)"),
        ("/f/field/wild", "field wild"),
        ("BMX", "bmx"),
        ("ridingABike", "riding a bike"),
    ],
)
def test_names_in_words_keep_their_spelling(name, text):
    assert in_words(name) == text


def test_a_class_is_the_unit_mean_of_the_unit_vectors_of_its_texts(tmp_path):
    (tmp_path / "said.json").write_text(json.dumps({"swim": ["in water", "a {} in a pool"]}))
    own = text_vectors(
        tmp_path, prompts=["a video of {}.", "{}"], descriptions=str(tmp_path / "said.json")
    )
    bank = own.bank(["RunFast", "swim"])
    expected = []
    for texts in (["a video of run fast.", "run fast"], ["in water", "a swim in a pool"]):
        rows = encode(texts).astype(float)
        mean = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
        expected.append(mean / np.linalg.norm(mean))
    np.testing.assert_allclose(bank.vectors, expected, atol=1e-15)
    assert bank.names == ("RunFast", "swim")
    assert bank.provenance["descriptions"] == "said.json"


def test_a_vector_depends_on_its_class_alone_and_is_read_from_the_cache(tmp_path):
    calls = []

    def counted(texts):
        calls.append(tuple(texts))
        return encode(texts)

    def made(sha256="0"):
        encoder = TextEncoder(counted, {"sha256": sha256})
        return TextVectors.of(ClassVectorSpec(kind="text", prompts="usual"), encoder, tmp_path)

    both = made().bank(["run", "swim"])
    alone = made().bank(["swim"])
    assert (both.vectors[1] == alone.vectors[0]).all()
    assert [len(texts) for texts in calls] == [28, 28, 28]
    assert (made().bank(["run", "swim"]).vectors == both.vectors).all()
    assert len(calls) == 3
    made("1").bank(["run"])  # other weights
    assert len(calls) == 4
    for file in tmp_path.glob("*.npz"):
        file.write_bytes(b"damaged")
    assert (made().bank(["run", "swim"]).vectors == both.vectors).all()
    assert len(calls) == 6


def test_the_usual_prompts_are_those_of_clip():
    assert len(set(USUAL)) == 28
    assert USUAL[:2] == ("a photo of {}.", "a photo of a person {}.")
    assert USUAL[-1] == "a demonstration of a person practicing {}."
    assert "a example of a person during {}." in USUAL


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompts": "many"}, "class_vectors.prompts=many must be none, one, usual, or a list"),
        ({"kind": "text", "prompts": ["a video"]}, "or a list of texts with {}"),
        ({"kind": "text", "prompts": []}, "class_vectors.prompts=[] must be"),
        ({"prompts": "one"}, "class_vectors.prompts=one has no effect with class_vectors=words"),
        ({"descriptions": "x.csv"}, "class_vectors.descriptions=x.csv has no effect"),
        ({"kind": "text", "model": "x"}, "class_vectors.model=x has no effect"),
        ({"kind": "sentences"}, "class_vectors.kind=sentences needs a model"),
        ({"kind": "bert"}, "class_vectors.kind=bert is unknown; allowed: words, text, sentences"),
    ],
)
def test_mistakes_in_options_are_named(options, words):
    with pytest.raises(UserError, match=re.escape(words)):
        parse(ClassVectorSpec, options, "class_vectors")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("d.csv", "run,fast\nrun,on a track\n", "has 'run' twice"),
        ("d.csv", "run\nswim\n", "describes no class"),
        ("d.json", '{"run": 3}', "must have a list of texts"),
        ("d.json", "{", "is no JSON"),
        (None, "", "cannot be read"),
    ],
)
def test_mistakes_in_descriptions_are_named(tmp_path, name, content, words):
    if name:
        (tmp_path / name).write_text(content)
    spec = ClassVectorSpec(kind="text", descriptions=str(tmp_path / (name or "none.csv")))
    with pytest.raises(UserError, match=words):
        ClassTexts.read(spec)


def test_descriptions_are_known_by_the_name_however_it_is_spelled(tmp_path):
    (tmp_path / "d.csv").write_text("name,text\nbrush hair,with a comb,\nrun,\n")
    texts = ClassTexts.read(ClassVectorSpec(kind="text", descriptions=str(tmp_path / "d.csv")))
    assert texts.of("brush_hair") == ("with a comb",)
    assert texts.of("run") == ("run",)


def test_what_class_vectors_differ_in_is_named(tmp_path):
    one = text_vectors(tmp_path).describe()
    assert differing(one, one) == differing(None, None) == []
    assert differing(one, text_vectors(tmp_path, "1").describe()) == ["encoder"]
    assert differing(text_vectors(tmp_path, prompts="one").describe(), one) == ["prompts_sha256"]
    assert differing(None, one) == ["kind", "prompts_sha256", "encoder"]


def test_texts_without_a_direction_are_named(tmp_path):
    encoder = TextEncoder(lambda texts: np.zeros((len(texts), 3)), {})
    own = TextVectors.of(ClassVectorSpec(kind="text"), encoder, tmp_path)
    with pytest.raises(UserError, match="the texts of run have no direction"):
        own.bank(["run"])
