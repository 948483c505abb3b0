"""The data sets of the paper (Sec. 4.1), each in the layout its authors publish."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsvideo.data.clips import ClipSpec
from zsvideo.data.datamodule import LoaderSpec, VideoDataModule
from zsvideo.data.layouts import (
    IMAGE_FILES,
    Video,
    class_folders,
    files_below,
    published_root,
    spell,
)
from zsvideo.data.official import read_clips, read_lines, read_segments, respell
from zsvideo.data.synthetic import DOMAINS, domain_classes, domain_folder, generate
from zsvideo.errors import UserError
from zsvideo.semantics.words import class_names

MARKED = r"(\S.*?)\s+([012])"  # a line of HMDB51's lists


class SplitDataModule(VideoDataModule):
    """A data set with three official splits into training and test videos."""

    def __init__(self, split: str | None = None, **options: Any) -> None:
        """Find the videos of the set, or of one part of an official split.

        Args:
            split: `train1` to `test3`; None for all videos.
            options: see `VideoDataModule`.

        Raises:
            UserError: there is no such part, or its lists do not lie with the data.
        """
        if split is not None and not re.fullmatch("(train|test)[123]", str(split)):
            raise UserError(f"split={split} is unknown; allowed: null, train1 ... test3")
        super().__init__(**options)
        self.given = Path(options["root"]).expanduser().absolute()
        if split is None:
            return
        if not (files := self.listed(split[:-1], split[-1])):
            raise UserError(
                f"no lists of split {split} under {self.root} ({self.option}); put the official "
                f"split files of {self.name} there"
            )
        self.videos = [v for v in self.videos if self.listed_name(v) in files]
        self.published = len(files)

    def test_splits(self) -> list[set[str]] | None:
        """List the file names in each of the three test splits; None unless all lists are there."""
        splits = [self.listed("test", number) for number in "123"]
        return splits if all(splits) else None

    def listed(self, part: str, number: str) -> set[str]:
        """Read the file names of one part of a split."""
        raise AssertionError

    def listed_name(self, video: Video) -> str:
        """Name the file: the lists do, and file names are unique in these sets."""
        return video.id.rsplit("/", 1)[-1]

    def find_lists(self, pattern: str) -> list[Path]:
        """Find the lists, under the root or in a folder beside it."""
        return sorted(self.given.rglob(pattern)) or sorted(self.given.parent.glob(f"*/{pattern}"))


class UCF101DataModule(SplitDataModule):
    """UCF101: `<ClassName>/v_<ClassName>_gNN_cNN.avi`, also inside the archive's `UCF-101`.

    Split lists are `trainlist0N.txt` and `testlist0N.txt`.
    """

    published = 13_320
    how = "unpack UCF101.rar of crcv.ucf.edu/data/UCF101.php there"
    lists = "trainlist0N.txt and testlist0N.txt"

    def find(self) -> list[Video]:
        """List the videos."""
        self.root = published_root(self.root, self.table)
        return super().find()

    def listed(self, part: str, number: str) -> set[str]:
        """Read `<Class>/<file> [label]` a line."""
        return {name for _, name in self.read(f"{part}list0{number}*.txt")}

    def official_list(self) -> dict[str, str] | None:
        """Join the lists: each split has all videos."""
        named = self.read("t*list0[123]*.txt")
        return respell({name: folder for folder, name in named}, self.table)

    def read(self, pattern: str) -> list[tuple[str, str]]:
        """Read the class and the file name of each line of some lists."""
        return read_lines(self.find_lists(pattern), r"([^/]+)/(\S+)(?:\s+\d+)?")


class HMDB51DataModule(SplitDataModule):
    """HMDB51: `<class_name>/<file>.avi`; split lists are `<class_name>_test_splitN.txt`."""

    published = 6_766
    how = "unpack hmdb51_org.rar and the 51 class archives inside it there"
    lists = "<class>_test_splitN.txt"

    def listed(self, part: str, number: str) -> set[str]:
        """Read `<file> <1 for training, 2 for testing, 0 for neither>` a line."""
        wanted = "1" if part == "train" else "2"
        marked = read_lines(self.find_lists(f"*_test_split{number}.txt"), MARKED)
        return {name for name, mark in marked if mark == wanted}

    def official_list(self) -> dict[str, str] | None:
        """Join the lists: those of a class, in any split, name all of its videos."""
        folders: dict[str, str] = {}
        for file in self.find_lists("*_test_split[123].txt"):
            name = re.sub(r"_test_split.$", "", file.stem)
            folders |= {listed: name for listed, _ in read_lines([file], MARKED)}
        return respell(folders, self.table)


class KineticsDataModule(VideoDataModule):
    """Kinetics-400, -600 or -700: `<youtube id>_<start>_<end>.mp4`, also inside `train`.

    The files lie in one folder a class, or anywhere beside the official CSV, which then says the
    classes; of its columns `label` and `youtube_id` are needed.
    """

    how = "put its training videos there as train/<class name>/<id>_<start>_<end>.mp4"
    lists = "train.csv (columns youtube_id, label)"
    labels: Mapping[str, str] = {}  # class by clip in the official list, see `read_clips`
    clips_of: Mapping[str, str] = {}  # clip by YouTube id

    def find(self) -> list[Video]:
        """List the training videos."""
        self.published = 541_624 if self.table == "kinetics700" else None  # Sec. 4.1
        given, self.root = self.root, published_root(self.root, self.table)
        split = "train" if self.root != given else ""
        read = [read_clips(file, split) for file in sorted(given.glob("*.csv"))]
        self.labels = {clip: label for labels in read for clip, label in labels.items()}
        self.clips_of = {youtube_id(clip): clip for clip in reversed(self.labels)}
        named = [(file, self.clip(file.stem)) for file in files_below(self.root)]
        if not any(file.parent == self.root or clip in self.labels for file, clip in named):
            return super().find()
        labelled = [(f, self.labels[clip]) for f, clip in named if clip in self.labels]
        return self.official([Video(f"{name}/{f.name}", str(f), name) for f, name in labelled])

    def official_list(self) -> dict[str, str] | None:
        """Give the official list beside the videos; of `train` its own part."""
        return respell(self.labels, self.table)

    def listed_name(self, video: Video) -> str:
        """Name the clip."""
        return self.clip(Path(video.id).stem)

    def clip(self, stem: str) -> str:
        """Name a file as the list does: `<id>_000010_000020`, `<id>`, or either after `v_`."""
        for name in (stem, stem.removeprefix("v_")):
            if name in self.labels:
                return name
            if (short := youtube_id(name)) in self.clips_of:
                return self.clips_of[short]
        return stem


def youtube_id(clip: str) -> str:
    """Take the YouTube id from `<id>_000010_000020` or `<id>`."""
    return re.sub(r"_\d{6}_\d{6}$", "", clip)


class ActivityNetDataModule(VideoDataModule):
    """ActivityNet-1.3: the official JSON beside `videos/v_<id>.mp4`; each labelled segment counts.

    Videos of the unlabelled test subset have no segment and so take no part (Sec. 4.1: only the
    labelled frames).
    """

    how = (
        "put activity_net.v1-3.min.json there and the videos, which activity-net.org/download.html "
        "gives on request, as videos/v_<id>.mp4"
    )
    lists = "activity_net.v1-3.min.json"
    listed: Mapping[str, str] = {}  # class by segment

    def find(self) -> list[Video]:
        """List the labelled segments whose video is there, by time window."""
        lists = sorted(self.root.glob("activity_net*.json"))
        if not lists:
            raise UserError(f"no activity_net*.json under {self.root} ({self.option}); {self.how}")
        database = read_segments(lists[0])
        files = {file.stem: file for file in files_below(self.root)}
        files |= {stem.removeprefix("v_"): file for stem, file in files.items()}
        listed = {
            f"{key}/{number}": (key, label, window)
            for key, segments in database.items()
            for number, (label, window) in enumerate(segments)
        }
        self.listed = {name: label for name, (_, label, _) in listed.items()}
        self.published = len(listed)
        segments = [
            Video(name, str(files[key]), label, window)
            for name, (key, label, window) in listed.items()
            if key in files
        ]
        return spell(segments, class_names("activitynet"), self.root)

    def official_list(self) -> dict[str, str] | None:
        """Give the labelled segments."""
        return respell(self.listed, "activitynet")


class SUN397DataModule(VideoDataModule):
    """SUN397: `<letter>/<class>/*.jpg`, `<letter>/<class>/<kind>/*.jpg`, as synthetic video.

    Each image is a training clip by the Ken Burns effect (Sec. 4.1), a new one each epoch. Without
    a class table these are anyone's images, in one folder a class.
    """

    published: int | None = 108_754
    how = "unpack SUN397.tar.gz there"

    def find(self) -> list[Video]:
        """List the images by their folder, which is their class."""
        if self.table is None:
            self.published = None
            return class_folders(self.root, IMAGE_FILES)
        if (self.root / "SUN397").is_dir():
            self.root = self.root / "SUN397"
        below = files_below(self.root, IMAGE_FILES)
        images = [file for file in below if file.parent != self.root]
        paths = [file.relative_to(self.root).as_posix() for file in images]
        return self.official(
            [
                Video(path, str(file), path.rsplit("/", 1)[0])
                for path, file in zip(paths, images, strict=True)
            ]
        )


class SyntheticDataModule(VideoDataModule):
    """Generated videos of moving shapes, written as real files before they are read.

    Source and target share words but, the planted classes aside, no class; they differ in codec,
    frame size, frame rate, background and noise.
    """

    how = "it is generated; choose a folder that can be written"

    def __init__(
        self,
        root: str,
        domain: str,
        videos: int,
        target_classes: int,
        planted: int,
        data_seed: int,
        video_seed: int | None,
        clips: ClipSpec,
        loader: LoaderSpec,
        seed: int,
        option: str,
    ) -> None:
        """Write the videos, unless they are there already.

        Args:
            root: folder for generated sets; each setting has its own inside, made once.
            domain: `source`, `target` or `stills`.
            videos: a class.
            target_classes: classes held out for the target.
            planted: target classes that the source holds too, for the protocol to remove.
            data_seed: of classes and videos.
            video_seed: of the videos alone, for other videos of the same classes.
            clips: what a clip is.
            loader: how clips are loaded.
            seed: of the clips and of the order of training.
            option: the config key of `root`, for messages.
        """
        names = domain_classes(domain, target_classes, planted, data_seed)
        drawn = data_seed if video_seed is None else video_seed
        folder = domain_folder(Path(root), domain, names, videos, drawn)
        try:
            generate(folder, names, videos, domain, drawn)
        except OSError as error:
            raise UserError(
                f"cannot write generated videos to {root} ({option}): {error}"
            ) from None
        self.suffix = DOMAINS[domain].suffix
        super().__init__(str(folder), None, clips, loader, seed, option)
        self.name = "synthetic"

    def find(self) -> list[Video]:
        """List what was generated."""
        files = sorted(self.root.glob(f"*/*.{self.suffix}"))
        return [Video(f"{f.parent.name}/{f.name}", str(f), f.parent.name) for f in files]
