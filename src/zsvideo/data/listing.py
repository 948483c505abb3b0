"""Which classes a config's data set has, without its videos where a class table knows them."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zsvideo.data.layouts import IMAGE_FILES, class_folders, existing_root, published_root
from zsvideo.data.synthetic import domain_classes, domain_folder
from zsvideo.errors import UserError
from zsvideo.semantics.words import class_names


def listed_classes(videos: Mapping[str, Any], option: str) -> tuple[str, list[str]]:
    """Name a data set and list its classes.

    Args:
        videos: config of a source or target: a class `table`; or a generated `domain`; or a
            `root`: the folder of class folders, a manifest with a column `class`, or a text file
            with one class name a line.
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
        found = sorted({name for name in names_in(root, option) if name})
    else:
        root = existing_root(root, "folder", option, "put the videos into one folder a class")
        files = class_folders(root) or class_folders(root, IMAGE_FILES)
        found = sorted({video.label for video in files})
    if not found:
        raise UserError(
            f"no classes at {root} ({option}); give a folder of class folders with videos, or a "
            "text file with one class name a line"
        )
    return "folder", found


def names_in(file: Path, option: str) -> list[str]:
    """Read class names: the column `class` or `label` of a manifest (CSV), or one a line.

    Raises:
        UserError: the file is no text, or a manifest without classes.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option}={file} cannot be read as text ({error})") from None
    rows = list(csv.DictReader(lines)) if file.suffix.lower() == ".csv" else []
    if not rows:
        return [line.strip() for line in lines]
    column = next((c for c in ("class", "label") if c in rows[0]), None)
    if column is None:
        raise UserError(f"{option}={file} has no column class or label; name the classes there")
    return [(row[column] or "").strip() for row in rows]


def videos_root(videos: Mapping[str, Any]) -> str:
    """Give the folder or manifest whose files a data set would load.

    Args:
        videos: config of a source or target.
    """
    root = Path(videos["root"]).expanduser()
    if "domain" in videos:
        _, names = listed_classes(videos, "")
        keys = ("videos", "data_seed")
        return str(domain_folder(root, videos["domain"], names, *(videos[k] for k in keys)))
    return str(published_root(root, videos.get("table")))
