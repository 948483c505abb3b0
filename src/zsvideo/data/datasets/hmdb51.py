"""HMDB51: 51 actions, 6,766 videos (Kuehne et al., 2011)."""

import re

from zsvideo.data.datasets.base import Archive
from zsvideo.data.datasets.lists import read_lines, respell
from zsvideo.data.datasets.splits import SplitSet
from zsvideo.options import Text, options

MARKED = r"(\S.*?)\s+([012])"  # a line of the lists: 1 for training, 2 for testing, 0 for neither


@options
class HMDB51(SplitSet):
    """HMDB51: `<class_name>/<file>.avi`; split lists are `<class_name>_test_splitN.txt`."""

    table: Text | None = "hmdb51"

    published_videos = 6_766
    how = "unpack hmdb51_org.rar and the 51 class archives inside it there"
    lists = "<class>_test_splitN.txt"
    archives = (
        Archive("https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/hmdb51_org.rar"),
        Archive(
            "https://serre-lab.clps.brown.edu/wp-content/uploads/2013/10/test_train_splits.rar",
            checksum="md5:15e67781e70dcfbdce2d7dbb9b3344b5",
        ),
    )

    def part(self, kind: str, number: str) -> set[str]:
        """Read the files that the lists of all classes mark as of the part."""
        wanted = "1" if kind == "train" else "2"
        marked = read_lines(self.find_lists(f"*_test_split{number}.txt"), MARKED)
        return {name for name, mark in marked if mark == wanted}

    def official_list(self) -> dict[str, str] | None:
        """Join the lists: those of a class, in any split, name all of its videos."""
        classes: dict[str, str] = {}
        for file in self.find_lists("*_test_split[123].txt"):
            name = re.sub(r"_test_split.$", "", file.stem)
            classes |= {listed: name for listed, _ in read_lines([file], MARKED)}
        return respell(classes, self.table)
