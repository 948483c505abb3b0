"""ActivityNet-1.3: 200 activities in untrimmed videos (Caba Heilbron et al., 2015)."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from zsvideo.data.datasets.base import Archive, VideoSet
from zsvideo.data.datasets.lists import read_text, respell
from zsvideo.data.layouts import files_below, say_left_out
from zsvideo.data.videos import Video, Videos
from zsvideo.errors import UserError
from zsvideo.options import Text, options

Segment = tuple[str, str, tuple[float, float]]  # key of its video, class, start and end in seconds


@options
class ActivityNet(VideoSet):
    """ActivityNet-1.3: the official JSON beside `videos/v_<id>.mp4`; each labelled segment counts.

    Videos of the unlabelled test subset have no segment and so take no part (Sec. 4.1: only the
    labelled frames).
    """

    table: Text | None = "activitynet"

    how = (
        "put activity_net.v1-3.min.json there and the videos, which activity-net.org/download.html "
        "gives on request, as videos/v_<id>.mp4"
    )
    lists = "activity_net.v1-3.min.json"
    archives = (
        Archive(
            "http://ec2-52-25-205-214.us-west-2.compute.amazonaws.com/files/"
            "activity_net.v1-3.min.json"
        ),
    )

    @cached_property
    def segments(self) -> dict[str, Segment]:
        """The labelled segments of the official list, by name; empty where no list is there."""
        lists = sorted(Path(self.root).expanduser().glob("activity_net*.json"))
        return {
            f"{key}/{number}": (key, label, window)
            for key, listed in (read_segments(lists[0]) if lists else {}).items()
            for number, (label, window) in enumerate(listed)
        }

    def find(self) -> Videos:
        """List the labelled segments whose video is there, by time window."""
        if not self.segments:
            raise UserError(
                f"no activity_net*.json under {self.folder} ({self.option}); {self.how}"
            )
        below = files_below(self.folder)
        files = {file.stem: file for file in below}
        files |= {stem.removeprefix("v_"): file for stem, file in files.items()}
        keys = {key for key, _, _ in self.segments.values()}
        others = [f for f in below if not {f.stem, f.stem.removeprefix("v_")} & keys]
        say_left_out(self.folder, others, "have no labelled segment")
        return self.official(
            [
                Video(name, str(files[key]), label, window)
                for name, (key, label, window) in self.segments.items()
                if key in files
            ]
        )

    def empty_folders(self) -> list[str]:
        """Folders are no classes here."""
        return []

    def published(self, videos: Sequence[Video]) -> int | None:
        """Count the labelled segments of the official list."""
        return len(self.segments) or None

    def estimated_videos(self) -> int:
        """Return the number of the paper (Sec. 4.1)."""
        return 27_801

    def official_list(self) -> dict[str, str] | None:
        """Return the labelled segments."""
        return respell({name: label for name, (_, label, _) in self.segments.items()}, self.table)


def read_segments(file: Path) -> dict[str, list[tuple[str, tuple[float, float]]]]:
    """Read the JSON of ActivityNet: the labelled segments of each video, with start and end.

    Raises:
        UserError: it is none.
    """
    try:
        database: dict[str, Any] = json.loads(read_text(file))["database"]
        return {
            key: [
                (str(a["label"]), (float(a["segment"][0]), float(a["segment"][1])))
                for a in entry.get("annotations", [])
            ]
            for key, entry in sorted(database.items())
        }
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"{file} is no list of ActivityNet: a database of videos with annotations "
            f"({type(error).__name__}: {error}); fetch it anew"
        ) from None
