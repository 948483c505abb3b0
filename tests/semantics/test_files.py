"""Files of word vectors in every format, read by content."""

import functools
import gzip
import hashlib
import http.server
import json
import shlex
import subprocess
import sys
import threading

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import save_facebook_model

from helpers.vectors import toy_vectors
from zsvideo.errors import UserError
from zsvideo.resources import ROOT
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
    assert sorted(found.key_to_index) == ["red", "rise"]
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
    assert list(found.key_to_index) == ["fall"] and found.vector_size == 12


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


def gensim_server(folder, checksum=None):
    """Serve a tiny gensim-data on this machine; gives its address."""
    keyed = toy_vectors(WORDS)
    home = folder / "toy-vectors"
    home.mkdir(parents=True)
    keyed.save_word2vec_format(str(folder / "toy.bin"), binary=True)
    data = gzip.compress((folder / "toy.bin").read_bytes())
    (home / "toy-vectors.gz").write_bytes(data)
    (home / "__init__.py").write_text("raise SystemExit('code of a download was run')\n")
    entry = {
        "file_name": "toy-vectors.gz",
        "parts": 1,
        "checksum": checksum or hashlib.md5(data).hexdigest(),
    }
    (folder / "list.json").write_text(json.dumps({"corpora": {}, "models": {"toy-vectors": entry}}))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


FETCH = """
import sys
from gensim import downloader
downloader._load_info.__defaults__ = (sys.argv[1] + "/list.json", "utf-8")
downloader.DOWNLOAD_BASE_URL = sys.argv[1]
from zsvideo.errors import UserError
from zsvideo.semantics.vectors import downloaded
try:
    vectors = downloaded("toy-vectors", cache=sys.argv[2])
    print(vectors.of(["red square"], "own", None).matrix.shape)
except UserError as error:
    print("refused:", error)
"""


def fetched(address, tmp_path):
    return subprocess.run(
        [sys.executable, "-c", FETCH, address, str(tmp_path / "cache")],
        cwd=ROOT,
        env={"GENSIM_DATA_DIR": str(tmp_path / "data"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_downloader_fetches_once_and_runs_no_code(tmp_path):
    server = gensim_server(tmp_path / "served")
    address = f"http://127.0.0.1:{server.server_port}"
    assert "(1, 20)" in fetched(address, tmp_path).stdout
    server.shutdown()
    server.server_close()
    assert "(1, 20)" in fetched(address, tmp_path).stdout  # from the disk, without a network


@pytest.mark.parametrize("fault", ["checksum", "unreachable"])
def test_downloader_faults_are_one_line(tmp_path, fault):
    server = gensim_server(tmp_path / "served", "0" * 32 if fault == "checksum" else None)
    if fault == "unreachable":
        server.shutdown()
        server.server_close()
    process = fetched(f"http://127.0.0.1:{server.server_port}", tmp_path)
    assert "refused: semantics.download=toy-vectors" in process.stdout, process.stderr
    assert "semantics.path" in process.stdout and "Traceback" not in process.stderr


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
    assert list(read_vectors(tmp_path / "ft.bin", {"fall", "zorbing"}).key_to_index) == ["fall"]


def test_a_fasttext_file_that_is_cut_is_told(tmp_path):
    model = FastText(vector_size=12, min_count=1, seed=0, workers=1)
    model.build_vocab([WORDS])
    save_facebook_model(model, str(tmp_path / "whole.bin"))
    (tmp_path / "cut.bin").write_bytes((tmp_path / "whole.bin").read_bytes()[:300])
    with pytest.raises(UserError, match="no file of word vectors"):
        read_vectors(tmp_path / "cut.bin", {"red"})
