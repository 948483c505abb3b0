"""Files of word vectors in every format, read by content."""

import gzip
import shlex
import subprocess
import sys

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import save_facebook_model

from helpers.vectors import toy_vectors
from zsvideo.errors import UserError
from zsvideo.semantics.files import read_vectors

WORDS = ["red", "square", "fall", "rise"]


def lines(keyed, header=False):
    rows = [f"{w} " + " ".join(str(x) for x in keyed[w].tolist()) for w in WORDS]
    start = [f"{len(WORDS)} {keyed.vector_size}"] if header else []
    return "\n".join([*start, *rows]) + "\n"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("name", ["glove.txt", "cc.vec", "no-ending"])
def test_text_with_and_without_header(tmp_path, name, header, zipped):
    keyed, text = toy_vectors(WORDS), None
    text = lines(keyed, header).encode()
    file = tmp_path / name
    file.write_bytes(gzip.compress(text) if zipped else text)
    found = read_vectors(file, {"rise", "red", "unheard"})
    assert sorted(found.rows) == ["red", "rise"]
    assert np.allclose(found["rise"], keyed["rise"])


def test_glove_words_with_spaces_are_passed_over(tmp_path):
    keyed = toy_vectors(WORDS)
    strange = "red dot " + " ".join("9" for _ in range(20)) + "\n"
    (tmp_path / "g.txt").write_text(lines(keyed).split("\n", 1)[0] + "\n" + strange + lines(keyed))
    assert np.allclose(read_vectors(tmp_path / "g.txt", {"red"})["red"], keyed["red"])


def test_binary_whatever_its_name(tmp_path):
    keyed = toy_vectors(WORDS)
    keyed.save_word2vec_format(str(tmp_path / "plain.bin"), binary=True)
    raw = (tmp_path / "plain.bin").read_bytes()
    (tmp_path / "word2vec-google-news-300.gz").write_bytes(gzip.compress(raw))
    for name in ("plain.bin", "word2vec-google-news-300.gz"):
        found = read_vectors(tmp_path / name, {"fall"})
        assert np.array_equal(found["fall"], keyed["fall"])


def test_fasttext_binary_gives_whole_words_only(tmp_path):
    model = FastText(vector_size=12, min_count=1, seed=0, workers=1)
    model.build_vocab([WORDS])
    save_facebook_model(model, str(tmp_path / "ft.bin"))
    found = read_vectors(tmp_path / "ft.bin", {"fall", "falling"})
    assert list(found.rows) == ["fall"] and found.vector_size == 12


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"these are no vectors",
        b"\x00" * 99,
        b"3 20\nred 1 2\n",
        b"9 2\na 1 2\n",
        b"\x1f\x8bnot gzip",
    ],
)
def test_no_vectors_is_told(tmp_path, content):
    (tmp_path / "bad.bin").write_bytes(content)
    with pytest.raises(UserError, match="no file of word vectors"):
        read_vectors(tmp_path / "bad.bin", {"red"})


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize(
    "row", ["blue 1 2", "blue", "blue " + "1 " * 19, "blue " + " ".join("1" * 21), "blue\t1\t2"]
)
def test_a_ragged_row_is_told_whichever_words_are_wanted(tmp_path, row, header):
    text = lines(toy_vectors(WORDS), header).replace("4 20", "5 20") + row + "\n"
    (tmp_path / "ragged.txt").write_text(text)
    with pytest.raises(UserError, match=r"row 5, 'blue', has \d+ numbers where 20 are expected"):
        read_vectors(tmp_path / "ragged.txt", {"red"})


def test_rows_of_odd_words_and_space_at_line_ends_are_not_ragged(tmp_path):
    text = lines(toy_vectors(WORDS))
    odd = [" ".join([word, *"9" * 20]) for word in ("", ". . .", "at name@domain.com")]
    text = text.replace("\n", " \r\n") + "\n".join([*odd, "", ""])
    (tmp_path / "odd.txt").write_bytes(text.encode())
    found = read_vectors(tmp_path / "odd.txt", {"red", "rise", ".", "at", "9"})
    assert sorted(found.rows) == ["red", "rise"]


def test_tabs_and_byte_order_mark(tmp_path):
    keyed = toy_vectors(WORDS)
    for header in (False, True):
        text = lines(keyed, header).replace(" ", "\t")
        (tmp_path / "t.txt").write_text(text, encoding="utf-8-sig")
        assert np.allclose(read_vectors(tmp_path / "t.txt", {"red"})["red"], keyed["red"])


def test_a_pickle_is_not_loaded_and_the_line_says_how_to_convert_it(tmp_path):
    model = FastText(vector_size=12, min_count=1, seed=0, workers=1)
    model.build_vocab([WORDS])
    model.wv.save(str(tmp_path / "ft.kv"))
    with pytest.raises(UserError, match=r"ft\.kv is a pickle") as error:
        read_vectors(tmp_path / "ft.kv", {"fall", "zorbing"})
    command = shlex.split(str(error.value).partition("convert it once: python ")[2])
    subprocess.run([sys.executable, *command], check=True, timeout=120)
    assert list(read_vectors(tmp_path / "ft.bin", {"fall", "zorbing"}).rows) == ["fall"]


def test_a_fasttext_file_that_is_cut_is_told(tmp_path):
    model = FastText(vector_size=12, min_count=1, seed=0, workers=1)
    model.build_vocab([WORDS])
    save_facebook_model(model, str(tmp_path / "whole.bin"))
    (tmp_path / "cut.bin").write_bytes((tmp_path / "whole.bin").read_bytes()[:300])
    with pytest.raises(UserError, match="no file of word vectors"):
        read_vectors(tmp_path / "cut.bin", {"red"})
