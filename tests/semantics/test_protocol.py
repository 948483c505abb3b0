"""Which classes a protocol keeps and removes."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from src.errors import UserError
from src.semantics.protocol import Protocol, cosine_distances, record, separate
from src.semantics.vectors import ClassVectors, WordVectors
from src.semantics.words import class_names, words


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
