"""Weizmann's actions as space-time shapes: ten actions of nine actors (Blank et al., 2005)."""

from collections.abc import Sequence
from typing import Literal

from zsvideo.data.datasets.base import Archive
from zsvideo.data.datasets.file_names import NamedFiles
from zsvideo.data.videos import Video
from zsvideo.options import Text, options

Actor = Literal["daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar"]
ACTORS: tuple[str, ...] = Actor.__args__  # type: ignore[attr-defined]
ADDRESS = "https://www.wisdom.weizmann.ac.il/~vision/VideoAnalysis/Demos/SpaceTimeActions/DB"
CODES = {
    "bend": "bend",
    "jack": "jumping jack",
    "jump": "jump forward",
    "pjump": "jump in place",
    "run": "run",
    "side": "gallop sideways",
    "skip": "skip",
    "walk": "walk",
    "wave1": "wave one hand",
    "wave2": "wave two hands",
}


@options
class Weizmann(NamedFiles):
    """Weizmann: `<actor>_<code>.avi`, each actor in each action.

    The archives hold a second video of some actions of one actor (`lena_walk1`, `lena_walk2`). To
    test on other actors than were trained on, leave out of the source those of the target.
    """

    table: Text | None = "weizmann"
    actors: list[Actor] | None = None
    """Take the videos of these alone; null takes all nine."""
    leave_out: list[Actor] | None = None
    """Of those, take no video of these; null leaves out none."""

    published_videos = 90
    how = (
        "fetch it (python -m src.prepare dataset=weizmann root=FOLDER out=PREPARED download=true) "
        "or unpack bend.zip, jack.zip ... wave2.zip of "
        "www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html there"
    )
    codes = CODES
    pattern = rf"(?P<actor>{'|'.join(ACTORS)})_(?P<code>{'|'.join(CODES)})[12]?"
    archives = tuple(Archive(f"{ADDRESS}/{code}.zip", code) for code in CODES)

    @property
    def chosen(self) -> set[str]:
        """The actors whose videos are taken."""
        return set(self.actors or ACTORS) - set(self.leave_out or ())

    @property
    def asked(self) -> str:
        """The actors asked for, for messages."""
        group = self.option.removesuffix("root")
        names = ", ".join(sorted(self.chosen)) or "any actor"
        return f"{names} ({group}actors, {group}leave_out)"

    def select(self, ids: Sequence[str]) -> set[str]:
        """Choose the videos of the chosen actors."""
        return {name for name in ids if self.actor(name) in self.chosen}

    def published(self, videos: Sequence[Video]) -> int | None:
        """Count the videos of the chosen actors: those that are there, and each one missing."""
        performed = {(self.actor(video.id), video.label) for video in videos}
        return len(videos) + len(self.chosen) * len(self.codes) - len(performed)

    def actor(self, video: str) -> str | None:
        """Return the name of the actor of a video by its id."""
        match = self.match(video.rsplit("/", 1)[-1])
        return match["actor"] if match else None
