"""Words to class vectors."""

import numpy as np
import pytest
from conftest import toy_vectors

from src.errors import UserError
from src.semantics.files import read_vectors
from src.semantics.vectors import WordVectors, embedded

WORDS = ["red", "square", "fall", "rise", "jump"]


def written(keyed, tmp_path, ending):
    file = tmp_path / f"toy{ending}"
    if ending == ".kv":
        keyed.save(str(file), sep_limit=0)
    else:
        keyed.save_word2vec_format(str(file), binary=".bin" in ending)
    return file


@pytest.mark.parametrize("ending", [".bin", ".bin.gz", ".txt", ".txt.gz", ".kv"])
def test_every_format_gives_the_same_vectors(tmp_path, ending):
    keyed = toy_vectors(WORDS)
    vectors = WordVectors(str(written(keyed, tmp_path, ending)), str(tmp_path / "cache"))
    matrix = vectors.of(["red square falling"], "own", None).matrix
    units = [keyed[w] / np.linalg.norm(keyed[w]) for w in ("red", "square", "fall")]
    expected = np.mean(units, axis=0)
    assert np.allclose(matrix[0], expected / np.linalg.norm(expected), atol=1e-6)
    if ending == ".kv":
        assert isinstance(vectors.keyed.vectors, np.memmap)


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
    assert not again.asked
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
    assert list(lenient.pick(lenient.of(names, "own", None), names)) == ["red"]


def test_no_vectors_file(tmp_path):
    (tmp_path / "bad.bin").write_text("these are no vectors")
    with pytest.raises(UserError, match="word2vec"):
        WordVectors(str(tmp_path / "bad.bin"), str(tmp_path)).of(["red"], "own", None)


def test_a_binary_file_with_line_ends_and_one_cut_short(tmp_path):
    keyed = toy_vectors(WORDS)
    rows = b"".join(w.encode() + b" " + keyed[w].tobytes() + b"\n" for w in WORDS)
    (tmp_path / "lines.bin").write_bytes(b"5 20\n" + rows)
    vectors = read_vectors(tmp_path / "lines.bin", {"rise", "none"})
    assert np.array_equal(vectors["rise"], keyed["rise"]) and len(vectors) == 1
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
    assert not vectors.asked


def test_embedded_vectors_are_real(tmp_path):
    vectors = embedded(cache=str(tmp_path))
    matrix = vectors.of(["red square falling", "red square rising"], "own", None).matrix
    assert matrix.shape == (2, 300)
    assert np.allclose(np.linalg.norm(matrix, axis=1), 1)
