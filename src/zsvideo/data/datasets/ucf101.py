"""UCF101: 101 actions, 13,320 videos (Soomro et al., 2012)."""

from zsvideo.data.datasets.base import Archive
from zsvideo.data.datasets.lists import read_lines, respell
from zsvideo.data.datasets.splits import SplitSet
from zsvideo.options import Text, options


@options
class UCF101(SplitSet):
    """UCF101: `<ClassName>/v_<ClassName>_gNN_cNN.avi`, also inside the archive's `UCF-101`."""

    table: Text | None = "ucf101"

    published_videos = 13_320
    how = "unpack UCF101.rar of crcv.ucf.edu/data/UCF101.php there"
    lists = "trainlist0N.txt and testlist0N.txt"
    inner = "UCF-101"
    archives = (
        Archive("https://www.crcv.ucf.edu/data/UCF101/UCF101.rar", size=6_932_971_618),
        Archive("https://www.crcv.ucf.edu/data/UCF101/UCF101TrainTestSplits-RecognitionTask.zip"),
    )

    def part(self, kind: str, number: str) -> set[str]:
        """Read `<Class>/<file> [label]` a line."""
        return {name for _, name in self.read(f"{kind}list0{number}*.txt")}

    def official_list(self) -> dict[str, str] | None:
        """Join the lists: each split has all videos."""
        named = self.read("t*list0[123]*.txt")
        return respell({name: folder for folder, name in named}, self.table)

    def read(self, pattern: str) -> list[tuple[str, str]]:
        """Read the class and the file name of each line of some lists."""
        return read_lines(self.find_lists(pattern), r"([^/]+)/(\S+)(?:\s+\d+)?")
