"""The data sets of the paper (Sec. 4.1), each in the layout its authors publish."""

import csv
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from src.data.clips import ClipSpec
from src.data.datamodule import LoaderSpec, VideoDataModule
from src.data.kenburns import is_image
from src.data.layouts import VIDEO_FILES, Video, published_root, spell
from src.data.synthetic import domain_classes, domain_folder, generate
from src.errors import UserError
from src.semantics.words import class_names


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
        self.videos = [v for v in self.videos if v.id.rsplit("/", 1)[-1] in files]
        self.published = len(files)

    def test_splits(self) -> list[set[str]] | None:
        """List the file names in each of the three test splits; None unless all lists are there."""
        splits = [self.listed("test", number) for number in "123"]
        return splits if all(splits) else None

    def listed(self, part: str, number: str) -> set[str]:
        """Read the file names of one part of a split."""
        raise AssertionError

    def lists(self, pattern: str) -> list[Path]:
        """Find the lists, under the root or in a folder beside it."""
        return sorted(self.given.rglob(pattern)) or sorted(self.given.parent.glob(f"*/{pattern}"))


class UCF101DataModule(SplitDataModule):
    """UCF101: `<ClassName>/v_<ClassName>_gNN_cNN.avi`, also inside the archive's `UCF-101`.

    Split lists are `trainlist0N.txt` and `testlist0N.txt`.
    """

    published = 13_320
    how = "unpack UCF101.rar of crcv.ucf.edu/data/UCF101.php there"

    def find(self) -> list[Video]:
        """List the videos."""
        self.root = published_root(self.root, self.table)
        return super().find()

    def listed(self, part: str, number: str) -> set[str]:
        """Read `<Class>/<file> [label]` a line."""
        lines = [line for file in self.lists(f"{part}list0{number}*.txt")
                 for line in file.read_text(encoding="utf-8").splitlines()]  # fmt: skip
        return {line.split()[0].rsplit("/", 1)[-1] for line in lines if line.strip()}


class HMDB51DataModule(SplitDataModule):
    """HMDB51: `<class_name>/<file>.avi`; split lists are `<class_name>_test_splitN.txt`."""

    published = 6_766
    how = "unpack hmdb51_org.rar and the 51 class archives inside it there"

    def listed(self, part: str, number: str) -> set[str]:
        """Read `<file> <1 for training, 2 for testing, 0 for neither>` a line."""
        wanted = "1" if part == "train" else "2"
        lines = [line for file in self.lists(f"*_test_split{number}.txt")
                 for line in file.read_text(encoding="utf-8").splitlines()]  # fmt: skip
        rows = [line.rsplit(None, 1) for line in lines if line.strip()]
        return {name for name, mark in rows if mark == wanted}


class KineticsDataModule(VideoDataModule):
    """Kinetics-400, -600 or -700: `<youtube id>_<start>_<end>.mp4`, also inside `train`.

    The files lie in one folder a class, or anywhere beside the official CSV, which then says the
    classes; of its columns `label` and `youtube_id` are needed.
    """

    how = "put its training videos there as <class name>/<id>_<start>_<end>.mp4"

    def find(self) -> list[Video]:
        """List the training videos."""
        self.published = 541_624 if self.table == "kinetics700" else None  # Sec. 4.1
        self.rows = self.listed()
        self.root = published_root(self.root, self.table)
        labels = dict(self.rows)
        files = [f for f in sorted(self.root.rglob("*")) if f.suffix.lower() in VIDEO_FILES]
        flat = [f for f in files if f.parent == self.root or youtube_id(f) in labels]
        if not labels or not flat:
            return super().find()
        return self.official(
            [
                Video(
                    f"{labels[youtube_id(file)]}/{file.name}", str(file), labels[youtube_id(file)]
                )
                for file in flat
                if youtube_id(file) in labels
            ]
        )

    def listed(self) -> list[tuple[str, str]]:
        """Read the official lists beside the videos: (youtube id, class) a row, those with both."""
        rows = []
        for file in sorted(self.root.glob("*.csv")):
            with file.open(newline="", encoding="utf-8-sig") as lines:
                for row in csv.DictReader(lines):
                    if row.get("youtube_id") and row.get("label"):
                        rows.append((row["youtube_id"], row["label"]))
        return rows

    def official_counts(self) -> Counter[str] | None:
        """Count the videos a class in the official list."""
        return Counter(label for _, label in self.rows) or None


def youtube_id(file: Path) -> str:
    """Take the id from a name such as `<id>_000010_000020.mp4`, `v_<id>.mp4` or `<id>.mp4`."""
    return re.sub(r"_\d{6}_\d{6}$", "", file.stem).removeprefix("v_")


class ActivityNetDataModule(VideoDataModule):
    """ActivityNet-1.3: the official JSON beside `videos/v_<id>.mp4`; each labelled segment counts.

    Videos of the unlabelled test subset have no segment and so take no part (Sec. 4.1: only the
    labelled frames).
    """

    how = "put activity_net.v1-3.min.json there and the videos as videos/v_<id>.mp4"

    def find(self) -> list[Video]:
        """List the labelled segments whose video is there, by time window."""
        lists = sorted(self.root.glob("activity_net*.json"))
        if not lists:
            raise UserError(f"no activity_net*.json under {self.root} ({self.option}); {self.how}")
        files = {
            file.stem.removeprefix("v_"): file
            for file in sorted((self.root / "videos").glob("*"))
            if file.suffix.lower() in VIDEO_FILES
        }
        database = json.loads(lists[0].read_text())["database"]
        self.published = sum(len(entry["annotations"]) for entry in database.values())
        segments = [
            Video(f"{key}/{number}", str(files[key]), a["label"], tuple(a["segment"]))
            for key, entry in sorted(database.items())
            if key in files
            for number, a in enumerate(entry["annotations"])
        ]
        return spell(segments, class_names("activitynet"), self.root)


class SUN397DataModule(VideoDataModule):
    """SUN397: `<letter>/<class>/*.jpg`, `<letter>/<class>/<kind>/*.jpg`, as synthetic video.

    Each image is a training clip by the Ken Burns effect (Sec. 4.1), a new one each epoch.
    """

    published = 108_754
    how = "unpack SUN397.tar.gz there"

    def find(self) -> list[Video]:
        """List the images by their folder, which is their class."""
        if (self.root / "SUN397").is_dir():
            self.root = self.root / "SUN397"
        images = [f for f in sorted(self.root.rglob("*")) if is_image(f) and f.parent != self.root]
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
            domain: `source` or `target`.
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
        super().__init__(str(folder), None, clips, loader, seed, option)
        self.name = "synthetic"
