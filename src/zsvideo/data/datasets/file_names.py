"""Data sets whose file names say the class; where a file lies does not count."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.layouts import files_below, say_left_out
from zsvideo.data.videos import Video, Videos
from zsvideo.options import options


@options
class NamedFiles(VideoSet):
    """A data set whose file names hold a code of the class.

    Class attributes:
        pattern: of a file's name without its ending, in lower case, with a group `code`.
        codes: of the classes, as their names.
    """

    pattern: ClassVar[str]
    codes: ClassVar[Mapping[str, str]]

    def find(self) -> Videos:
        """List the videos by the code in their names; other files are no videos of this set."""
        matches = [(f, self.match(f.name)) for f in files_below(self.folder)]
        named = [(f, self.codes[match["code"]]) for f, match in matches if match]
        strangers = [f for f, match in matches if not match]
        say_left_out(self.folder, strangers, "are not named as in this set")
        return self.official([Video(f"{name}/{f.name}", str(f), name) for f, name in named])

    def empty_folders(self) -> list[str]:
        """Folders are no classes here."""
        return []

    def match(self, name: str) -> re.Match[str] | None:
        """Take the name of a file apart; None where it is no file of this set."""
        return re.fullmatch(self.pattern, Path(name).stem.lower())
