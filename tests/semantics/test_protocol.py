"""Which classes a protocol keeps and removes."""

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from helpers.vectors import toy_vectors
from zsvideo.errors import UserError
from zsvideo.semantics.class_vectors import ClassVectors, cosine_distances
from zsvideo.semantics.protocol import (
    Protocol,
    closest_inside,
    decide,
    kept_out_classes,
    separate,
)
from zsvideo.semantics.records import borderline, record, record_targets
from zsvideo.semantics.vectors import WordVectors, embedded
from zsvideo.semantics.words import class_names, words


def classes(dataset, rows, bags=None):
    names = tuple(rows)
    matrix = np.array(list(rows.values()), float)
    bags = bags or {name: (name,) for name in names}
    return ClassVectors(dataset, names, tuple(bags[n] for n in names), matrix, {})


def at(distance):
    return [1 - distance, np.sqrt(1 - (1 - distance) ** 2)]


SOURCE = classes("s", {"near": at(0.0499), "on": at(0.05), "far": at(0.0501)})
TARGET = classes("t", {"target": [1, 0]})


def kept(protocol, source=SOURCE, targets=(TARGET,)):
    return [v.name for v in separate(protocol, source, targets) if v.kept]


def test_strict_and_inclusive_tau():
    assert kept(Protocol("p", "tau", 0.05, False, [])) == ["on", "far"]
    assert kept(Protocol("p", "tau", 0.05, True, [])) == ["far"]


def test_tau_zero_and_identical_classes():
    source = classes("s", {"same": [1, 0], "far": at(0.3)})
    assert kept(Protocol("p", "tau", 0.0, False, []), source) == ["same", "far"]
    assert kept(Protocol("p", "tau", 0.0, True, []), source) == ["far"]
    noisy = classes("s", {"same": [1 + 2e-16, 0]})
    assert kept(Protocol("p", "tau", 0.0, True, []), noisy) == []


def test_identical_bags_and_none():
    bags = {"near": ("a", "b"), "on": ("c",), "far": ("d",)}
    source = ClassVectors("s", SOURCE.names, tuple(bags.values()), SOURCE.matrix, {})
    target = ClassVectors("t", ("x",), (("b", "a"),), np.array([[0.0, 1.0]]), {})
    assert kept(Protocol("p", "identical", 0.05, False, []), source, [target]) == ["on", "far"]
    assert len(kept(Protocol("p", "none", 0.05, False, []), source, [target])) == 3


def test_a_word_without_vector_is_compared_by_words():
    source = ClassVectors("s", ("u", "v"), (("zorb",), ("hop",)), np.full((2, 2), np.nan), {})
    target = ClassVectors("t", ("x",), (("zorb",),), np.full((1, 2), np.nan), {})
    u, v = separate(Protocol("p", "tau", 0.05, False, []), source, [target])
    assert (u.kept, u.distance, u.nearest) == (False, 0.0, "t/x")
    assert (v.kept, v.distance) == (True, None)


def test_distance_equals_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 9, 30))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    assert np.allclose(cosine_distances(a, b), cdist(a, b, "cosine"), atol=1e-11)
    assert np.all(np.diag(cosine_distances(a, a)) == 0)


def test_unknown_rule():
    with pytest.raises(UserError, match="identical"):
        Protocol("p", "near", 0.05, False, [])


def test_identical_words_leave_664_and_587():
    def by_words(table):
        names = class_names(table)
        bags = tuple(words(name, table) for name in names)
        return ClassVectors(table, names, bags, np.full((len(names), 2), np.nan), {})

    def names_left(*tables):
        source, *targets = [by_words(t) for t in ("kinetics700", *tables)]
        return kept(Protocol("p", "identical", 0.05, False, []), source, targets)

    assert len(names_left("ucf101", "hmdb51")) == 664
    assert len(names_left("ucf101", "hmdb51", "activitynet")) == 587


