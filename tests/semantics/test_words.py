import json
import shutil
from pathlib import Path

import pytest

import zsvideo.semantics.words as words_module
from zsvideo.errors import UserError
from zsvideo.semantics.words import DATASETS, PAPER, bag, class_names, made, main, tokenise, words

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
LISTS = {"activitynet": "activitynet200", "sun397": "sun397_ClassName"}
COUNTS = {
    "kinetics400": 400,
    "kinetics600": 600,
    "kinetics700": 700,
    "ucf101": 101,
    "hmdb51": 51,
    "activitynet": 200,
    "sun397": 397,
    "weizmann": 10,
    "ut_interaction": 6,
}
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no material beside the repo")


@needs_reference
def test_legacy_equals_the_authors_words():
    golden = json.loads((REFERENCE / "words_legacy.json").read_text())
    wrong = [
        (dataset, name, words(name, dataset), expected)
        for dataset, names in golden.items()
        for name, expected in names.items()
        if list(words(name, dataset)) != expected
    ]
    assert sum(map(len, golden.values())) == 552
    assert not wrong


@needs_reference
@pytest.mark.parametrize("dataset", PAPER)
def test_names_are_the_data_sets_own_in_their_order(dataset):
    lines = (REFERENCE / "classes" / f"{LISTS.get(dataset, dataset)}.txt").read_text().splitlines()
    assert list(class_names(dataset)) == lines


@pytest.mark.parametrize("dataset", DATASETS)
def test_classes_are_counted_and_told_apart(dataset):
    names = class_names(dataset)
    assert len(names) == len(set(names)) == COUNTS[dataset]
    for rules in ("legacy", "fixed"):
        bags = [bag(words(name, dataset, rules)) for name in names]
        assert all(bags)
        assert len(set(bags)) == len(names)


@pytest.mark.parametrize(
    ("dataset", "name", "legacy"),
    [
        ("ucf101", "CricketShot", "cricket shoot"),
        ("ucf101", "WritingOnBoard", "write on board"),
        ("ucf101", "CleanAndJerk", "weight lift"),
        ("ucf101", "WalkingWithDog", "walk dog"),
        ("kinetics400", "riding a bike", "rid bike"),
        ("kinetics700", "fencing (sport)", "fence sport"),
        ("kinetics700", "tying knot (not on a tie)", "ty knot"),
        ("kinetics400", "passing American football (not in game)", "pass american football park"),
        ("kinetics600", "passing american football (not in game)", "pass american football"),
        ("activitynet", " Doing_karate", "do karate"),
        ("activitynet", "Doing karate", "do karate"),
        ("activitynet", " Using_the_balance_beam", "balance beam"),
        ("activitynet", "Trimming branches or hedges", "trim branch or hedge"),
        ("sun397", "/c/car_interior/frontseat", "car interior front seat"),
        ("sun397", "apartment_building/outdoor", "apartment building outdoor"),
        ("sun397", "/d/dining_car", "dining car"),
    ],
)
def test_legacy_words(dataset, name, legacy):
    assert words(name, dataset) == tuple(legacy.split())
    assert tokenise(name, dataset, "legacy") == tuple(legacy.split())


@pytest.mark.parametrize(
    "spellings",
    [
        "ucf101/HorseRiding hmdb51/ride_horse activitynet/Horseback_riding",
        "ucf101/Biking hmdb51/ride_bike kinetics700/riding_a_bike",
        "ucf101/PushUps hmdb51/pushup kinetics700/push_up",
        "ucf101/PullUps hmdb51/pullup kinetics700/pull_ups",
        "ucf101/TaiChi kinetics700/tai_chi activitynet/Tai_chi",
        "ucf101/Shotput kinetics700/shot_put activitynet/Shot_put",
        "ucf101/CleanAndJerk kinetics700/clean_and_jerk activitynet/Clean_and_jerk",
        "ucf101/ThrowDiscus kinetics700/throwing_discus activitynet/Discus_throw",
        "ucf101/Fencing hmdb51/fencing kinetics700/fencing_(sport) activitynet/Doing_fencing",
        "ucf101/SkateBoarding kinetics700/skateboarding activitynet/Skateboarding",
        "ucf101/Skijet kinetics700/jetskiing",
        "ucf101/JumpRope kinetics700/skipping_rope activitynet/Rope_skipping",
        "ucf101/HeadMassage kinetics700/massaging_person's_head",
    ],
)
def test_fixed_gives_one_action_one_bag(spellings):
    pairs = [spelling.split("/") for spelling in spellings.split()]
    assert len({bag(words(name, dataset, "fixed")) for dataset, name in pairs}) == 1


