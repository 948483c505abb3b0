"""What of a data set is there, class by class, and what the official list says is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.semantics.words import class_names

COLUMNS = ("class", "found", "usable", "expected", "missing")


def missing_videos(module: VideoDataModule) -> list[dict[str, str]] | None:
    """List the videos of the official list that were not found: name and class.

    Returns:
        None where no official list lies with the data.
    """
    listed = module.official_list()
    if listed is None:
        return None
    found = {module.listed_name(video) for video in module.videos}
    return [{"name": n, "class": c} for n, c in sorted(listed.items()) if n not in found]


def by_class(module: VideoDataModule, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count each class: videos found, usable, expected and missing.

    Args:
        module: the data set.
        rows: of its manifest.

    Returns:
        A row a class, of all the set should have; `expected` and `missing` are empty where no
        official list lies with the data, so that only classes without any video can be told.
    """
    found = Counter(row["class"] for row in rows)
    usable = Counter(row["class"] for row in rows if row["status"] == "ok")
    listed, lacking = module.official_list(), missing_videos(module)
    classes = class_names(module.table) if module.table else module.empty
    names = sorted({*classes, *found, *(listed or {}).values()})
    expected = Counter((listed or {}).values())
    missing = Counter(row["class"] for row in lacking or ())
    return [
        {
            "class": name,
            "found": found[name],
            "usable": usable[name],
            "expected": "" if listed is None else expected[name],
            "missing": "" if listed is None else missing[name],
        }
        for name in names
    ]
