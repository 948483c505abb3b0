"""The LightningDataModule of a data set; `zsvideo.data.zeroshot` joins a source and targets."""

import ctypes
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.seed import pl_worker_init_function
from torch.utils.data import DataLoader, Dataset

from zsvideo.data.clips import Clips, collate
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.decoding.limits import START
from zsvideo.data.decoding.packs import SUFFIX
from zsvideo.data.epochs import EpochSampler, class_weights
from zsvideo.data.feature_clips import FeatureClips
from zsvideo.data.features import FeatureTable
from zsvideo.data.manifest import PREPARED
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.data.videos import Videos
from zsvideo.data.workers import clip_bytes, loading, machine
from zsvideo.errors import UserError
from zsvideo.semantics.class_vectors import ClassBank

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1  # of prctl(2)
FEW = 2  # processes that load features, which takes little


def begin_worker(worker: int) -> None:
    """Begin a process that loads clips: the kernel ends it with its parent, even while stopped.

    Its random numbers are those that Lightning would give it. It looks for no garbage in what it
    shares with its parent, which would copy that.
    """
    gc.freeze()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.environ.get("PL_SEED_WORKERS") == "1":
        pl_worker_init_function(worker)


class VideoDataModule(pl.LightningDataModule):
    """The clips of one data set.

    Attributes:
        videos: the videos of the set, or those of the classes it is restricted to.
        published: how many the published set has of them; None if unknown.
        quarantined: id to reason, of videos that a manifest knows to be unusable.
    """

    def __init__(self, videos: VideoSet, clips: ClipSpec, loader: LoaderSpec, seed: int) -> None:
        """Find the videos of the data set.

        Args:
            videos: the data set.
            clips: what a clip is.
            loader: how clips are loaded.
            seed: of the clips and of the order of training.

        Raises:
            UserError: nothing is there, or no video of the set's classes.
        """
        super().__init__()
        self.set, self.clips, self.loader, self.seed = videos, clips, loader, seed
        self.listing = videos.scan()
        self.name: str = videos.name
        self.table, self.option = videos.table, videos.option
        self.root, self.videos = self.listing.root, self.listing.videos
        self.published, self.quarantined = self.listing.published, self.listing.quarantined
        self.warn_of_packs()
        self.bank = ClassBank((), np.zeros((0, 0)))
        self.features: dict[bool, FeatureTable] = {}  # of training and test clips, by a frozen f_v
        self.subset: Videos | None = None

    def warn_of_packs(self) -> None:
        """Warn of what a switch of the clips no longer finds in prepared videos."""
        if self.clips.length != "claimed" and not self.clips.antialias:
            return
        packs = [video for video in self.videos if video.path.endswith(SUFFIX)]
        unknown = sum(video.claimed is None for video in packs)
        if unknown and self.clips.length == "claimed":
            log.warning(
                "%s does not say how many frames the containers of %d videos claim, so the number "
                "that decodes is taken (clips.length=claimed); run python -m src.prepare again",
                self.root,
                unknown,
            )
        if packs and self.clips.antialias:
            log.warning(
                "the videos of %s were scaled without antialiasing when they were prepared; "
                "clips.antialias=true needs the originals",
                self.root,
            )

    @property
    def classes(self) -> list[str]:
        """Names of the classes found, sorted as the data set spells them."""
        return self.videos.classes

    def restrict(self, names: Sequence[str]) -> None:
        """Leave only some classes in the set; how many videos were published of them is unknown."""
        self.videos = self.videos.within(set(names))
        self.published = None

    def use(self, bank: ClassBank, videos: Videos | None = None) -> None:
        """Choose the classes to load, with their vectors; their order is the labels'.

        Args:
            bank: the classes.
            videos: of these classes, to load; None takes all.

        Raises:
            UserError: a class folder is empty.
        """
        if self.listing.empty:
            raise UserError(
                f"class folders without a video under {self.root} ({self.option}): "
                f"{', '.join(self.listing.empty)}; fill or remove them"
            )
        self.bank = bank
        self.subset = videos

    @property
    def prepared(self) -> bool:
        """Whether its videos, or the features of them, are fast to read already."""
        folder = self.root if self.root.is_dir() else self.root.parent
        first = self.chosen[0].path if self.chosen else ""
        return bool(self.features) or Path(first).is_relative_to(folder / PREPARED)

    @property
    def chosen(self) -> Videos:
        """The videos of the classes in use, or the part of them that was drawn."""
        return (self.videos if self.subset is None else self.subset).within(self.bank)

    def load(
        self, clips: Dataset[dict[str, Any]], sampler: EpochSampler, size: int, train: bool
    ) -> DataLoader[dict[str, Any]]:
        """Make a loader of batches of `size` in the order of the sampler."""
        wanted, (cores, *memory) = self.loader.workers, machine(sampler.world_size)
        plan = loading(
            None if wanted == "auto" else min(wanted, len(sampler)),
            size * clip_bytes(self.clips, train),
            -(-len(sampler) // size),
            min(cores, FEW) if self.features else cores,
            *memory,
        )
        if plan.scarce and train:
            log.warning("little memory is free, so %d processes load clips", plan.workers)
        workers = plan.workers
        return DataLoader(
            clips,
            batch_size=size,
            sampler=sampler,
            num_workers=workers,
            multiprocessing_context=START if workers else None,  # a sweep's pool sets another
            collate_fn=collate,
            prefetch_factor=plan.ahead if workers else None,
            timeout=self.loader.timeout if workers else 0,
            pin_memory=torch.cuda.is_available(),
            persistent_workers=train and workers > 0,
            worker_init_fn=begin_worker,
            # A generator of its own: starting workers must not touch the random numbers of dropout.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def decoded(self, train: bool) -> Clips:
        """Return the clips of the videos in use."""
        return Clips(self.chosen, self.bank, self.clips, self.seed, train)

    def samples(self, train: bool) -> Clips | FeatureClips:
        """Return the clips of the videos in use, or their features where those are cached."""
        clips, table = self.decoded(train), self.features.get(train)
        return clips if table is None else FeatureClips(clips, table)

    def train_dataloader(
        self, rank: int = 0, world_size: int = 1, batches_done: int = 0
    ) -> DataLoader[dict[str, Any]]:
        """Load one random clip a video, in epochs of `LoaderSpec.epoch_batches`.

        Args:
            rank: of this process.
            world_size: how many processes there are.
            batches_done: batches of this process in the run that is continued.

        Raises:
            UserError: there are fewer videos than processes.
        """
        clips, size = self.samples(train=True), self.loader.batch_size
        if len(clips) < world_size:
            raise UserError(
                f"trainer.devices={world_size} share {len(clips)} training videos; take 1"
            )
        batches = self.loader.epoch_batches(len(clips), world_size)
        length = batches * size * world_size
        if not self.loader.equal_updates:
            length = min(length, len(clips) // world_size * world_size)
            batches = -(-length // (size * world_size))
        balance, weights = self.loader.balance, None
        if balance:
            weights = class_weights(self.chosen.numbered(self.bank.rows), balance)
        sampler = EpochSampler(len(clips), self.seed, True, length, rank, world_size, weights)
        epoch, skip = divmod(batches_done, batches)
        sampler.start_at(epoch, skip * size)
        return self.load(clips, sampler, size, train=True)

    def predict_dataloader(self, rank: int = 0, world_size: int = 1) -> DataLoader[dict[str, Any]]:
        """Load the test clips of each video, those of one of `world_size` processes."""
        clips, size = self.samples(train=False), self.loader.test_batch_size
        sampler = EpochSampler(len(clips), self.seed, False, None, rank, world_size)
        return self.load(clips, sampler, size, train=False)

    def validation_dataloader(
        self, rank: int = 0, world_size: int = 1
    ) -> DataLoader[dict[str, Any]]:
        """Load the centre clip of each video, or its cached features; as `predict_dataloader`."""
        clips, size = self.samples(train=False), self.loader.batch_size
        if isinstance(clips, Clips):
            clips.spec = replace(clips.spec, test_clips=1)
        sampler = EpochSampler(len(clips), self.seed, False, None, rank, world_size)
        return self.load(clips, sampler, size, train=False)
