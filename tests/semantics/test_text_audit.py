"""Texts of classes that name other classes, or that several classes share."""

import json

import pytest

from helpers.commands import finished, read
from zsvideo.semantics.class_texts import ClassTexts
from zsvideo.semantics.text_audit import audit_texts, text_remarks
from zsvideo.semantics.vectors import embedded
from zsvideo.semantics.words import class_names

SETS = ("source", "target", "protocol", "semantics")  # options of any command


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    vectors = embedded(cache=str(tmp_path_factory.mktemp("cache")))
    return [vectors.of(class_names(name), name, name) for name in ("ucf101", "hmdb51")]


def audited(sets, prompts=("a video of {}.",), **descriptions):
    said = {name: tuple(texts) for name, texts in descriptions.items()}
    return audit_texts(ClassTexts(prompts, said, "said.json"), sets)


def mentions(audit):
    return {(entry["class"], name) for entry in audit["mentions"] for name in entry["names"]}


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("Archery", "to shoot a bow at a target", set()),  # the same action by another name
        ("Skiing", "not to shoot with a bow", {"hmdb51/shoot_bow"}),
        ("PoloX", "nobody has this class", set()),
        (
            "HorseRace",
            "people riding horses on a track",
            {"ucf101/HorseRiding", "hmdb51/ride_horse"},
        ),
        ("HorseRiding", "horse riding, such as to ride a horse", set()),
        ("JumpingJack", "they jump with their arms up", set()),
        ("YoYo", "a toy that unwinds", set()),
        ("YoYo", "{} thrown down, never a run", {"hmdb51/throw", "hmdb51/run"}),
        ("YoYo", "running shoes and a trunk", {"hmdb51/run"}),
    ],
)
def test_a_description_that_names_another_class_is_named(sets, name, text, named):
    found = audited(sets, **{name: [text]})
    assert {other for one, other in mentions(found)} == named
    assert all(one == f"ucf101/{name}" for one, _ in mentions(found))
    assert found["strangers"] == (["PoloX"] if name == "PoloX" else [])


def test_prompts_are_audited_too(sets):
    assert not audited(sets)["mentions"] and not audited(sets)["shared"]
    found = audited(sets, ("look, the human is {}", "{}, as in a golf swing"))
    assert mentions(found) == {("prompts", "ucf101/GolfSwing"), ("prompts", "hmdb51/golf")} | {
        ("prompts", "ucf101/Swing")
    }


def test_texts_that_classes_share_are_named(sets):
    found = audited(sets, Surfing=["on a wave", "in the sea"], Skijet=["in the sea"])
    assert found["shared"] == [
        {"text": "in the sea", "classes": ["ucf101/Skijet", "ucf101/Surfing"]}
    ]
    assert found["described"] == {"ucf101": 2, "hmdb51": 0}
    assert "ucf101/Skijet, ucf101/Surfing share a text: 'in the sea'" in text_remarks(found)


@pytest.mark.slow
def test_the_audit_reads_descriptions_without_a_model(cli, folders, tmp_path):
    (tmp_path / "said.json").write_text(json.dumps({"read": ["no running at all"], "abc": ["x"]}))
    classes = [option for option in folders if option.startswith(SETS)]
    texts = ["class_vectors=text", f"class_vectors.descriptions={tmp_path}/said.json"]
    said = finished(cli("audit", *classes, *texts, f"hydra.run.dir={tmp_path}/audit"))
    assert "read: its text names folder/run: 'no running at all'" in said
    assert "descriptions of no class here: abc" in said
    assert read(tmp_path / "audit", "audit.json")["texts"]["described"]["folder"] == 1
