"""Words to class vectors."""

import numpy as np
import pytest

from helpers.vectors import toy_vectors
from zsvideo.errors import UserError
from zsvideo.experiment.options import Semantics
from zsvideo.options import parse
from zsvideo.semantics.files import read_vectors
from zsvideo.semantics.vectors import WordVectors, embedded

WORDS = ["red", "square", "fall", "rise", "jump"]


def written(keyed, tmp_path, ending):
    file = tmp_path / f"toy{ending}"
    keyed.save_word2vec_format(str(file), binary=".bin" in ending)
    return file


@pytest.mark.parametrize("ending", [".bin", ".bin.gz", ".txt", ".txt.gz"])
def test_every_format_gives_the_same_vectors(tmp_path, ending):
    keyed = toy_vectors(WORDS)
    vectors = WordVectors(str(written(keyed, tmp_path, ending)), str(tmp_path / "cache"))
    matrix = vectors.of(["red square falling"], "own", None).matrix
    units = [keyed[w] / np.linalg.norm(keyed[w]) for w in ("red", "square", "fall")]
    expected = np.mean(units, axis=0)
    assert np.allclose(matrix[0], expected / np.linalg.norm(expected), atol=1e-6)


def test_unit_words_matter_and_sum_equals_mean(tmp_path):
    file = written(toy_vectors(WORDS), tmp_path, ".bin")
    unit = WordVectors(str(file), str(tmp_path)).of(["red square"], "own", None).matrix
    raw = WordVectors(str(file), str(tmp_path), unit_words=False)
    assert not np.allclose(raw.of(["red square"], "own", None).matrix, unit, atol=1e-3)
    total = raw.keyed["red"].astype(float) + raw.keyed["square"]
    assert np.allclose(
        raw.of(["red square"], "own", None).matrix[0], total / np.linalg.norm(total), atol=1e-6
    )


def test_cache_is_used_and_keyed_by_file_and_list(tmp_path):
    file = written(toy_vectors(WORDS), tmp_path, ".bin")
    first = WordVectors(str(file), str(tmp_path / "c")).of(["red rise"], "own", None)
    again = WordVectors(str(file), str(tmp_path / "c"))
    assert np.array_equal(again.of(["red rise"], "own", None).matrix, first.matrix)
    assert not again.requested
    other = written(toy_vectors(WORDS, seed=1), tmp_path, ".bin")
    changed = WordVectors(str(other), str(tmp_path / "c")).of(["red rise"], "own", None)
    assert not np.allclose(changed.matrix, first.matrix)


def test_unknown_words_one_error_or_dropped(tmp_path):
    file = written(toy_vectors(WORDS), tmp_path, ".bin")
    names = ["red", "zorbing", "square quidditch"]
    strict = WordVectors(str(file), str(tmp_path))
    with pytest.raises(UserError) as error:
        strict.pick(strict.of(names, "own", None), names)
    assert "zorb" in str(error.value) and "quidditch" in str(error.value)
    lenient = WordVectors(str(file), str(tmp_path), oov="drop")
    assert list(lenient.pick(lenient.of(names, "own", None), names).names) == ["red"]


def test_no_vectors_file(tmp_path):
    (tmp_path / "bad.bin").write_text("these are no vectors")
    with pytest.raises(UserError, match="no file of word vectors"):
        WordVectors(str(tmp_path / "bad.bin"), str(tmp_path)).of(["red"], "own", None)


def test_a_binary_file_with_line_ends_and_one_cut_short(tmp_path):
    keyed = toy_vectors(WORDS)
    rows = b"".join(w.encode() + b" " + keyed[w].tobytes() + b"\n" for w in WORDS)
    (tmp_path / "lines.bin").write_bytes(b"5 20\n" + rows)
    vectors = read_vectors(tmp_path / "lines.bin", {"rise", "none"})
    assert np.array_equal(vectors["rise"], keyed["rise"]) and len(vectors.rows) == 1
    (tmp_path / "cut.bin").write_bytes(b"5 20\n" + rows[:-50])
    with pytest.raises(UserError, match="ends before"):
        read_vectors(tmp_path / "cut.bin", {"rise"})


def test_missing_words_are_known_from_the_cache(tmp_path):
    file = written(toy_vectors(WORDS), tmp_path, ".bin")
    for _ in range(2):
        vectors = WordVectors(str(file), str(tmp_path / "c"))
        assert vectors.of(["red quidditch"], "own", None).unknown == {
            "red quidditch": ("quidditch",)
        }
    assert not vectors.requested


def test_embedded_vectors_are_real(tmp_path):
    vectors = embedded(cache=str(tmp_path))
    matrix = vectors.of(["red square falling", "red square rising"], "own", None).matrix
    assert matrix.shape == (2, 300)
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1)


@pytest.fixture
def gapped(tmp_path):
    """Vectors without some words as they are written in class names."""
    words = ["Zumba", "thrift", "shop", "person", "massage", "head", "red", "AWOL"]
    keyed = toy_vectors(words)
    written(keyed, tmp_path, ".bin")
    return keyed, WordVectors(str(tmp_path / "toy.bin"), str(tmp_path / "c"), oov="fallback")


