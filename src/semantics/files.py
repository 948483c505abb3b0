"""Read the vectors of some words from a word2vec file, in any of its formats.

Shapes: D embedding.
"""

from collections.abc import Set
from pathlib import Path

import numpy as np
from gensim.models import KeyedVectors

from src.errors import UserError

CHUNK = 1 << 24  # bytes read at a time


def read_vectors(path: Path, wanted: Set[str]) -> KeyedVectors:
    """Read word vectors; from a plain `.bin` only the wanted words, which is faster and smaller.

    Args:
        path: word2vec `.bin`, `.bin.gz`, text (`.txt`, `.vec`, also `.gz`), or gensim's `.kv`
            (memory-mapped; a pickle, so only from a source you trust).
        wanted: the words needed.

    Raises:
        UserError: the file is none of these.
    """
    name = path.name.removesuffix(".gz")
    try:
        if path.suffix == ".bin":
            return scan_binary(path, wanted)
        if path.suffix == ".kv":
            return KeyedVectors.load(str(path), mmap="r")
        return KeyedVectors.load_word2vec_format(str(path), binary=name.endswith(".bin"))
    except (ValueError, EOFError, OSError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} (semantics.path) is no word2vec file ({error}); known endings: "
            ".bin .bin.gz .txt .vec .kv"
        ) from None


def scan_binary(path: Path, wanted: Set[str]) -> KeyedVectors:
    """Walk through a word2vec binary file and keep the wanted words.

    The file is a line `count D`, then for each word its bytes, a space, D float32, and in some
    files a line end.
    """
    keys = {word.encode(): word for word in wanted}
    found: dict[str, np.ndarray] = {}
    with path.open("rb") as file:
        count, size = (int(part) for part in file.readline().split())
        data, start = b"", 0
        for _ in range(count):
            space = data.find(b" ", start)
            if space < 0 or space + 4 * size >= len(data):
                data, start = data[start:] + file.read(CHUNK), 0
                space = data.find(b" ")
                if space < 0 or space + 4 * size >= len(data):
                    raise ValueError(f"it ends before its {count} words")
            end = space + 1 + 4 * size
            word = keys.get(data[start:space].lstrip(b"\n"))
            if word is not None and word not in found:
                found[word] = np.frombuffer(data[space + 1 : end], np.float32)
            start = end
    vectors = KeyedVectors(size)
    if found:
        vectors.add_vectors(list(found), np.stack(list(found.values())))
    return vectors
