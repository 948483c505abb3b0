"""Generated videos of moving shapes: real files, written before they are read."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from zsvideo.data.datasets.base import Listing, VideoSet
from zsvideo.data.synthetic import DOMAINS, domain_classes, domain_folder, generate
from zsvideo.data.videos import Video, Videos
from zsvideo.errors import UserError
from zsvideo.options import NotNegative, options


@options
class Synthetic(VideoSet):
    """Generated videos: source and target share words but, the planted ones aside, no class.

    They differ in codec, frame size, frame rate, background and noise.
    """

    domain: Literal["source", "target", "stills"] = "source"
    """What is drawn, and how it is stored."""
    videos: Annotated[int, Strict(), Field(ge=1, le=10_000)] = 16
    """A class."""
    target_classes: NotNegative = 24
    """Classes held out for the target."""
    planted: NotNegative = 4
    """Target classes that the source holds too, for the protocol to remove."""
    data_seed: NotNegative = 0
    """Of classes and videos."""
    video_seed: NotNegative | None = None
    """Of the videos alone, for other videos of the same classes."""

    how = "it is generated; choose a folder that can be written"
    generated = True

    @property
    def name(self) -> str:
        """Name of the set."""
        return "synthetic"

    @property
    def seed(self) -> int:
        """The seed of the videos."""
        return self.data_seed if self.video_seed is None else self.video_seed

    @property
    def folder(self) -> Path:
        """The folder of this setting, inside `root`."""
        root = Path(self.root).expanduser()
        return domain_folder(root, self.domain, self.class_list(), self.videos, self.seed)

    def class_list(self) -> list[str]:
        """List the classes."""
        return domain_classes(self.domain, self.target_classes, self.planted, self.data_seed)

    def check_there(self) -> None:
        """Nothing has to be there before it is generated."""

    def scan(self) -> Listing:
        """Write the videos, unless they are there already, and list them."""
        folder = self.folder
        try:
            generate(folder, self.class_list(), self.videos, self.domain, self.seed)
        except OSError as error:
            raise UserError(
                f"cannot write generated videos to {self.root} ({self.option}): {error}"
            ) from None
        files = sorted(folder.glob(f"*/*.{DOMAINS[self.domain].suffix}"))
        videos = (Video(f"{f.parent.name}/{f.name}", str(f), f.parent.name) for f in files)
        return Listing(folder, Videos.of(videos))

    def estimated_videos(self) -> int:
        """Count the videos."""
        return len(self.class_list()) * self.videos
