"""Kinetics-400, -600 and -700 (Kay et al., 2017; Carreira et al., 2018 and 2019)."""

import csv
import io
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from zsvideo.data.datasets.base import Archive, VideoSet
from zsvideo.data.datasets.lists import read_text, respell
from zsvideo.data.layouts import files_below, is_listed, say_left_out
from zsvideo.data.videos import Video, Videos
from zsvideo.options import Text, options

ADDRESS = "https://s3.amazonaws.com/kinetics"


@options
class Kinetics(VideoSet):
    """Kinetics: `<youtube id>_<start>_<end>.mp4`, also inside `train`.

    The files lie in one folder a class, or anywhere beside the official CSV, which then says the
    classes; of its columns `label` and `youtube_id` are needed. It lies in the root, or as in the
    copy of the Common Visual Data Foundation in `annotations`.
    """

    how = (
        "put its training videos there as train/<class name>/<id>_<start>_<end>.mp4, or without "
        "class folders beside the official train.csv or annotations/train.csv, which names the "
        "label of each youtube_id"
    )
    lists = "train.csv (columns youtube_id, label)"
    inner = "train"
    sizes = {"kinetics400": 240_436, "kinetics600": 390_000}  # about, of training videos

    def published(self, videos: Sequence[Video]) -> int | None:
        """Count the videos that the paper trains on (Sec. 4.1)."""
        return 541_624 if self.table == "kinetics700" else None

    def estimated_videos(self) -> int:
        """Estimate the training videos."""
        return self.published(()) or self.sizes.get(self.table or "", 0)

    @cached_property
    def labels(self) -> dict[str, str]:
        """Class by clip in the official lists beside the videos; of `train` its own part."""
        root = Path(self.root).expanduser()
        split = "train" if self.folder != root else ""
        files = [*root.glob("*.csv"), *(root / "annotations").glob("*.csv")]
        read = [read_annotations(file, split) for file in sorted(files)]
        return {clip: label for labels in read for clip, label in labels.items()}

    @cached_property
    def clips_by_id(self) -> dict[str, str]:
        """Clip in the official lists by YouTube id, the first of several."""
        return {youtube_id(clip): clip for clip in reversed(self.labels)}

    def find(self) -> Videos:
        """List the training videos."""
        if not self.by_list:
            return VideoSet.find(self)
        named = [(f, self.labels.get(self.clip(f.stem))) for f in files_below(self.folder)]
        strangers = [f for f, name in named if self.labels and name is None]
        say_left_out(self.folder, strangers, f"are not in the lists of {self.root}")
        return self.official(Video(f"{name}/{f.name}", str(f), name) for f, name in named if name)

    @cached_property
    def by_list(self) -> bool:
        """Whether an official list says the classes, and not the folders."""
        if any(is_listed(name) for name in os.listdir(self.folder)):
            return True
        files = files_below(self.folder) if self.labels else []
        return any(self.clip(file.stem) in self.labels for file in files)

    def empty_folders(self) -> list[str]:
        """List the class folders without a video, where classes are folders."""
        return [] if self.by_list else VideoSet.empty_folders(self)

    def official_list(self) -> dict[str, str] | None:
        """Return the official list beside the videos; of `train` its own part."""
        return respell(self.labels, self.table)

    def listed_name(self, video: Video) -> str:
        """Return the name of the clip."""
        return self.clip(Path(video.id).stem)

    def clip(self, stem: str) -> str:
        """Name a file as the list does: `<id>_000010_000020`, `<id>`, or either after `v_`."""
        for name in (stem, stem.removeprefix("v_")):
            if name in self.labels:
                return name
            if (short := youtube_id(name)) in self.clips_by_id:
                return self.clips_by_id[short]
        return stem


def addresses(folder: str, name: str) -> tuple[Archive, ...]:
    """Return the list of training videos and the list of their archives."""
    return (
        Archive(f"{ADDRESS}/{folder}/annotations/train.csv"),
        Archive(f"{ADDRESS}/{folder}/train/{name}_train_path.txt", "train"),
    )


@options
class Kinetics400(Kinetics):
    """Kinetics-400."""

    table: Text | None = "kinetics400"
    archives = addresses("400", "k400")


@options
class Kinetics600(Kinetics):
    """Kinetics-600."""

    table: Text | None = "kinetics600"
    archives = addresses("600", "k600")


@options
class Kinetics700(Kinetics):
    """Kinetics-700."""

    table: Text | None = "kinetics700"
    archives = addresses("700_2020", "k700_2020")


def youtube_id(clip: str) -> str:
    """Take the YouTube id from `<id>_000010_000020` or `<id>`."""
    return re.sub(r"_\d{6}_\d{6}$", "", clip)


def read_annotations(file: Path, split: str) -> dict[str, str]:
    """Read a CSV of Kinetics: class by clip, `<id>_<start>_<end>`, or `<id>` where it has no times.

    Args:
        file: its columns `youtube_id` and `label` are needed; without them it lists nothing.
        split: leave out rows that are said to be of another split; empty for all.

    Raises:
        UserError: it is no text.
    """
    labels = {}
    for row in csv.DictReader(io.StringIO(read_text(file)), skipinitialspace=True):
        ours = not split or row.get("split") in (None, "", split)
        if ours and row.get("youtube_id") and row.get("label"):
            try:
                times = [int(float(row[key])) for key in ("time_start", "time_end")]
            except (KeyError, TypeError, ValueError):
                times = []
            labels["_".join([row["youtube_id"], *(f"{t:06d}" for t in times)])] = row["label"]
    return labels
