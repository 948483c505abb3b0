"""Read the vectors of some words from a file of word vectors, whatever its format.

The format is told from the first bytes. Files are read once, in chunks, and only the wanted words
are kept: the 3.6 GB of GoogleNews need seconds and little memory.

Shapes: D embedding.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from zsvideo.errors import UserError
from zsvideo.names import encoded

CHUNK = 1 << 24  # bytes read at a time
BOM = b"\xef\xbb\xbf"
FAULTS = (
    ValueError,
    EOFError,
    OSError,
    LookupError,
    AttributeError,
    AssertionError,
    TypeError,
    struct.error,
    zlib.error,
)
GZIP, FASTTEXT = b"\x1f\x8b", (793712314).to_bytes(4, "little")
FORMATS = "word2vec (binary or text), GloVe text, fastText (.vec or .bin), these as .gz"


@dataclass(frozen=True)
class WordTable:
    """Words with their vectors.

    Attributes:
        vector_size: D.
        rows: word to its vector (D,) float32.
    """

    vector_size: int
    rows: Mapping[str, np.ndarray]

    def __contains__(self, word: str) -> bool:
        return word in self.rows

    def __getitem__(self, word: str) -> np.ndarray:
        return self.rows[word]


def read_vectors(path: Path, wanted: Set[str]) -> WordTable:
    """Read the vectors of the wanted words that the file has.

    Args:
        path: word2vec binary or text, GloVe text, fastText `.vec` or `.bin`, each also gzipped
            (fastText's `.bin` not).
        wanted: the words needed.

    Raises:
        UserError: the file is none of these, or damaged.
    """
    if path.suffix == ".kv":
        raise UserError(
            f"semantics.path={path} is a pickle of gensim, which could run any code; if it is your "
            "own, convert it once: python -c 'from gensim.models import KeyedVectors as K; K.load("
            f'"{path}").save_word2vec_format("{path.with_suffix(".bin")}", binary=True)\''
        )
    try:
        with path.open("rb") as plain:
            start = plain.read(4)
        if start == FASTTEXT:
            from gensim.models.fasttext import load_facebook_vectors

            loaded = load_facebook_vectors(str(path))
            known = sorted(wanted & loaded.key_to_index.keys())
            return WordTable(loaded.vector_size, {word: loaded[word] for word in known})
        zipped = start.startswith(GZIP)
        with cast(BinaryIO, gzip.open(path)) if zipped else path.open("rb") as file:
            head = file.read(CHUNK).removeprefix(BOM)
            header = re.match(rb"(\d+)[ \t]+(\d+)[ \t]*\r?\n", head)
            body = head[header.end() :] if header else head
            size = int(header[2]) if header else len(body.split(b"\n", 1)[0].split()) - 1
            file.seek(0)
            file.seek((3 if file.read(3) == BOM else 0) + (header.end() if header else 0))
            if is_text_row(body, size):
                return scan_text(file, wanted, size, int(header[1]) if header else None)
            if header:
                return scan_binary(file, wanted, int(header[1]), size)
            raise ValueError("neither numbers nor a header in its first line")
    except FAULTS as error:
        raise UserError(
            f"{path} (semantics.path) is no file of word vectors ({error}); known: {FORMATS}"
        ) from None


def is_text_row(body: bytes, size: int) -> bool:
    """Tell whether a file goes on with a word and `size` numbers as text."""
    parts = body.split(b"\n", 1)[0].split()
    with suppress(ValueError):
        return size > 0 and len(parts) > size and all(float(p) < np.inf for p in parts[-size:])
    return False


def scan_binary(file: BinaryIO, wanted: Set[str], count: int, size: int) -> WordTable:
    """Walk through a word2vec binary file, after its header, and keep the wanted words.

    For each word the file has its bytes, a space, D float32, and in some files a line end.
    """
    keys = {encoded(word): word for word in wanted}
    rows: dict[str, np.ndarray] = {}
    step = 4 * size + 1  # from the space after a word to the next word
    data, start = b"", 0
    for _ in range(count):
        space = data.find(b" ", start)
        if space < 0 or space + step > len(data):
            data, start = data[start:] + file.read(CHUNK), 0
            space = data.find(b" ")
            if space < 0 or space + step > len(data):
                raise ValueError(f"it ends before its {count} words")
        word = data[start:space]
        if word[:1] == b"\n":
            word = word[1:]
        if word in keys and keys[word] not in rows:
            rows[keys[word]] = np.frombuffer(data[space + 1 : space + step], np.float32)
        start = space + step
    return WordTable(size, rows)


def scan_text(file: BinaryIO, wanted: Set[str], size: int, count: int | None) -> WordTable:
    """Walk through lines of a word and D numbers, after any header, and keep the wanted words.

    Some GloVe files have words with spaces, and words that are nothing but spaces; such lines are
    passed over.

    Raises:
        ValueError: a line has not D numbers, or there are fewer lines than announced.
    """
    keys = {encoded(word): word for word in wanted}
    rows: dict[str, np.ndarray] = {}
    lines = 0
    for line in file:
        row = line.strip()
        lines += bool(row)
        word = row.partition(b" ")[0].partition(b"\t")[0]
        if row.count(b" ") + row.count(b"\t") != size:  # more than one word, or ragged
            numbers = row.split()[1:]
            more = numbers[: max(len(numbers) - size, 0)]
            if line[:1].isspace() or not row or not all(map(is_number, more)):
                continue
            if len(numbers) != size:
                raise ValueError(
                    f"row {lines}, {word[:40].decode(errors='replace')!r}, has {len(numbers)} "
                    f"numbers where {size} are expected"
                )
        if word in keys and keys[word] not in rows:
            rows[keys[word]] = np.array(row.split()[1:], np.float32)
    if count is not None and lines < count:
        raise ValueError(f"it ends before its {count} words")
    return WordTable(size, rows)


def is_number(text: bytes) -> bool:
    """Tell whether a field of a line is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
