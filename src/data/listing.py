"""Which classes a config's data set has, without its videos where a class table knows them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.data.layouts import class_folders, existing_root
from src.data.synthetic import domain_classes
from src.errors import UserError
from src.semantics.words import class_names


def listed_classes(videos: Mapping[str, Any], option: str) -> tuple[str, list[str]]:
    """Name a data set and list its classes.

    Args:
        videos: config of a source or target: a class `table`; or a generated `domain`; or a `root`,
            the folder of class folders, or a text file with one class name a line.
        option: the config key of the root, for messages.

    Raises:
        UserError: nothing says which classes there are.
    """
    if videos.get("table"):
        return videos["table"], list(class_names(videos["table"]))
    if "domain" in videos:
        keys = ("domain", "target_classes", "planted", "data_seed")
        return "synthetic", domain_classes(*(videos[key] for key in keys))
    root = Path(videos["root"]).expanduser()
    if root.is_file():
        names = [line.strip() for line in root.read_text(encoding="utf-8").splitlines()]
        found = sorted({name for name in names if name})
    else:
        root = existing_root(root, "folder", option, "put the videos into one folder a class")
        found = sorted({video.label for video in class_folders(root)})
    if not found:
        raise UserError(
            f"no classes at {root} ({option}); give a folder of class folders with videos, or a "
            "text file with one class name a line"
        )
    return "folder", found
