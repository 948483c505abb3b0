"""Class names as users write them: what is taken, what is said, nothing is guessed."""

import json

import numpy as np
import pytest

import zsvideo
from helpers.models import trained_run
from zsvideo.errors import UserError
from zsvideo.prediction.classes import candidates, edits, far_names, nearest_trained
from zsvideo.semantics.class_texts import ClassTexts, read_classes
from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.text_vectors import TextEncoder, TextVectors


@pytest.fixture
def model(tmp_path):
    return zsvideo.load(trained_run(tmp_path / "run"), device="cpu", cache=tmp_path / "cache")


def names(classes):
    return [entry.name for entry in read_classes(classes)]


def test_names_keep_commas_quotes_and_brackets(tmp_path):
    odd = ['stir, then "pour"', "fencing (sport)", "play O'Neill's", "跑步", "çay dökmek"]
    assert names(odd) == odd
    (tmp_path / "names.txt").write_text("\ufeff" + "\r\n".join([*odd, "", "  "]), encoding="utf-8")
    assert names(tmp_path / "names.txt") == odd
    (tmp_path / "names.json").write_text(json.dumps(odd))
    assert names(str(tmp_path / "names.json")) == odd
    rows = 'name,description\n"stir, then ""pour""",stirs a pot,"then, it pours"\nplain\n'
    (tmp_path / "names.csv").write_text(rows)
    first, second = read_classes(tmp_path / "names.csv")
    assert first.name == odd[0] and first.texts == ("stirs a pot", "then, it pours")
    assert second.name == "plain" and second.texts == ()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "no class name"),
        ("a.txt", b"\n \n", "no class name"),
        ("a.json", b"{", "no JSON"),
        ("a.json", b"[1]", "list of names"),
        ("a.json", b'{"a": 3}', "list of texts"),
        ("a.csv", b"name,description\n", "no class name"),
        ("a.txt", b"\xff\xfe\x00", "no UTF-8"),
    ],
)
def test_files_that_hold_no_names_are_said_in_one_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_classes(tmp_path / name)
    with pytest.raises(UserError, match="No such file"):
        read_classes(tmp_path / "nope.txt")
    with pytest.raises(UserError, match="no class name"):
        read_classes([])


def test_what_is_known_of_names_is_said(model):
    asked = model.candidates(["pour tea", "tea pour", "jumping", "climb ladder", "pour tea"])
    said = "\n".join(asked.warnings)
    assert asked.bank.names == ("pour tea", "tea pour", "jumping", "climb ladder")
    assert "listed twice, taken once: 'pour tea'" in said
    assert "'pour tea' and 'tea pour' share a vector" in said
    assert asked.notes["jumping"] == ("not zero-shot: trained on ('jump')",)
    assert asked.notes["pour tea"] == ("same vector as 'tea pour'",)
    assert "climb ladder" not in asked.notes
    assert [n.name for n in asked.nearest["jumping"]] == ["jump", "run"]
    assert asked.nearest["jumping"][0].distance == pytest.approx(0, abs=1e-6)
    assert "as good as trained on" in model.candidates(["run ladder"]).notes["run ladder"][0]


def test_words_without_a_vector_are_answered_with_what_would_work(model):
    asked = model.candidates(["swimm", "read", "???", "zzzzqqqq", "跑步"])
    assert asked.bank.names == ("read",)
    said = dict(line.split(" is left out: ") for line in asked.warnings if "left out" in line)
    assert "nearest known spellings: swim" in said["'swimm'"]
    assert "describe the class in other words" in said["'zzzzqqqq'"]
    assert len(said) == 4 and any("one class alone" in line for line in asked.warnings)
    with pytest.raises(UserError, match=r"'swimm' has no vector.*swim"):
        model.candidates(["swimm", "read"], oov="error")
    with pytest.raises(UserError, match="'zzz' has no vector"):
        model.candidates(["zzz"])
    with pytest.raises(UserError, match="oov=nope is unknown"):
        model.candidates(["read"], oov="nope")


def test_other_spellings_stand_for_a_word_where_that_is_asked(model):
    asked = model.candidates(["swimpour", "read"], oov="fallback")
    assert asked.bank.names == ("swimpour", "read")
    assert any("swim pour stands for 'swimpour'" in line for line in asked.warnings)
    dropped = model.candidates(["swimpour", "read"])
    assert dropped.bank.names == ("read",) and "swim pour" in dropped.warnings[0]


def test_texts_stand_in_the_place_of_a_name(model):
    asked = model.candidates({"Rubik's": ["read a zzz", "write"], "read": []})
    assert asked.bank.names == ("Rubik's", "read")
    rubik, read = asked.bank.vectors
    write = model.candidates(["write"]).bank.vectors[0]
    middle = read + write
    assert rubik @ middle / (middle @ middle) ** 0.5 == pytest.approx(1, abs=1e-5)
    assert any("passed over in its texts" in line and "zzz" in line for line in asked.warnings)


def test_names_of_another_field_than_the_training_are_warned_of():
    def made(*degrees):
        angles = np.radians(degrees)
        matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        names = tuple(f"at {degree}" for degree in degrees)
        return ClassVectors("own", names, tuple((n,) for n in names), matrix, {})

    trained = made(0, 10, 30)  # 1 - cos 20 degrees = 0.06 apart at most
    near, both = made(49), made(-15, 120, 51)
    assert not [*far_names(nearest_trained(near, trained), trained)]
    (line,) = far_names(nearest_trained(both, trained), trained)
    assert "'at 120' (cosine distance 1.00), 'at 51' (cosine distance 0.07); these" in line
    assert "at most 0.06 from each other" in line and "-15" not in line
    assert not [*far_names(nearest_trained(both, made(0)), made(0))]  # one class has no other


def test_edits_are_one_letter_away():
    assert {"tea", "teaa", "te", "eta"} - {"tea"} <= edits("tea") and "tea" not in edits("tea")


def test_names_and_texts_that_an_encoder_of_texts_reads(tmp_path):
    def encode(texts):
        return np.array([[1.0 + text.count(letter) for letter in "abcdrsuw"] for text in texts])

    made = TextVectors("text", ClassTexts(("it is {}",)), TextEncoder(encode, {}), tmp_path)
    trained = ClassVectors("own", ("swim",), (("swim",),), made.bank(["swim"]).vectors, {})
    listed = read_classes({"swim": [], "Zumba": ["no swim, a {}"], "?!": [], "abc": ["it is cab"]})
    asked = candidates([*listed, *read_classes(["cab"])], made, trained)
    assert asked.bank.names == ("swim", "Zumba", "abc", "cab")
    rows = [encode(["no swim, a zumba"])[0], encode(["it is cab"])[0]]
    expected = [row / np.linalg.norm(row) for row in rows]
    assert np.allclose(asked.bank.vectors[[1, 2]], expected, atol=1e-7)
    assert asked.warnings == (
        "'?!' is left out: no words; write it in words",
        "'abc' and 'cab' share a vector: no video tells them apart",
        "classes/Zumba: its text names classes/swim: 'no swim, a {}'",
        "classes/abc: its text names classes/cab: 'it is cab'",
        "classes/abc, classes/cab share a text: 'it is cab'",
    )
    assert asked.notes["swim"] == ("not zero-shot: trained on ('swim')",)
    assert asked.nearest["cab"][0].name == "swim" and asked.nearest["swim"][0].distance < 1e-9