@pytest.mark.parametrize("dataset", [d for d in DATASETS if d != "sun397"])
def test_fixed_words_stay_the_same_when_fixed_again(dataset):
    for name in class_names(dataset):
        once = words(name, dataset, "fixed")
        assert bag(words(" ".join(once), rules="fixed")) == bag(once)


@pytest.mark.parametrize(
    ("name", "legacy", "fixed"),
    [
        ("red square falling", "red square fall", "red square fall"),
        ("BlueCircleRising", "blue circle rise", "blue circle rise"),
        ("riding_a_bike", "rid bike", "ride bike"),
        ("Ping-pong", "ping pong", "play table tennis"),
        ("watching TV", "watch tv", "watch tv"),
        ("playing (outdoors)", "play outdoors", "play outdoors"),
        ("opening bottle (not wine)", "open bottle", "open bottle"),
        ("massaging person's head", "massage person head", "massage person head"),
        ("staring", "star", "stare"),
        ("wading", "wad", "wade"),
        ("singing", "sing", "sing"),
        ("bathing", "bath", "bathe"),
        ("raked leaves", "rake leave", "rake leaf"),
        ("on", "on", "on"),
        ("3D printing", "3d print", "3d print"),
        ("zumba", "zumba", "zumba"),
    ],
)
def test_names_of_other_data_sets(name, legacy, fixed):
    assert words(name) == tuple(legacy.split())
    assert words(name, rules="fixed") == tuple(fixed.split())


def test_unknown_data_set_or_rules_name_what_is_allowed():
    with pytest.raises(UserError, match=r"imagenet.*kinetics400.*sun397"):
        class_names("imagenet")
    with pytest.raises(UserError, match="imagenet"):
        words("abbey", "imagenet")
    for empty in ("_", "(not x)"):
        with pytest.raises(UserError, match="no words"):
            words(empty)
    with pytest.raises(UserError, match="legacy, fixed"):
        words("abbey", rules="none")


def test_tables_equal_the_rules(capsys):
    assert main(["check"]) == 0
    assert capsys.readouterr().out.count("equal") == len(DATASETS)
    assert made("hmdb51").startswith("name\tlegacy\tfixed\nbrush_hair\tbrush hair\tbrush hair\n")
    assert main([]) == 2


def test_a_changed_table_is_found_by_its_hash(tmp_path, monkeypatch):
    shutil.copytree(words_module.TABLES, tmp_path / "tables")
    monkeypatch.setattr(words_module, "TABLES", tmp_path / "tables")
    assert len(words_module.read_table("ucf101.tsv")) == 101
    file = tmp_path / "tables" / "ucf101.tsv"
    file.write_text(file.read_text().replace("Archery", "Archer"))
    with pytest.raises(UserError, match=r"tables/ucf101\.tsv was changed"):
        words_module.read_table("ucf101.tsv")
    words_module.write_sums()
    assert len(words_module.read_table("ucf101.tsv")) == 101


@pytest.mark.parametrize("rules", ["legacy", "fixed"])
def test_punctuation_in_own_names_is_no_part_of_a_word(rules):
    assert words('stir, then "pour": tea!', None, rules)[::3] == ("stir", "tea")
    assert words("fencing (sport)", None, rules) == words("fencing sport", None, rules)
    assert words("read 'Macbeth' & sing", None, rules)[1:] == ("macbeth", "sing")
    assert "o'neill" in words("play O'Neill's", None, rules)
    for nothing in ("???", "()", "''", " - "):
        with pytest.raises(UserError, match="has no words"):
            words(nothing, None, rules)
