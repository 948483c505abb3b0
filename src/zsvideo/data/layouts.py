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
VIDEO_ENDINGS = (
    "avi mp4 mkv webm mov m4v mpg mpeg wmv flv ts mts m2ts m2t 3gp 3g2 ogv ogm divx asf f4v vob "
    "mpe m1v m2v mpv mp4v qt dv mxf mjpeg mjpg rm rmvb y4m nut h264 264 hevc 265 tod trp wtv amv"
)
NOTE_ENDINGS = (  # of files that may lie beside videos or images, and are none
    "txt csv tsv json jsonl xml yaml yml md rst pdf html htm srt vtt ass log ini db xlsx xls mat "
    "npy npz pkl pt h5 hdf5 lmdb py sh zip tar gz bz2 xz rar 7z tgz md5 sha256 part tmp url torrent"
)
VIDEO_FILES = tuple(f".{name}" for name in VIDEO_ENDINGS.split())
NOTES = {f".{name}" for name in NOTE_ENDINGS.split()}
SYSTEM = {  # folders that systems and archivers leave behind
    "lost+found",
    "@eadir",
    "__macosx",
    "#recycle",
    "#snapshot",
    "$recycle.bin",
    "system volume information",
}
ASIDE = {  # folders beside classes, where they hold no video
    *("annotation", "annotations", "docs", "label", "labels", "list", "lists", "meta", "metadata"),
    *("scripts", "split", "splits", "subtitles", "thumbnails"),
}
SHOWN = 5  # names in a message


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


def is_system(name: str) -> bool:
    """Tell whether a folder is hidden, or is one that no person has made."""
    return name.startswith(".") or name.lower() in SYSTEM


def files_below(
    root: Path,
    suffixes: Sequence[str] | None = VIDEO_FILES,
    unlisted: Callable[[OSError], None] | None = None,
) -> list[Path]:
    """List the files of some kinds at any depth, sorted; links are followed, hidden ones not.

    Args:
        root: where to begin.
        suffixes: of the kinds; None for all.
        unlisted: takes the error of a folder that cannot be listed, which else is passed over.
    """
    files, folders = [], set()
    for folder, inner, names in os.walk(root, onerror=unlisted, followlinks=True):
        inner[:] = [name for name in inner if not is_system(name)]
        if (real := os.path.realpath(folder)) in folders:  # a link to a folder above it
            inner.clear()
            continue
        folders.add(real)
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(f for f in files if suffixes is None or f.suffix.lower() in suffixes)


def class_folders(root: Path, suffixes: Sequence[str] = VIDEO_FILES) -> list[Video]:
    """List the videos of `root/<class>/<file>`, sorted; hidden files are passed over."""
    return [
        Video(f"{folder.name}/{file.name}", str(file), folder.name)
        for folder in sorted(root.iterdir())
        if not is_system(folder.name) and folder.is_dir()
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in suffixes and not file.name.startswith(".")
    ]


def warn_of_others(
    videos: Sequence[Video], root: Path, suffixes: Sequence[str] = VIDEO_FILES
) -> None:
    """Warn of what lies under a root and is not taken, apart from notes beside the videos.

    These are files of some kinds elsewhere than in a class folder, and files with other endings.
    """
    listed, files = {video.path for video in videos}, files_below(root, None)
    say_left_out(
        root,
        [f for f in files if f.suffix.lower() in suffixes and str(f) not in listed],
        "do not lie in ROOT/<class>/",
        "; to take them, list them in a CSV file with columns path and class (source=csv, "
        "target=[csv])",
    )
    strange = [f for f in files if f.suffix.lower() not in {*suffixes, *NOTES} and f.parent != root]
    endings = Counter(file.suffix.lower() or "no ending" for file in strange)
    counts = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common(SHOWN))
    say_left_out(root, strange, f"are no videos or images asked for, by their endings: {counts},")


def say_left_out(root: Path, files: Sequence[Path], why: str, advice: str = "") -> None:
    """Warn of files that are left out, with the first of them; nothing of none."""
    if files:
        name = files[0].relative_to(root) if files[0].is_relative_to(root) else files[0]
        log.warning(
            "%s: %d videos %s and are left out, such as %s%s", root, len(files), why, name, advice
        )


def first_few(names: Sequence[str]) -> str:
    """Join names, the first of many."""
    return ", ".join(names[:SHOWN]) + " ..." * (len(names) > SHOWN)


def distinct(videos: Sequence[Video]) -> list[Video]:
    """Leave out, and tell, videos with the name of another one, such as a copy elsewhere."""
    first = {video.id: video for video in reversed(videos)}
    if doubles := len(videos) - len(first):
        names = [name for name, count in Counter(v.id for v in videos).items() if count > 1]
        log.warning(
            "%d videos have the name of another one and are left out: %s",
            doubles,
            first_few(names),
        )
    return [video for video in videos if first[video.id] is video]


def spell(videos: Sequence[Video], class_names: Sequence[str], root: Path) -> list[Video]:
    """Spell the classes of videos officially; leave out folders that are no class.

    Spaces, underscores and case do not count: `riding_a_bike` is `riding a bike`.
    """
    official = {spelling_key(name): name for name in class_names}
    strangers = Counter(v.label for v in videos if spelling_key(v.label) not in official)
    if strangers:
        log.warning(
            "%s: %d folders are no class of it and are left out: %s",
            root,
            len(strangers),
            first_few(sorted(strangers)),
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
    """List the folders of `root` without a single file of some kinds; tell of those `ASIDE`."""
    full = {video.label for video in class_folders(root, suffixes)}
    folders = [f.name for f in sorted(root.iterdir()) if not is_system(f.name) and f.is_dir()]
    empty = [name for name in folders if name not in full]
    if aside := [name for name in empty if name.lower() in ASIDE]:
        log.warning("%s: no classes, as they hold no video: %s", root, first_few(aside))
    return [name for name in empty if name not in aside]


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
