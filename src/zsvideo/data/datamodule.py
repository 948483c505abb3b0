"""One LightningDataModule a data set; `zsvideo.data.zeroshot` joins a source with its targets."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from zsvideo.data.clips import Clips, ClipSpec, collate
from zsvideo.data.epochs import EpochSampler
from zsvideo.data.features import FeatureClips, FeatureStore
from zsvideo.data.layouts import (
    Video,
    class_folders,
    distinct,
    empty_classes,
    existing_root,
    spell,
    spelling_key,
)
from zsvideo.data.manifest import NAME, read_manifest
from zsvideo.errors import UserError
from zsvideo.semantics.words import class_names

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoaderSpec:
    """How clips are loaded: the config group `loader`, see `conf/loader/default.yaml`."""

    batch_size: int
    test_batch_size: int
    workers: int
    timeout: int
    epoch_samples: int = 100_000
    equal_updates: bool = False
    micro_batch: int | str | None = None

    def __post_init__(self) -> None:
        """Check the values; raises UserError."""
        for name, least in (
            ("batch_size", 1),
            ("test_batch_size", 1),
            ("workers", 0),
            ("timeout", 0),
            ("epoch_samples", 1),
        ):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise UserError(f"loader.{name}={value} must be a whole number, at least {least}")
        if self.micro_batch not in (None, "auto") and (
            not isinstance(self.micro_batch, int)
            or self.micro_batch < 1
            or self.batch_size % self.micro_batch
        ):
            raise UserError(
                f"loader.micro_batch={self.micro_batch} must divide loader.batch_size="
                f"{self.batch_size}; or take auto"
            )

    def epoch_batches(self, videos: int, world: int = 1) -> int:
        """Count the batches of an epoch in each of `world` processes, in parts of `micro_batch`.

        As in the authors' code an epoch takes each video once but ends with the batch after the one
        that reaches `epoch_samples` clips: at 22 and 100,000, 4,547 batches, 100,034 clips.
        With `equal_updates` a smaller set is taken again until then.
        """
        batch = self.batch_size * world
        most = self.epoch_samples // batch + 2
        return self.parts * (most if self.equal_updates else max(1, min(videos // batch, most)))

    @property
    def part(self) -> int:
        """Clips that are computed at once."""
        return self.micro_batch if isinstance(self.micro_batch, int) else self.batch_size

    @property
    def parts(self) -> int:
        """Parts of a batch, whose gradients are added up."""
        return self.batch_size // self.part


class VideoDataModule(pl.LightningDataModule):
    """Videos in one folder a class: the base of all data sets, and `folder` itself.

    Class attributes:
        published: videos in the published set, None if unknown.
        how: how to get it.
        lists: the files that name its videos, for `official_list`; empty if there are none.
    """

    published: int | None = None
    how: ClassVar[str] = "put the videos into one folder a class"
    lists: ClassVar[str] = ""

    def __init__(
        self,
        root: str,
        table: str | None,
        clips: ClipSpec,
        loader: LoaderSpec,
        seed: int,
        option: str,
    ) -> None:
        """Find the videos of the data set.

        Args:
            root: folder of the data set, as published or as `src.prepare` wrote it; or a
                manifest (CSV).
            table: the class table of a published data set, which is its name too; None for own
                classes.
            clips: what a clip is.
            loader: how clips are loaded.
            seed: of the clips and of the order of training.
            option: the config key of `root`, for messages.

        Raises:
            UserError: nothing is there, or no video of the set's classes, or a class is empty.
        """
        super().__init__()
        self.clips, self.loader, self.seed, self.option = clips, loader, seed, option
        self.table = table
        self.name: str = table or "folder"
        self.quarantined: dict[str, str] = {}  # id to reason, where a manifest knows
        self.empty: list[str] = []  # class folders without a video
        try:
            self.root = existing_root(root, self.name, option, self.how)
            manifest = self.root / NAME if self.root.is_dir() else self.root
            if manifest.is_file():
                listed = read_manifest(manifest, option)
                self.videos, self.quarantined = self.official(listed.videos), listed.quarantined
            else:
                self.videos = distinct(self.find())
        except PermissionError as error:
            raise UserError(
                f"{option}={root} cannot be read ({error}); see its permissions"
            ) from None
        if not self.videos:
            raise UserError(f"no videos of {self.name} under {self.root} ({option}); {self.how}")
        self.class_vectors: dict[str, np.ndarray] = {}
        self.features: dict[bool, FeatureStore] = {}  # of training and test clips, by a frozen f_v
        self.drawn: Sequence[Video] | None = None

    def find(self) -> list[Video]:
        """List the videos; a data set with another layout overrides this."""
        official = {spelling_key(name) for name in class_names(self.table)} if self.table else None
        self.empty = [
            name
            for name in empty_classes(self.root)
            if official is None or spelling_key(name) in official
        ]
        return self.official(class_folders(self.root))

    def official(self, videos: Sequence[Video]) -> list[Video]:
        """Spell the classes of a published set as it does; leave out what is no class of it."""
        return spell(videos, class_names(self.table), self.root) if self.table else list(videos)

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

    @property
    def classes(self) -> list[str]:
        """Names of the classes found, sorted as the data set spells them."""
        return sorted({video.label for video in self.videos})

    def restrict(self, names: Sequence[str]) -> None:
        """Leave only some classes in the set; how many videos were published of them is unknown."""
        self.videos = [video for video in self.videos if video.label in set(names)]
        self.published = None

    def use(
        self, class_vectors: dict[str, np.ndarray], videos: Sequence[Video] | None = None
    ) -> None:
        """Choose the classes to load, with their (D,) vectors; their order is the labels'.

        Args:
            class_vectors: class name to vector.
            videos: of these classes, to load; None takes all.

        Raises:
            UserError: a class folder is empty.
        """
        if self.empty:
            raise UserError(
                f"class folders without a video under {self.root} ({self.option}): "
                f"{', '.join(self.empty)}; fill or remove them"
            )
        self.class_vectors = class_vectors
        self.drawn = videos

    @property
    def chosen(self) -> list[Video]:
        """The videos of the classes in use, or the part of them that was drawn."""
        videos = self.videos if self.drawn is None else self.drawn
        return [video for video in videos if video.label in self.class_vectors]

    def load(
        self, clips: Dataset[dict[str, Any]], sampler: EpochSampler, size: int, train: bool
    ) -> DataLoader[dict[str, Any]]:
        """Make a loader of batches of `size` in the order of the sampler."""
        workers = min(self.loader.workers, len(sampler))
        return DataLoader(
            clips,
            batch_size=size,
            sampler=sampler,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,  # a sweep's pool sets another
            collate_fn=collate,
            timeout=self.loader.timeout if workers else 0,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=train and workers > 0,
            # A generator of its own: starting workers must not touch the random numbers of dropout.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def decoded(self, train: bool) -> Clips:
        """Give the clips of the videos in use."""
        return Clips(self.chosen, self.class_vectors, self.clips, self.seed, train)

    def samples(self, train: bool) -> Clips | FeatureClips:
        """Give the clips of the videos in use, or their features where those are cached."""
        clips, store = self.decoded(train), self.features.get(train)
        return FeatureClips(clips, store) if store else clips

    def train_dataloader(
        self, share: tuple[int, int] = (0, 1), batches_done: int = 0
    ) -> DataLoader[dict[str, Any]]:
        """Load one random clip a video, in epochs of `LoaderSpec.epoch_batches`.

        Args:
            share: (rank, world) of this process.
            batches_done: batches of this process in the run that is continued.

        Raises:
            UserError: there are fewer videos than processes.
        """
        clips, size, world = self.samples(train=True), self.loader.part, share[1]
        if len(clips) < world:
            raise UserError(f"trainer.devices={world} share {len(clips)} training videos; take 1")
        batches = self.loader.epoch_batches(len(clips), world)
        length = batches * size * world
        if len(clips) < self.loader.batch_size * world and not self.loader.equal_updates:
            length = len(clips) // world * world
            batches = -(-length // (size * world))
        sampler = EpochSampler(len(clips), self.seed, True, length, share)
        epoch, skip = divmod(batches_done, batches)
        sampler.start_at(epoch, skip * size)
        return self.load(clips, sampler, size, train=True)

    def predict_dataloader(self, share: tuple[int, int] = (0, 1)) -> DataLoader[dict[str, Any]]:
        """Load the test clips of each video; `share` is (rank, world) of this process."""
        clips = self.samples(train=False)
        sampler = EpochSampler(len(clips), self.seed, shuffle=False, share=share)
        return self.load(clips, sampler, self.loader.test_batch_size, train=False)

    def validation_dataloader(self, share: tuple[int, int] = (0, 1)) -> DataLoader[dict[str, Any]]:
        """Load the centre clip of each video, or its cached features."""
        one = replace(self.clips, test_clips=1)
        clips: Dataset[dict[str, Any]] = (
            self.samples(train=False)
            if False in self.features
            else Clips(self.chosen, self.class_vectors, one, self.seed, train=False)
        )
        sampler = EpochSampler(len(self.chosen), self.seed, shuffle=False, share=share)
        return self.load(clips, sampler, self.loader.batch_size, train=False)