def test_real_vectors_leave_662_and_586(shared, tmp_path):
    vectors = WordVectors(str(shared / "reference" / "googlenews_subset.bin"), str(tmp_path))
    protocol = Protocol("664", "tau", 0.05, False, [], {"kinetics700": 664})
    tables = ["kinetics700", "ucf101", "hmdb51", "activitynet"]
    source, *targets = [vectors.of(class_names(t), t, t) for t in tables]
    found = {v.name: v for v in separate(protocol, source, targets[:2])}
    assert sum(v.kept for v in found.values()) == 662
    assert found["throwing discus"].distance == pytest.approx(0.0425, abs=5e-5)
    assert found["canoeing or kayaking"].distance == pytest.approx(0.0469, abs=5e-5)
    assert len(kept(protocol, source, targets)) == 586
    counts = record(protocol, source, targets[:2], list(found.values()))["counts"]
    assert counts == {
        "classes": 700,
        "kept": 662,
        "removed": 38,
        "identical": 36,
        "paper": 664,
    }


def published(*tables):
    return [
        ClassVectors(
            table,
            class_names(table),
            tuple(words(name, table) for name in class_names(table)),
            np.full((len(class_names(table)), 2), np.nan),
            {},
            table,
        )
        for table in tables
    ]


REMOVED_36 = (
    """
archery, bench pressing, bowling, brushing hair, brushing teeth, cartwheeling, clapping, clean
and jerk, climbing a rope, crawling baby, diving cliff, dunking basketball, hammer throw, high
jump, hugging (not baby), hula hooping, javelin throw, juggling balls, jumping jacks, kissing,
knitting, laughing, long jump, lunge, mopping floor, playing cello, playing flute, playing
guitar, playing piano, playing violin, pole vault, shaking hands, situp, smoking,
somersaulting, walking the dog
""".replace("\n", " ")
    .strip()
    .split(", ")
)


def test_identical_removes_the_36_names():
    source, *targets = published("kinetics700", "ucf101", "hmdb51")
    decisions = separate(Protocol("p", "identical", 0.05, False, []), source, targets)
    assert sorted(d.name for d in decisions if not d.kept) == REMOVED_36


def test_audited_removes_by_verdict_or_by_signals():
    source, *targets = published("kinetics700", "ucf101", "hmdb51", "activitynet")
    audited = Protocol("audited", "audited", 0.05, False, [])
    reasons = {d.name: d.reason for d in separate(audited, source, targets)}
    assert reasons["riding a bike"].startswith("duplicate of ") and "verdict" in reasons["push up"]
    assert reasons["archery"] == "identical words"
    assert not reasons["playing clarinet"] and not reasons["abseiling"]
    left = [name for name, reason in reasons.items() if not reason]
    assert not {
        d.name
        for d in separate(Protocol("p", "identical", 0, False, []), source, targets)
        if not d.kept
    } & set(left)
    only_duplicates = Protocol("a", "audited", 0.05, False, [], grades=["duplicate"])
    assert len(left) < len(kept(only_duplicates, source, targets)) < 587

    own = ClassVectors("own", ("riding the bike",), (("rid", "bike"),), np.full((1, 2), np.nan), {})
    (decision,) = separate(audited, own, targets)
    assert decision.reason.startswith("duplicate of ucf101/Biking (unjudged; signals: identical")


INSIDE = Protocol("p", "inside", 0.05, False, [])


def test_inside_takes_the_closest_pair_of_each_target():
    wide = classes("wide", {"a": [1, 0, 0], "b": [*at(0.2), 0]})
    narrow = classes("narrow", {"c": [0, 0, 1], "d": [0, at(0.02)[1], at(0.02)[0]]})
    near_wide, near_narrow = [at(0.1)[0], 0, -at(0.1)[1]], [-at(0.1)[1], 0, at(0.1)[0]]
    source = classes("s", {"near wide": near_wide, "near narrow": near_narrow, "c": [0, 0, 1]})
    decisions = separate(INSIDE, source, [wide, narrow])
    assert [d.kept for d in decisions] == [False, True, False]
    assert decisions[0].reason == "distance 0.1000, inside wide 0.2000"
    assert [d.nearest for d in decisions] == ["wide/a", "narrow/c", "narrow/c"]
    written = record(INSIDE, source, [wide, narrow], decisions)
    assert written["taus"] == {
        "wide": {"tau": pytest.approx(0.2), "pair": ("a", "b"), "same": []},
        "narrow": {"tau": pytest.approx(0.02), "pair": ("c", "d"), "same": []},
    }
    assert "taus" not in record(replace(INSIDE, rule="tau"), source, [wide], decisions)


