"""One LightningDataModule a data set, and one that joins a source with its targets."""

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from src.data.clips import Clips, ClipSpec, EpochSampler, collate
from src.data.features import FeatureClips, FeatureStore
from src.data.layouts import Video, class_folders, empty_classes, existing_root, spell, spelling_key
from src.data.manifest import NAME, read_manifest
from src.data.subsets import Draw, everything, record_subset
from src.errors import UserError
from src.semantics.holdout import hold_out
from src.semantics.protocol import Protocol, kept_out_classes, separate
from src.semantics.records import record, record_targets
from src.semantics.vectors import WordVectors
from src.semantics.words import class_names

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

    def epoch_batches(self, videos: int, world: int = 1) -> int:
        """Count the batches of an epoch in each of `world` processes.

        As in the authors' code an epoch takes each video once but ends with the batch after the one
        that reaches `epoch_samples` clips: at 22 and 100,000, 4,547 batches, 100,034 clips.
        With `equal_updates` a smaller set is taken again until then.
        """
        batch = self.batch_size * world
        most = self.epoch_samples // batch + 2
        return most if self.equal_updates else max(1, min(videos // batch, most))


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
        self.root = existing_root(root, self.name, option, self.how)
        manifest = self.root / NAME if self.root.is_dir() else self.root
        if manifest.is_file():
            listed = read_manifest(manifest, option)
            self.videos, self.quarantined = self.official(listed.videos), listed.quarantined
        else:
            self.videos = self.find()
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
        clips, size, world = self.samples(train=True), self.loader.batch_size, share[1]
        if len(clips) < world:
            raise UserError(f"trainer.devices={world} share {len(clips)} training videos; take 1")
        batches = self.loader.epoch_batches(len(clips), world)
        small = len(clips) < size * world and not self.loader.equal_updates
        length = len(clips) // world * world if small else batches * size * world
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


class TargetsDataModule(pl.LightningDataModule):
    """Any number of targets to test on (Sec. 3.3: one model, several test sets)."""

    def __init__(
        self, targets: dict[str, VideoDataModule], vectors: WordVectors, protocol: Protocol
    ) -> None:
        """Give each target the vectors of its classes, of all or of the protocol's fixed list.

        Raises:
            UserError: a class has words without a vector.
        """
        super().__init__()
        self.targets, self.vectors, self.test_only = targets, vectors, protocol.test_only
        self.tested = {
            name: vectors.of(protocol.tested(target.table, target.classes), name, target.table)
            for name, target in targets.items()
        }
        for name, target in targets.items():
            if protocol.test_only:
                target.restrict(self.tested[name].names)
            target.use(vectors.pick(self.tested[name], self.tested[name].names))

    @property
    def dimension(self) -> int:
        """D, of the word vectors."""
        return next(iter(self.tested.values())).matrix.shape[1]

    @property
    def share(self) -> tuple[int, int]:
        """Give (rank, world) of this process."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def predict_dataloader(self) -> list[DataLoader[dict[str, Any]]]:
        """Load each target, in the order of `targets`."""
        return [target.predict_dataloader(self.share) for target in self.targets.values()]

    def record(self, training: dict[str, Any] | None) -> dict[str, Any]:
        """Write down the protocol of a test, from that of the training.

        Args:
            training: the `protocol.json` of the run that trained the model; None if unknown,
                then overlap with the targets is unknown too.

        Raises:
            UserError: the model was trained with other word vectors.
        """
        here = self.vectors.describe()
        if training is None:
            return {
                "name": None,
                "vectors": here,
                **record_targets(None, self.tested, self.test_only),
            }
        self.check_vectors(training["vectors"], "the checkpoint")
        source = training["source"]
        trained = self.vectors.of(training["trained_classes"], source["dataset"], source["table"])
        found = training | record_targets(trained, self.tested, self.test_only)
        if lineage := training.get("pretrain"):
            found["pretrain"] = self.audit_lineage(lineage)
        return found

    def check_vectors(self, there: dict[str, Any], what: str) -> None:
        """Check that a model was trained with the word vectors that are used here.

        Raises:
            UserError: it was not.
        """
        here = self.vectors.describe()
        other = [k for k in ("sha256", "unit_words", "word_rules") if there[k] != here[k]]
        if other:
            raise UserError(
                f"{what} was trained with other word vectors ({there['file']}; "
                f"{', '.join(other)} differs); give the same semantics options as in training"
            )

    def audit_lineage(self, lineage: dict[str, Any]) -> dict[str, Any]:
        """Add to first weights the `leaks` and `survivors` among the classes they were trained on.

        Eq. 3 holds for them too. Both are None where the classes are unknown.
        """
        before = lineage.get("pretrain")
        trained = None
        if names := lineage.get("classes"):
            trained = self.vectors.of(names, lineage["dataset"], lineage["table"])
        found = record_targets(trained, self.tested, self.test_only)
        return lineage | {
            "leaks": found["leaks"],
            "survivors": found["survivors"],
            "pretrain": self.audit_lineage(before) if before else None,
        }


class ZeroShotDataModule(TargetsDataModule):
    """One source to train on and its targets, kept apart by a protocol (Sec. 3.3)."""

    def __init__(
        self,
        source: VideoDataModule,
        targets: dict[str, VideoDataModule],
        protocol: Protocol,
        vectors: WordVectors,
        subset: Draw = everything,
        hold_out_share: float = 0,
        validate_on_targets: bool = False,
    ) -> None:
        """Decide which classes of the source may be trained on, and draw a subset of the rest.

        Args:
            source: to train on.
            targets: to test on.
            protocol: that keeps them apart.
            vectors: of the words.
            subset: draws from the classes and videos that may be trained on.
            hold_out_share: of these classes, to validate on; they are not trained on.
            validate_on_targets: choose the checkpoint on the test sets (authors' code).

        Raises:
            UserError: a class to train on or to tell apart has words without a vector, or the
                protocol leaves nothing to train on.
        """
        super().__init__(targets, vectors, protocol)
        self.source, self.batches_done = source, 0
        listed = class_names(source.table) if source.table else source.classes
        candidates = vectors.of(listed, source.name, source.table)
        protocol.check_listed(candidates)
        kept_out = kept_out_classes(protocol, self.tested, vectors)
        decisions = separate(protocol, candidates, kept_out)
        present = set(source.classes)
        trained = [d.name for d in decisions if d.kept and d.name in present]
        if not trained:
            raise UserError(
                f"protocol={protocol.name} leaves none of the {len(present)} classes under "
                f"{source.root} to train on; choose other videos or another protocol"
            )
        allowed = vectors.pick(candidates, trained)
        self.validation = dict(targets) if validate_on_targets else {}
        if hold_out_share:
            names = hold_out(allowed, hold_out_share, protocol.tau, source.seed)
            held_out = copy.copy(source)
            held_out.use({name: allowed.pop(name) for name in names})
            held_out.features = {}
            self.validation = {source.name: held_out}
        drawn = subset(source.videos, allowed)
        labels = {video.label for video in drawn.videos}
        source.use({n: v for n, v in allowed.items() if n in labels}, drawn.videos)
        left = sum(video.label in allowed for video in source.videos)
        self.protocol = record(protocol, candidates, kept_out, decisions) | {
            "vectors": vectors.describe(),
            "trained_classes": list(source.class_vectors),
            "validation": {n: list(v.class_vectors) for n, v in self.validation.items()} or None,
            "subset": record_subset(drawn, left, source.class_vectors),
        }
        self.protocol = self.record(self.protocol)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        """Load the source, from where the run that is continued had stopped."""
        return self.source.train_dataloader(self.share, self.batches_done)

    def val_dataloader(self) -> list[DataLoader[dict[str, Any]]]:
        """Load one clip a video of the sets that choose the checkpoint."""
        return [videos.validation_dataloader(self.share) for videos in self.validation.values()]

    def state_dict(self) -> dict[str, Any]:
        """Keep in checkpoints how far training has come."""
        progress: Any = self.trainer.fit_loop.epoch_loop.batch_progress  # type: ignore[union-attr]
        return {"batches": progress.total.processed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Begin there."""
        self.batches_done = state_dict["batches"]
