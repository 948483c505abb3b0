"""What lies under a data set's root: folders of classes, and names as the data set spells them."""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from zsvideo.data.videos import Video, Videos
from zsvideo.errors import UserError
from zsvideo.names import one_form

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
    files: list[str] = []
    folders = set()
    for folder, inner, names in os.walk(root, onerror=unlisted, followlinks=True):
        inner[:] = [name for name in inner if not is_system(name)]
        if (real := os.path.realpath(folder)) in folders:  # a link to a folder above it
            inner.clear()
            continue
        folders.add(real)
        files += [os.path.join(folder, name) for name in names if is_listed(name, suffixes)]
    files.sort(key=lambda file: file.split(os.sep))  # as Path sorts, in a tenth of the time
    return [Path(file) for file in files]


def is_listed(name: str, suffixes: Sequence[str] | None = VIDEO_FILES) -> bool:
    """Tell whether a file is of some kinds and not hidden; None takes all kinds."""
    return not name.startswith(".") and (suffixes is None or name.lower().endswith(tuple(suffixes)))


def class_folders(root: Path, suffixes: Sequence[str] = VIDEO_FILES) -> Videos:
    """List the videos of `root/<class>/<file>`, sorted; hidden files are passed over."""
    return Videos.of(
        Video(f"{folder.name}/{name}", os.path.join(folder, name), one_form(folder.name))
        for folder in sorted(root.iterdir())
        if not is_system(folder.name) and folder.is_dir()
        for name in sorted(os.listdir(folder))
        if is_listed(name, suffixes)
    )


def warn_of_others(videos: Videos, root: Path, suffixes: Sequence[str] = VIDEO_FILES) -> None:
    """Warn of what lies under a root and is not taken, apart from notes beside the videos.

    These are files of some kinds elsewhere than in a class folder, and files with other endings.
    """
    listed, files = set(videos.paths), files_below(root, None)
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


def distinct(videos: Videos) -> Videos:
    """Leave out, and tell, videos with the name of another one, such as a copy elsewhere."""
    first = dict(zip(reversed([*videos.ids]), reversed(range(len(videos))), strict=True))
    if doubles := len(videos) - len(first):
        names = [name for name, count in Counter(videos.ids).items() if count > 1]
        log.warning(
            "%d videos have the name of another one and are left out: %s",
            doubles,
            first_few(names),
        )
    return videos.take(sorted(first.values())) if doubles else videos


def spell(videos: Videos, class_names: Sequence[str], root: Path) -> Videos:
    """Spell the classes of videos officially; leave out folders that are no class.

    Spaces, underscores and case do not count: `riding_a_bike` is `riding a bike`.
    """
    official = {spelling_key(name): name for name in class_names}
    present = {name: official.get(spelling_key(name)) for name in videos.classes}
    if strangers := [name for name, spelling in present.items() if spelling is None]:
        log.warning(
            "%s: %d folders are no class of it and are left out: %s",
            root,
            len(strangers),
            first_few(strangers),
        )
    return videos.spelled({name: spelling for name, spelling in present.items() if spelling})


def spelling_key(name: str) -> str:
    """Reduce a class name to its letters, digits and brackets, in lower case."""
    return re.sub(r"[\s_/]+", "", one_form(name)).lower()


def empty_classes(root: Path, suffixes: Sequence[str] = VIDEO_FILES) -> list[str]:
    """List the folders of `root` without a single file of some kinds; tell of those `ASIDE`."""
    folders = [f for f in sorted(root.iterdir()) if not is_system(f.name) and f.is_dir()]
    empty = [f.name for f in folders if not any(is_listed(n, suffixes) for n in os.listdir(f))]
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