def test_inside_removes_by_the_target_that_is_not_the_nearest():
    """A class may be nearer to one target and yet leave room for it, not for the other."""
    wide = classes("wide", {"a": [1, 0, 0], "b": [*at(0.5), 0]})
    narrow = classes("narrow", {"c": [0, 0, 1], "d": [0, at(0.02)[1], at(0.02)[0]]})
    between = [np.cos(0.8), 0, np.sin(0.8)]  # 0.30 from a, 0.28 from c
    (decision,) = separate(INSIDE, classes("s", {"x": between}), [wide, narrow])
    assert (decision.kept, decision.nearest) == (False, "wide/a")
    (decision,) = separate(INSIDE, classes("s", {"x": between}), [narrow])
    assert (decision.kept, decision.nearest) == (True, "narrow/c")


def test_equal_classes_inside_a_target_make_no_tau():
    same = classes("t", {"a": [1, 0], "b": [1, 0], "c": at(0.3), "d": [np.nan, np.nan]})
    closest = closest_inside(same)
    assert closest.tau == pytest.approx(0.3) and closest.pair == ("a", "c")
    assert closest.same == [("a", "b")]
    for few in ({"a": [1, 0]}, {"a": [1, 0], "b": [1, 0]}, {"a": [1, 0], "b": [np.nan] * 2}):
        with pytest.raises(UserError, match=r"inside: t has no two classes.*rule=tau"):
            separate(INSIDE, SOURCE, [classes("t", few)])


def test_inside_with_real_names(tmp_path):
    vectors = embedded(cache=str(tmp_path))
    tables = ["kinetics700", "ucf101", "hmdb51"]
    source, ucf101, hmdb51 = [vectors.of(class_names(t), t, t) for t in tables]
    closest = {c.dataset: closest_inside(c) for c in (ucf101, hmdb51)}
    assert closest["ucf101"].tau == pytest.approx(0.048, abs=5e-4)
    assert closest["ucf101"].pair == ("PlayingCello", "PlayingViolin")
    assert closest["hmdb51"].tau == pytest.approx(0.166, abs=5e-4)
    assert closest["hmdb51"].pair == ("kick", "kick_ball")
    tau = Protocol("664", "tau", 0.05, False, [])
    assert len(kept(INSIDE, source, [ucf101])) == len(kept(tau, source, [ucf101]))
    assert len(kept(tau, source, [hmdb51])) - len(kept(INSIDE, source, [hmdb51])) == 4
    assert len(kept(INSIDE, source, [ucf101, hmdb51])) == 658  # 662 by tau = 0.05


def test_manual_list_and_its_faults(tmp_path):
    names = tmp_path / "out.txt"
    names.write_text("near\n\nfar\n")
    for remove in (str(names), ["near", "far"]):
        assert kept(Protocol("p", "manual", 0.05, False, [], remove=remove)) == ["on"]
    with pytest.raises(UserError, match=r"no class of s: afar; spell"):
        Protocol("p", "manual", 0.05, False, [], remove=["afar"]).check_listed(SOURCE)
    with pytest.raises(UserError, match="is empty"):
        kept(Protocol("p", "manual", 0.05, False, [], remove=[]))
    with pytest.raises(UserError, match="one class name a line"):
        separate(Protocol("p", "manual", 0, False, [], remove=str(tmp_path / "no")), SOURCE, [])
    with pytest.raises(UserError, match="duplicate, contained, near, sibling"):
        Protocol("p", "audited", 0.05, False, [], grades=["twin"])


def test_borderline_names_the_classes_next_to_tau():
    decisions = separate(Protocol("p", "tau", 0.05, False, []), SOURCE, [TARGET])
    listed = borderline(decisions)
    assert [row["name"] for row in listed["removed"]] == ["near"]
    assert [row["name"] for row in listed["kept"]] == ["on", "far"]


def test_truze_tests_its_53_classes_only(shared):
    protocol = Protocol("truze", "identical", 0.05, False, ["ucf101"], test_only="truze.tsv")
    chosen = {t: protocol.tested(t, class_names(t)) for t in ("ucf101", "hmdb51")}
    assert [len(names) for names in chosen.values()] == [31, 22]
    with pytest.raises(UserError, match="no test class of own videos"):
        protocol.tested(None, ["a"])
    text = (shared / "annotations" / "truze_zero_shot_split.txt").read_text()
    for part, (table, names) in zip(re.split(r"##\w+", text)[1:], chosen.items(), strict=True):
        listed = re.search(r"Testing[^:]*:(.*?)\.\s*$", part, re.S | re.M)[1].split(",")
        keys = sorted(re.sub(r"\W", "", name).lower() for name in listed)
        assert keys == sorted(re.sub(r"[\W_]", "", name).lower() for name in names), table


