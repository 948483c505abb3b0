"""A set of labelled videos: `VideoSet`, the base of all data sets, and own folders itself."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from zsvideo.data.layouts import (
    IMAGE_FILES,
    VIDEO_FILES,
    class_folders,
    distinct,
    empty_classes,
    existing_root,
    spell,
    spelling_key,
    warn_of_others,
)
from zsvideo.data.manifest import NAME, NAMES, read_manifest
from zsvideo.data.videos import Video, Videos
from zsvideo.errors import UserError
from zsvideo.names import one_form
from zsvideo.options import Text, options
from zsvideo.semantics.words import class_names


@dataclass(frozen=True)
class Archive:
    """An official file of a data set.

    Attributes:
        url: its address; a `.txt` lists further ones.
        part: the folder under the root that it fills.
        size: in bytes, where it is publicly known.
        checksum: `<kind>:<hex>`, where it is publicly known.
    """

    url: str
    part: str = "."
    size: int | None = None
    checksum: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return unquote(urlsplit(self.url).path).rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Listing:
    """The videos of a data set that are there.

    Attributes:
        root: their folder, or the manifest.
        videos: that can be used, as far as is known before they are decoded.
        published: videos in the published set or part of it; None if unknown.
        quarantined: id to reason, of videos that a manifest knows to be unusable.
        empty: class folders without a video.
    """

    root: Path
    videos: Videos
    published: int | None = None
    quarantined: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)


@options
class VideoSet:
    """Videos in one folder a class, or in a manifest.

    Class attributes:
        published_videos: in the whole published set, None if unknown.
        how: how to get it.
        lists: the files that name its videos, for `official_list`; empty if there are none.
        inner: the folder that its archives make inside the root.
        suffixes: of its files.
        archives: official files, to be fetched.
        generated: its videos are made here.
    """

    root: Text
    """Folder of the data set, as published or as prepared; or a manifest (CSV)."""
    table: Text | None = None
    """Class table whose names the folders have; null for own names."""
    option: str = "root"
    """Where `root` stands in the config, for messages."""

    published_videos: ClassVar[int | None] = None
    how: ClassVar[str] = "put the videos into one folder a class"
    lists: ClassVar[str] = ""
    inner: ClassVar[str] = ""
    suffixes: ClassVar[Sequence[str]] = VIDEO_FILES
    archives: ClassVar[Sequence[Archive]] = ()
    generated: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name of the set, for reports."""
        return str(self.table or "folder")

    @property
    def folder(self) -> Path:
        """The folder of the videos: `root`, or the one inside it that the archives make."""
        root = Path(self.root).expanduser()
        return root / self.inner if self.inner and (root / self.inner).is_dir() else root

    def class_list(self) -> list[str]:
        """List the classes; a set with a class table needs no videos for that.

        Of own classes `root` may also be a text file with one name a line.

        Raises:
            UserError: nothing says which classes there are.
        """
        if self.table:
            return list(class_names(self.table))
        root = Path(self.root).expanduser()
        root = root / NAME if (root / NAME).is_file() else root
        if root.is_file():
            names = {name for name in names_in(root, self.option) if name}
        else:
            existing_root(root, self.name, self.option, self.how)
            files = class_folders(root) or class_folders(root, IMAGE_FILES)
            names = set(files.classes)
        if not names:
            raise UserError(
                f"no classes at {root} ({self.option}); give a folder of class folders with "
                "videos, or a text file with one class name a line"
            )
        return sorted(names)

    def present_classes(self) -> list[str]:
        """List the classes that are there, without listing the videos.

        Returns:
            None of a published set in a layout that shows its classes by other means than folders.
        """
        names = self.class_list()
        if not self.table:
            return names
        root = self.folder
        file = root / NAME if root.is_dir() else root
        if file.is_file():
            folders = names_in(file, self.option)
        else:
            folders = [folder.name for folder in root.iterdir() if folder.is_dir()]
        keys = {spelling_key(folder) for folder in folders}
        return [n for n in names if spelling_key(n) in keys or (root / n.strip("/")).is_dir()]

    def check_there(self) -> None:
        """Check that something lies at `root`; raises UserError with how to get it."""
        existing_root(self.root, self.name, self.option, self.how)

    def scan(self) -> Listing:
        """Find the videos.

        Raises:
            UserError: nothing is there, or no video of the set's classes.
        """
        try:
            root = existing_root(self.root, self.name, self.option, self.how)
            manifest = root / NAME if root.is_dir() else root
            if manifest.is_file():
                listed = read_manifest(manifest, self.option)
                videos, quarantined = self.official(listed.videos), listed.quarantined
                empty: list[str] = []
            else:
                root = self.folder
                videos, quarantined = distinct(self.find()), {}
                empty = self.empty_folders()
        except PermissionError as error:
            raise UserError(
                f"{self.option}={self.root} cannot be read ({error}); see its permissions"
            ) from None
        if not videos:
            how = self.how
            if root.is_dir() and class_folders(root, IMAGE_FILES):
                how = (
                    "still images lie there, which are trained on by source=images "
                    "source.root=FOLDER; targets are videos"
                )
            raise UserError(f"no videos of {self.name} under {root} ({self.option}); {how}")
        ids = [*videos.ids]
        taken = self.select([*ids, *quarantined])
        chosen = videos.take([row for row, name in enumerate(ids) if name in taken])
        if not chosen:
            raise UserError(f"no videos of {self.asked} under {root} ({self.option}); {self.how}")
        quarantined = {name: reason for name, reason in quarantined.items() if name in taken}
        return Listing(root, chosen, self.published(chosen), quarantined, empty)

    def find(self) -> Videos:
        """List the videos under `folder`; a data set with another layout overrides this."""
        videos = class_folders(self.folder, self.suffixes)
        if self.table is None:
            warn_of_others(videos, self.folder, self.suffixes)
        return self.official(videos)

    @property
    def asked(self) -> str:
        """What is asked for of the set, for messages."""
        return self.name

    def select(self, ids: Sequence[str]) -> set[str]:
        """Choose the videos, by id, of the part of the set that is asked for."""
        return set(ids)

    def published(self, videos: Sequence[Video]) -> int | None:
        """Count the videos that were published of the part that is asked for; None if unknown."""
        return self.published_videos

    def estimated_videos(self) -> int:
        """Estimate the videos of the set without looking for them; 0 if unknown."""
        return self.published_videos or 0

    def official(self, videos: Iterable[Video]) -> Videos:
        """Spell the classes of a published set as it does; leave out what is no class of it."""
        listed = Videos.of(videos)
        return spell(listed, class_names(self.table), self.folder) if self.table else listed

    def empty_folders(self) -> list[str]:
        """List the class folders without a video."""
        official = {spelling_key(name) for name in class_names(self.table)} if self.table else None
        return [
            name
            for name in empty_classes(self.folder, self.suffixes)
            if official is None or spelling_key(name) in official
        ]

    def official_list(self) -> dict[str, str] | None:
        """Read the official list where it lies with the data: the class of each video by its name.

        `listed_name` gives the name of a video there.
        """
        return None

    def listed_name(self, video: Video) -> str:
        """Name a video as the official list does."""
        return video.id

    def test_splits(self) -> list[set[str]] | None:
        """List the file names in each official test split, where lists lie with the data."""
        return None


def names_in(file: Path, option: str) -> list[str]:
    """Read class names: the column `class` or `label` of a manifest (CSV), or one a line.

    Raises:
        UserError: the file is no text, or a manifest without classes.
    """
    errors = NAMES if file.name == NAME else "strict"
    try:
        lines = file.read_text(encoding="utf-8-sig", errors=errors).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option}={file} cannot be read as text ({error})") from None
    rows = list(csv.DictReader(lines)) if file.suffix.lower() == ".csv" else []
    if not rows:
        return [one_form(line.strip()) for line in lines]
    column = next((c for c in ("class", "label") if c in rows[0]), None)
    if column is None:
        raise UserError(f"{option}={file} has no column class or label; name the classes there")
    return [one_form((row[column] or "").strip()) for row in rows]
