"""Small published action sets whose file names say the class: Weizmann and UT-Interaction.

Where a file lies does not count, so that the archives can be unpacked in any way.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.layouts import Video, files_below
from zsvideo.errors import UserError


class NamedFilesDataModule(VideoDataModule):
    """A data set whose file names hold a code of the class.

    Class attributes:
        pattern: of a file's name without its ending, in lower case, with a group `code`.
        codes: of the classes, as their names.
    """

    pattern: ClassVar[str]
    codes: ClassVar[Mapping[str, str]]

    def find(self) -> list[Video]:
        """List the videos by the code in their names; other files are no videos of this set."""
        matches = [(f, self.match(f.name)) for f in files_below(self.root)]
        named = [(f, self.codes[match["code"]]) for f, match in matches if match]
        return self.official([Video(f"{name}/{f.name}", str(f), name) for f, name in named])

    def match(self, name: str) -> re.Match[str] | None:
        """Take the name of a file apart; None where it is no file of this set."""
        return re.fullmatch(self.pattern, Path(name).stem.lower())


class UTInteractionDataModule(NamedFilesDataModule):
    """UT-Interaction, segmented: `<number>_<sequence>_<class number>.avi`, twenty a class."""

    published = 120
    how = (
        "fetch it (python -m src.prepare dataset=ut_interaction root=FOLDER out=PREPARED "
        "download=true) or unpack ut-interaction_segmented_set1.zip and _set2.zip of "
        "cvrc.ece.utexas.edu/SDHA2010/Human_Interaction.html there"
    )
    pattern = r"(set[12]_)?\d+_\d+_(?P<code>[0-5])"
    codes = dict(zip("012345", ("shake hands", "hug", "kick", "point", "punch", "push")))


class WeizmannDataModule(NamedFilesDataModule):
    """Weizmann's actions as space-time shapes: `<actor>_<code>.avi`, each actor in each action.

    The archives hold a second video of some actions of one actor (`lena_walk1`, `lena_walk2`).
    """

    actors: ClassVar = ("daria", "denis", "eli", "ido", "ira", "lena", "lyova", "moshe", "shahar")
    how = (
        "fetch it (python -m src.prepare dataset=weizmann root=FOLDER out=PREPARED download=true) "
        "or unpack bend.zip, jack.zip ... wave2.zip of "
        "www.wisdom.weizmann.ac.il/~vision/SpaceTimeActions.html there"
    )
    codes = {
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
    pattern = rf"(?P<actor>{'|'.join(actors)})_(?P<code>{'|'.join(codes)})[12]?"

    def __init__(
        self,
        actors: Iterable[str] | None = None,
        leave_out: Iterable[str] | None = None,
        **options: Any,
    ) -> None:
        """Find the videos of all actors, or of some.

        To test on other actors than were trained on, leave out of the source those of the target.

        Args:
            actors: take the videos of these alone; None takes all.
            leave_out: of those, take no video of these; None leaves out none.
            options: see `VideoDataModule`.

        Raises:
            UserError: a name is no actor, or no video is left.
        """
        option = options["option"].removesuffix("root")
        chosen = set(self.named(actors, f"{option}actors") or self.actors)
        chosen -= self.named(leave_out, f"{option}leave_out")
        super().__init__(**options)
        performed = {v.id: (self.actor(v.id), v.label) for v in self.videos}
        self.videos = [v for v in self.videos if performed[v.id][0] in chosen]
        self.quarantined = {i: r for i, r in self.quarantined.items() if self.actor(i) in chosen}
        if not self.videos:
            raise UserError(
                f"no videos of {', '.join(sorted(chosen)) or 'any actor'} under {self.root} "
                f"({option}actors, {option}leave_out); {self.how}"
            )
        absent = len(chosen) * len(self.codes) - len({performed[v.id] for v in self.videos})
        self.published = len(self.videos) + absent

    def named(self, names: Iterable[str] | None, option: str) -> set[str]:
        """Check a list of actors; raises UserError."""
        listed = [] if names is None else [names] if isinstance(names, str) else list(names)
        if isinstance(names, str) or set(listed) - set(self.actors):
            raise UserError(
                f"{option}={names} must be null or a list of actors: [{','.join(self.actors)}]"
            )
        return set(listed)

    def actor(self, video: str) -> str | None:
        """Name the actor of a video by its id."""
        match = self.match(video.rsplit("/", 1)[-1])
        return match["actor"] if match else None