def test_kept_out_classes_follow_the_fixed_list(tmp_path):
    vectors = embedded(cache=str(tmp_path))
    truze = Protocol("t", "identical", 0.05, False, ["ucf101", "targets"], test_only="truze.tsv")
    own = vectors.of(["red square"], "own", None)
    assert [len(c.names) for c in kept_out_classes(truze, {"own": own}, vectors)] == [31, 1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tau": float("nan")}, "0 to 2"),
        ({"tau": True}, "0 to 2"),
        ({"tau": 3}, "0 to 2"),
        ({"inclusive": "maybe"}, "true or false"),
        ({"keep_out": "ucf101"}, "must be a list"),
        ({"grades": "duplicate"}, "must be a list"),
        ({"remove": {"a": 1}}, "must be a list"),
        ({"expected": 5}, "must be a mapping"),
        ({"rule": "near"}, "allowed: tau, identical, audited, inside, manual, none"),
    ],
)
def test_bad_values(changes, words):
    options = {"name": "p", "rule": "tau", "tau": 0.05, "inclusive": False, "keep_out": []}
    with pytest.raises(UserError, match=words):
        Protocol(**options | changes)


def test_what_passes_the_rule_and_still_leaks_is_written_down(tmp_path):
    vectors = embedded(cache=str(tmp_path))
    trained = vectors.of(["riding the bike", "walking", "juggling"], "own", None)
    tested = {"ucf101": vectors.of(["Biking", "YoYo"], "ucf101", "ucf101")}
    written = record_targets(trained, tested, None)
    (survivor,) = written["survivors"]
    assert (survivor["source"], survivor["target"]) == ("riding the bike", "ucf101/Biking")
    assert survivor["grade"] == "duplicate" and not written["leaks"]
    assert record_targets(None, tested, None)["survivors"] is None


def test_an_ablation_over_class_vectors_trains_on_the_same_classes(tmp_path):
    """The protocol decides by vectors of its own: the same file by the authors' words."""
    tables = ("ucf101", "hmdb51", "activitynet")
    protocol = Protocol("605", "tau", 0.05, False, tables)
    kept = {}
    for rules in ("legacy", "fixed"):
        vectors = embedded(cache=str(tmp_path), word_rules=rules)
        source = vectors.of(class_names("kinetics700"), "kinetics700", "kinetics700")
        tested = {name: vectors.of(class_names(name), name, name) for name in tables}
        decisions, _, deciding = decide(protocol, source, tested, vectors)
        kept[rules] = [d.name for d in decisions if d.kept]
        assert deciding.describe()["word_rules"] == "legacy"
        alone = separate(protocol, source, kept_out_classes(protocol, tested, vectors))
        kept[f"{rules} alone"] = [d.name for d in alone if d.kept]
    assert kept["legacy"] == kept["fixed"] == kept["legacy alone"]
    assert len(kept["legacy"]) == 586 and len(kept["fixed alone"]) == 555


def test_a_protocol_may_decide_by_another_file(tmp_path):
    words = ["run", "jog", "swim", "sing"]
    for name, seed in (("learned", 0), ("deciding", 1)):
        toy_vectors(words, seed=seed).save_word2vec_format(str(tmp_path / name), binary=True)
    vectors = WordVectors(str(tmp_path / "learned"), str(tmp_path / "cache"))
    source = vectors.of(["jog", "swim"], "s", None)
    tested = {"t": vectors.of(["run"], "t", None)}
    near = Protocol("p", "tau", 2.0, True, ["targets"], vectors=str(tmp_path / "deciding"))
    decisions, _, deciding = decide(near, source, tested, vectors)
    other = WordVectors(str(tmp_path / "deciding"), str(tmp_path / "cache"))
    distances = cosine_distances(
        other.of(["jog", "swim"], "s", None).matrix, other.of(["run"], "t", None).matrix
    )
    assert [d.distance for d in decisions] == distances[:, 0].tolist()
    assert deciding.describe()["sha256"] == other.sha256 != vectors.sha256
    lost = replace(near, vectors="nowhere.bin")
    with pytest.raises(UserError, match=r"nowhere\.bin \(protocol\.vectors\)"):
        decide(lost, source, tested, vectors)
