"""Pairs that may be one action: signals and verdicts."""

from collections import Counter

import numpy as np
import pytest

from zsvideo.semantics.class_vectors import ClassVectors
from zsvideo.semantics.pairs import (
    LEAKS,
    Pair,
    agreement,
    find_pairs,
    judged,
    one_letter_apart,
    verdict,
)
from zsvideo.semantics.words import class_names, plain_name, read_table, words

SURVIVORS = (
    """
riding a bike, push up, pull ups, tai chi, fencing (sport), shot put, skateboarding, swimming
breast stroke, swimming front crawl, blowing out candles, rock climbing, playing drums, playing
cricket, playing basketball, playing tennis, playing volleyball, swinging baseball bat
""".replace("\n", " ")
    .strip()
    .split(", ")
)  # of 664, all of which the audit must flag


def own(*names, dataset="own", table=None):
    """Give classes whose words have no vectors, so that words alone decide."""
    bags = tuple(words(name, table) for name in names)
    return ClassVectors(dataset, names, bags, np.full((len(names), 2), np.nan), {}, table)


def published(table):
    return own(*class_names(table), dataset=table, table=table)


def pairs_of(source, target):
    return find_pairs(own(source), [own(target, dataset="t")])


@pytest.mark.parametrize(
    ("source", "target", "flag", "signal"),
    [
        ("riding a bike", "Biking", "duplicate", "identical"),
        ("playing badminton", "Badminton", "duplicate", "identical"),
        ("PushUps", "push up", "duplicate", "identical"),
        ("taichi", "Tai_Chi", "duplicate", "identical"),
        ("kickboxing", "kick boxing", "duplicate", "spelling"),
        ("dog sledding", "dogsledding", "duplicate", "spelling"),
        ("kick boxing outdoors", "kickboxing", "contained", "contained"),
        ("playing tennis", "TennisSwing", "contained", "contained"),
        ("swimming front crawl", "FrontCrawl", "contained", "contained"),
        ("Plataform diving", "platform diving", "near", "typo"),
    ],
)
def test_signals(source, target, flag, signal):
    (pair,) = pairs_of(source, target)
    assert (pair.flag, pair.verdict, pair.grade) == (flag, "", flag)
    assert signal in pair.signals and pair.target == f"t/{target}"


@pytest.mark.parametrize(
    ("source", "target"),
    [("playing clarinet", "PlayingCello"), ("curling", "hurling"), ("doing", "playing golf")],
)
def test_no_signal(source, target):
    assert not pairs_of(source, target)


def test_distance_is_a_signal_of_its_own_and_no_leak():
    close = ClassVectors("s", ("a b",), (("a", "b"),), np.array([[1.0, 0.0]]), {})
    row = np.array([[0.8, 0.6]])
    (pair,) = find_pairs(close, [ClassVectors("t", ("c",), (("c",),), row, {})])
    assert pair.signals == ("distance",) and pair.distance == pytest.approx(0.2)
    assert pair.flag == "near" and not pair.leaks


def test_typos_need_long_names():
    apart = one_letter_apart(["rowing", "platform dive"], ["mowing", "plataform diwe", "xyz"])
    assert apart.tolist() == [[False] * 3, [False, True, False]]


def test_verdicts_are_complete_and_spelled_as_the_data_sets_do():
    rows = read_table("verdicts.tsv")
    keys = [(row["source"], row["target"]) for row in rows]
    assert len(keys) == len(set(keys)) > 1500
    for row in rows:
        dataset, _, name = row["target"].partition("/")
        assert row["source"] in class_names(row["dataset"]) and name in class_names(dataset)
        assert {row["verdict"], row["first"], row["second"]} <= {*LEAKS, "sibling", "unrelated"}
        if row["first"] == row["second"]:
            assert row["verdict"] == row["first"]
    assert judged()[2] == {"ucf101", "hmdb51", "activitynet"}


