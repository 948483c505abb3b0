"""What lies under a data set's root: folders of classes, and names as the data set spells them."""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zsvideo.errors import UserError

log = logging.getLogger(__name__)

IMAGE_FILES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")
VIDEO_FILES = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv")


@dataclass(frozen=True)
class Video:
    """One video, or one labelled window of it.

    Attributes:
        id: name inside its data set, unique and stable, such as `Archery/v_Archery_g01_c01.avi`.
        path: the file.
        label: class name as the data set spells it; empty where it is unknown.
        window: start and end in seconds, for untrimmed videos.
        frames: number of frames that decode, where it is known.
        claimed: number of frames that the original's container claims, where it is known.
    """

    id: str
    path: str
    label: str = ""
    window: tuple[float, float] | None = None
    frames: int | None = None
    claimed: int | None = None


def files_below(
    root: Path,
    suffixes: Sequence[str] = VIDEO_FILES,
    unlisted: Callable[[OSError], None] | None = None,
) -> list[Path]:
    """List the files of some kinds at any depth, sorted; links are followed, hidden ones not.

    Args:
        root: where to begin.
        suffixes: of the kinds.
        unlisted: takes the error of a folder that cannot be listed, which else is passed over.
    """
    files, folders = [], set()
    for folder, inner, names in os.walk(root, onerror=unlisted, followlinks=True):
        inner[:] = [name for name in inner if not name.startswith(".")]
        if (real := os.path.realpath(folder)) in folders:  # a link to a folder above it
            inner.clear()
            continue
        folders.add(real)
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(file for file in files if file.suffix.lower() in suffixes)


def class_folders(root: Path, suffixes: Sequence[str] = VIDEO_FILES) -> list[Video]:
    """List the videos of `root/<class>/<file>`, sorted; hidden files are passed over."""
    return [
        Video(f"{folder.name}/{file.name}", str(file), folder.name)
        for folder in sorted(root.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in suffixes and not file.name.startswith(".")
    ]


def warn_of_others(
    videos: Sequence[Video], root: Path, suffixes: Sequence[str] = VIDEO_FILES
) -> None:
    """Warn of files of some kinds that lie elsewhere under the root than in a class folder."""
    listed = {video.path for video in videos}
    if others := [file for file in files_below(root, suffixes) if str(file) not in listed]:
        log.warning(
            "%s: %d videos do not lie in ROOT/<class>/ and are left out, such as %s; to take them, "
            "list them in a CSV file with columns path and class (source=csv, target=[csv])",
            root,
            len(others),
            others[0].relative_to(root),
        )


def distinct(videos: Sequence[Video]) -> list[Video]:
    """Leave out, and tell, videos with the name of another one, such as a copy elsewhere."""
    first = {video.id: video for video in reversed(videos)}
    if doubles := len(videos) - len(first):
        names = [name for name, count in Counter(v.id for v in videos).items() if count > 1]
        log.warning(
            "%d videos have the name of another one and are left out: %s%s",
            doubles,
            ", ".join(names[:5]),
            " ..." if len(names) > 5 else "",
        )
    return [video for video in videos if first[video.id] is video]


def spell(videos: Sequence[Video], class_names: Sequence[str], root: Path) -> list[Video]:
    """Spell the classes of videos officially; leave out folders that are no class.

    Spaces, underscores and case do not count: `riding_a_bike` is `riding a bike`.
    """
    official = {spelling_key(name): name for name in class_names}
    strangers = Counter(v.label for v in videos if spelling_key(v.label) not in official)
    if strangers:
        names = ", ".join(sorted(strangers)[:5])
        log.warning(
            "%s: %d folders are no class of it and are left out: %s%s",
            root,
            len(strangers),
            names,
            " ..." if len(strangers) > 5 else "",
        )
    return [
        replace(v, label=official[spelling_key(v.label)])
        for v in videos
        if v.label not in strangers
    ]


def spelling_key(name: str) -> str:
    """Reduce a class name to its letters, digits and brackets, in lower case."""
    return re.sub(r"[\s_/]+", "", name).lower()


def empty_classes(root: Path, suffixes: Sequence[str] = VIDEO_FILES) -> list[str]:
    """List the folders of `root` without a single file of some kinds."""
    full = {video.label for video in class_folders(root, suffixes)}
    folders = [f.name for f in sorted(root.iterdir()) if f.is_dir() and not f.name.startswith(".")]
    return [name for name in folders if name not in full]


def existing_root(root: str | Path, name: str, option: str, how: str) -> Path:
    """Check that a data set is there.

    Raises:
        UserError: what is missing, where it was looked for, and how to get it.
    """
    folder = Path(root).expanduser()
    if folder.suffix.lower() == ".csv" and folder.is_file():
        return folder
    if not folder.is_dir() or not any(folder.iterdir()):
        raise UserError(
            f"{name} is not at {folder} ({option}); {how}, or point {option}=FOLDER or "
            "paths.data=FOLDER at it"
        )
    return folder
