"""What of a data set is there, class by class, and what the official list says is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from zsvideo.data.datasets.base import Listing, VideoSet

COLUMNS = ("class", "found", "usable", "expected", "missing")


def missing_videos(videos: VideoSet, listing: Listing) -> list[dict[str, str]] | None:
    """List the videos of the official list that are not there: name and class.

    Returns:
        None where no official list lies with the data.
    """
    official = videos.official_list()
    if official is None:
        return None
    present = {videos.listed_name(video) for video in listing.videos}
    return [{"name": n, "class": c} for n, c in sorted(official.items()) if n not in present]


def by_class(
    videos: VideoSet, listing: Listing, rows: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Count each class: videos found, usable, expected and missing.

    Args:
        videos: the data set.
        listing: its videos that are there.
        rows: of its manifest.

    Returns:
        A row a class, of all the set should have; `expected` and `missing` are empty where no
        official list lies with the data, so that only classes without any video can be told.
    """
    present = Counter(row["class"] for row in rows)
    usable = Counter(row["class"] for row in rows if row["status"] == "ok")
    official, lacking = videos.official_list(), missing_videos(videos, listing)
    classes = videos.class_list() if videos.table else listing.empty
    names = sorted({*classes, *present, *(official or {}).values()})
    expected = Counter((official or {}).values())
    missing = Counter(row["class"] for row in lacking or ())
    return [
        {
            "class": name,
            "found": present[name],
            "usable": usable[name],
            "expected": "" if official is None else expected[name],
            "missing": "" if official is None else missing[name],
        }
        for name in names
    ]