@pytest.mark.parametrize(
    ("name", "stands_in"),
    [
        ("zumba", {"zumba": ("Zumba",)}),
        ("thriftshop", {"thriftshop": ("thrift", "shop")}),
        ("massaging person's elbow", {}),
        ("awol", {"awol": ("AWOL",)}),
    ],
)
def test_fallback_tries_other_spellings(gapped, name, stands_in):
    keyed, vectors = gapped
    found = vectors.of([name, "red"], "own", None)
    if not stands_in:
        assert found.unknown == {name: ("elbow",)}
        return
    assert found.replaced == stands_in and not found.unknown
    (parts,) = stands_in.values()
    expected = np.mean([keyed[part] for part in parts], axis=0)
    assert np.allclose(found.matrix[0], expected / np.linalg.norm(expected), atol=1e-6)
    again = WordVectors(str(vectors.path), str(vectors.cache), oov="fallback")
    assert again.of([name, "red"], "own", None).replaced == stands_in and not again.requested


def test_fallback_drops_what_no_spelling_finds_and_reports_it(gapped):
    _, vectors = gapped
    found = vectors.of(["red zumba", "quidditch", "zorbing red", "red"], "own", None)
    assert list(vectors.pick(found, found.names).names) == ["red zumba", "red"]
    assert found.coverage() == {
        "count": 4,
        "covered": 2,
        "percent": 50.0,
        "without_vector": {"quidditch": ["quidditch"], "zorbing red": ["zorbing"]},
        "same_vector": [],
        "replaced": {"zumba": ["Zumba"]},
    }


def test_fallback_covers_the_two_sun_classes_the_authors_left_out(shared, tmp_path):
    file = str(shared / "reference" / "googlenews_subset.bin")
    names = ["/b/barndoor", "/t/thriftshop"]
    strict = WordVectors(file, str(tmp_path)).of(names, "sun397", "sun397")
    assert set(strict.unknown) == set(names)
    with pytest.raises(UserError, match="oov=fallback"):
        WordVectors(file, str(tmp_path)).pick(strict, names)


def test_other_rules_share_the_file(tmp_path):
    vectors = embedded(cache=str(tmp_path), oov="drop")
    fixed = vectors.with_rules("fixed")
    assert fixed.describe() == vectors.describe() | {"word_rules": "fixed"}
    assert fixed.of(["riding a bike"], "own", None).bags == (("ride", "bike"),)


def test_a_vector_without_direction_is_none(tmp_path):
    rows = {"red": "1 0", "read": "0 0", "anti": "-1 0", "odd": "nan 1"}
    text = "".join(f"{word} {row}\n" for word, row in rows.items())
    (tmp_path / "v.txt").write_text(text)
    found = WordVectors(str(tmp_path / "v.txt"), str(tmp_path)).of(
        ["red", "read", "red anti", "odd"], "own", None
    )
    assert found.unknown == {"read": ("read",), "red anti": ("red", "anti"), "odd": ("odd",)}
    assert found.coverage()["covered"] == 1


def test_classes_with_the_same_words_are_told(tmp_path):
    file = written(toy_vectors(WORDS), tmp_path, ".bin")
    found = WordVectors(str(file), str(tmp_path)).of(["red fall", "falling red", "rise"], "o", None)
    assert found.coverage()["same_vector"] == [["red fall", "falling red"]]


@pytest.mark.parametrize("unit_words", [True, False])
def test_targets_have_the_length_that_is_asked_for(tmp_path, unit_words):
    """Eq. 2 and Sec. 4.4 scale neither the sum nor the mean; directions stay (S2)."""
    keyed = toy_vectors(WORDS)
    file = written(keyed, tmp_path, ".bin")
    names = ["red", "red square", "jump fall rise"]
    rows = [np.stack([keyed[w] for w in name.split()]).astype(np.float64) for name in names]
    if unit_words:
        rows = [r / np.linalg.norm(r, axis=1, keepdims=True) for r in rows]
    expected = {
        "mean": [r.mean(0) for r in rows],
        "sum": [r.sum(0) for r in rows],
        "unit": [r.sum(0) / np.linalg.norm(r.sum(0)) for r in rows],
    }
    matrices = []
    for length, vectors in expected.items():
        for _ in range(2):  # the second from the cache
            own = WordVectors(str(file), str(tmp_path), unit_words, target_length=length)
            classes = own.of(names, "own", None)
            targets = own.targets(classes, names[1:])
            assert list(targets.names) == names[1:]
            assert np.allclose(targets.vectors, vectors[1:], atol=1e-6), length
            picked = own.pick(classes, names).vectors
            assert np.array_equal(picked, classes.matrix)
            matrices.append(classes.matrix)
        assert own.describe()["target_length"] == length
        assert own.with_rules("fixed").target_length == length
    assert all(np.array_equal(m, matrices[0]) for m in matrices)
    assert np.allclose(np.linalg.norm(matrices[0], axis=1), 1)
    with pytest.raises(UserError, match="target_length=long is unknown; allowed: unit, mean, sum"):
        parse(Semantics, {"target_length": "long"}, "semantics")