def test_readers_agree():
    rows = read_table("verdicts.tsv")
    both = Counter((row["first"] in LEAKS, row["second"] in LEAKS) for row in rows)
    total = 700 * 352
    both[(False, False)] += total - len(rows)
    a = (both[(True, True)] + both[(True, False)]) / total
    b = (both[(True, True)] + both[(False, True)]) / total
    chance = a * b + (1 - a) * (1 - b)
    kappa = ((both[(True, True)] + both[(False, False)]) / total - chance) / (1 - chance)
    assert kappa == pytest.approx(0.933, abs=5e-4)


def test_names_of_earlier_generations_are_judged_too():
    rows = read_table("verdicts_earlier.tsv")
    known = {plain_name(name).lower() for name in class_names("kinetics700")}
    earlier = {
        plain_name(name)
        for dataset in ("kinetics400", "kinetics600")
        for name in class_names(dataset)
        if plain_name(name).lower() not in known
    }
    assert {plain_name(row["source"]) for row in rows} == earlier and len(earlier) == 24
    for row in rows:
        assert row["source"] in class_names(row["dataset"])
        assert bool(row["renamed"]) != bool(row["verdict"])
        if row["renamed"]:
            assert row["renamed"] in class_names("kinetics700") and not row["target"]
        if row["target"]:
            dataset, _, name = row["target"].partition("/")
            assert name in class_names(dataset) and row["verdict"] in (*LEAKS, "sibling")
    for name, target, expected in (
        ("strumming guitar", ("ucf101", "PlayingGuitar"), "duplicate"),
        ("hugging", ("hmdb51", "hug"), "duplicate"),
        ("hugging", ("hmdb51", "kiss"), "sibling"),
        ("cleaning floor", ("ucf101", "MoppingFloor"), "contained"),
        ("sniffing", ("hmdb51", "smoke"), "unrelated"),
    ):
        assert verdict(("kinetics400", name), target) == expected
    assert verdict(("kinetics600", "bull fighting"), ("activitynet", "Bullfighting")) == "duplicate"


def test_verdict_looks_up_all_generations_of_kinetics():
    for table in ("kinetics400", "kinetics600", "kinetics700"):
        assert verdict((table, "riding a bike"), ("ucf101", "Biking")) == "duplicate"
        assert verdict((table, "playing clarinet"), ("ucf101", "PlayingCello")) == "sibling"
    assert verdict(("kinetics700", "abseiling"), ("ucf101", "YoYo")) == "unrelated"
    assert verdict((None, "riding a bike"), ("ucf101", "Biking")) == ""
    assert verdict(("kinetics700", "abseiling"), ("sun397", "/a/abbey")) == ""


def test_survivors_of_664_are_flagged_by_the_signals_and_by_the_verdicts():
    targets = [published("ucf101"), published("hmdb51")]
    pairs = find_pairs(published("kinetics700"), targets)
    for by in ("flag", "verdict"):
        found = {pair.source for pair in pairs if getattr(pair, by) in LEAKS}
        assert not set(SURVIVORS) - found, by
    clarinet = [p for p in pairs if p.source == "playing clarinet"]
    assert clarinet and not any(p.flag == "duplicate" or p.leaks for p in clarinet)


def test_agreement_counts():
    def pair(source, signals, said):
        return Pair(source, "t/x", None, signals, said)

    pairs = [
        pair("a", ("identical",), "duplicate"),
        pair("b", ("contained",), "sibling"),
        pair("c", (), "duplicate"),
        pair("d", ("distance",), "contained"),
        pair("e", ("identical",), ""),
    ]
    found = agreement(pairs)
    assert found["pairs"] == {
        "flagged": 2,
        "leak": 3,
        "both": 1,
        "precision": 0.5,
        "recall": pytest.approx(1 / 3),
    }
    assert found["duplicates"]["both"] == 1 and found["duplicates"]["leak"] == 2
    assert agreement([])["pairs"]["recall"] == 1.0
