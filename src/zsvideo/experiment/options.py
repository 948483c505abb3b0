"""The options of an experiment, typed: every group, and the whole."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from omegaconf import DictConfig, OmegaConf, open_dict
from pydantic import BeforeValidator, Field, Strict

from zsvideo.data.datasets import video_set
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import SUBSETS, ClipSpec, LoaderSpec, Subset, subset_of
from zsvideo.errors import UserError
from zsvideo.models.options import ModelSpec
from zsvideo.options import (
    Count,
    NotNegative,
    Number,
    Seed,
    Share,
    Switch,
    Text,
    Whole,
    described,
    options,
    parse,
)
from zsvideo.semantics.protocol import Protocol
from zsvideo.semantics.words import DATASETS


@options
class Semantics:
    """The class vectors: which file of word vectors, and how words become a class vector."""

    path: Text | None = "auto"
    """A file; `googlenews`, found or fetched; `auto`, embedded where that has every word; null,
    embedded."""
    cache: Text = "data/cache"
    """Folder for class vectors."""
    unit_words: Switch = True
    """Scale word vectors to unit length before the mean (authors' code)."""
    word_rules: Literal["legacy", "fixed"] = "legacy"
    """How names become words: the authors' rules, or repaired ones."""
    oov: Literal["error", "drop", "fallback"] = "error"
    """What becomes of a class with unknown words."""
    target_length: Literal["unit", "mean", "sum"] = "unit"
    """Length of what training aims at: unit, the mean of the vectors of the words, or their sum."""
    sha256: str | None = None
    """Hash of the file, set where it is known."""


@options
class Method:
    """What is trained."""

    classify: Switch = False
    """Cross-entropy over the classes trained on, without f_s: an f_v for `method=baseline`."""
    frozen: Switch = False
    """Only f_s is trained."""
    legacy_bn: Switch = False
    """The statistics of BatchNorm of a frozen f_v move all the same (authors' code)."""
    cached_clips: Count | None = None
    """Random clips a video whose features are kept; null runs f_v each time."""

    def __post_init__(self) -> None:
        """Check that features are kept of an f_v that stays as it is; raises UserError."""
        if self.cached_clips is not None and not (self.frozen or self.legacy_bn):
            raise UserError(
                "method.cached_clips needs an f_v that does not change: method=baseline; or set "
                "method.cached_clips=null"
            )


@options
class Pretrain:
    """The weights that training begins with."""

    name: Text = "none"
    """Which weights these are."""
    table: Text | None = None
    """Class table of what they were trained on, for the audit."""
    root: Text | None = None
    """For the audit: a text file with the names of their classes, or class folders."""
    source: VideoSet | None = None
    """A data set to train on first."""
    ckpt: Text | None = None
    """A run folder, or a file of the authors, torchvision or C3D."""
    classify: Switch = False
    """Train first by cross-entropy over the classes (`method=classify`)."""
    filter: Switch = True
    """The protocol also removes classes of `source`."""
    reset_head: Switch = False
    """f_s begins at random."""
    max_epochs: Count | None = None
    """Of training on `source`; null takes trainer.max_epochs."""

    @property
    def first(self) -> VideoSet | None:
        """The data set that is trained on first, where weights are not at hand."""
        return self.source if self.ckpt is None else None

    @property
    def weights(self) -> bool:
        """Whether there are any."""
        return self.name != "none" or self.ckpt is not None or self.source is not None

    @property
    def classes(self) -> VideoSet | None:
        """The data set whose classes the weights were trained on; None where it is unknown."""
        if self.source or not (self.table or self.root):
            return self.source
        return VideoSet(root=str(self.root), table=self.table, option="pretrain.root")


def tables(value: Any) -> Any:
    """Check a list of class tables; raises ValueError."""
    if value is not None and (isinstance(value, str) or not {*value} <= {*DATASETS}):
        raise ValueError(f"must be null or a list of {', '.join(DATASETS)}")
    return value


@options
class Selection:
    """Which checkpoint is tested."""

    name: Literal["last", "val", "test_best"] = "last"
    """The last; the best on held-out source classes; the best on the targets, which is a leak."""
    share: Share = 0.0
    """Of the source's classes, held out of training to choose by (`val`)."""
    targets: Annotated[list[Text] | None, BeforeValidator(tables)] = None
    """Whose mean chooses (`test_best`); null, or none of them tested: all."""

    def __post_init__(self) -> None:
        """Check that the share goes with the choice; raises UserError."""
        if bool(self.share) != (self.name == "val"):
            raise UserError(
                f"selection.share={self.share:g} does not go with selection={self.name}: "
                "selection=val needs a share of the classes, above 0, and no other takes one"
            )


@options
class StudyOptions:
    """What a sweep is for; presets in experiments/ fill it."""

    name: Text | None = None
    """The artefact of the paper."""
    axes: list[Text] = Field(default_factory=list)
    """Groups and keys that tell its jobs apart."""
    rows: list[Any] = Field(default_factory=list)
    """Lists of sets of options, each set taken as it stands; all combinations."""


@options
class Trainer:
    """Lightning's Trainer: these are checked here, all others by Lightning itself."""

    extra: ClassVar[str] = "allow"

    max_epochs: Whole = 150
    """Epochs of training (Sec. 4.4)."""
    max_steps: Whole = -1
    """Optimiser steps at most; -1 for any number."""
    accumulate_grad_batches: Count = 1
    """Batches whose gradients are added up for a step."""
    gradient_clip_val: Number | None = None
    """Largest norm of a gradient."""
    log_every_n_steps: Count = 10
    """Steps between rows of the training curve."""
    devices: int | str | list[int] = 1
    """How many, or which."""
    precision: Text = "32-true"
    """Of numbers; see `trainer=fast`."""

    def __post_init__(self) -> None:
        """Check that training ends; raises UserError."""
        if self.max_epochs < 0 and self.max_steps < 0:
            raise UserError(
                f"trainer.max_epochs={self.max_epochs} would train without end; give "
                "trainer.max_epochs or trainer.max_steps"
            )


@options
class Top:
    """Options that are in no group."""

    seed: Seed = 0
    """Of weights, clips, order and draws."""
    resume: Text | None = None
    """`auto` continues what is in the run's folder; or the folder of a run."""
    save_every: Count = 500
    """Optimiser steps between checkpoints within an epoch."""
    resamples: NotNegative = 1000
    """Of the bootstrap intervals; 0 makes none."""
    rate: Annotated[float, Strict(), Field(gt=0)] = 1000
    """Training clips a second of one device, for --dry-run: an assumption, give yours."""
    dry_run: Switch = False
    """Tell what a sweep lacks, or what a preparation would do."""
    force: Switch = False
    """Compare rows of other protocols too, with what differs."""
    download: Switch = False
    """Fetch the official archives first."""
    videos: Switch = False
    """Compare the video files too."""
    limit: Count = 300
    """Seconds that the preparation of a file may take."""
    workers: Count | None = None
    """Processes that prepare; null takes all cores."""


GROUPS: dict[str, Any] = {
    "protocol": Protocol,
    "clips": ClipSpec,
    "loader": LoaderSpec,
    "method": Method,
    "model": ModelSpec,
    "selection": Selection,
    "semantics": Semantics,
    "study": StudyOptions,
    "pretrain": Pretrain,
    "trainer": Trainer,
}
KNOWN = {*GROUPS, *Top.__dataclass_fields__, "source", "seen", "targets", "subset"}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What names alone decide: class vectors, and the data sets that a protocol keeps apart.

    Attributes:
        source: trained on.
        targets: tested on, by name.
        seen: with held-out videos of classes trained on, if any.
        pretrain: the weights that training begins with.
        protocol: which classes are kept out of training.
        semantics: the class vectors.
        data: folder of all data.
        cache: folder for what is computed or fetched once.
    """

    source: VideoSet
    targets: Mapping[str, VideoSet]
    seen: VideoSet | None
    pretrain: Pretrain
    protocol: Protocol
    semantics: Semantics
    data: Path
    cache: Path

    def __post_init__(self) -> None:
        """Check that something is tested; raises UserError."""
        if not self.targets:
            raise UserError("target is empty; name data sets to test on, such as target=[ucf101]")

    @classmethod
    def of(cls, config: DictConfig) -> Self:
        """Make the typed value of a composed config; raises UserError as `check_options`."""
        return cls(**{field.name: typed_value(config, field.name) for field in fields(cls)})

    @property
    def stages(self) -> list[tuple[VideoSet, Protocol]]:
        """What is trained on, and the protocol that filters it."""
        first, protocol = self.pretrain.first, self.protocol
        if not (self.pretrain.filter or self.pretrain.classify):
            protocol = replace(protocol, rule="none")
        return [(self.source, self.protocol), *([(first, protocol)] if first else [])]

    def sets(self, *roles: str) -> list[VideoSet]:
        """List the data sets that have these roles: `source`, `target`, `pretrain`, `seen`."""
        sets: dict[str, list[VideoSet | None]] = {
            "source": [self.source],
            "target": [*self.targets.values()],
            "pretrain": [self.pretrain.first],
            "seen": [self.seen],
        }
        return [videos for role in roles for videos in sets[role] if videos is not None]

    def check_data(self, *roles: str) -> None:
        """Check that something lies where data sets are looked for.

        Raises:
            UserError: what is missing, where it was looked for, and how to get it.
        """
        for videos in self.sets(*roles):
            videos.check_there()


@dataclass(frozen=True, kw_only=True)
class Experiment(Claim):
    """All options of a run, checked; nothing changes them.

    Attributes:
        evaluation: how predictions are scored, by name: a function and its options.
        config: as composed, for hashes and records.
    """

    clips: ClipSpec
    loader: LoaderSpec
    subset: Subset
    model: ModelSpec
    method: Method
    selection: Selection
    trainer: Trainer
    evaluation: Mapping[str, Any]
    seed: int
    resume: str | None
    save_every: int
    resamples: int
    config: DictConfig

    def __post_init__(self) -> None:
        """Check options of several groups that do not go together; raises UserError."""
        super().__post_init__()
        if not self.evaluation:
            raise UserError("evaluation is empty; name protocols such as evaluation=[half,full]")
        if self.seen and len(self.clips.counts) > 1:
            raise UserError(
                f"clips.test_clips={self.clips.test_clips} does not go with source@seen: "
                "generalised scoring takes one number of clips"
            )
        if self.method.classify and self.selection.name != "last":
            raise UserError(
                f"selection={self.selection.name} chooses by zero-shot accuracy, which "
                "method=classify has not; take selection=last"
            )
        if self.method.frozen and not self.pretrain.weights:
            raise UserError(
                "method=baseline would freeze random weights; name those to start from: "
                "pretrain=kinetics400, pretrain=classify, pretrain=sun or pretrain.ckpt=FILE"
            )
        if self.pretrain.classify and self.selection.name == "val":
            raise UserError(
                "selection=val holds out classes that pretrain=classify is trained on; take "
                "selection=last"
            )

    @cached_property
    def composed(self) -> dict[str, Any]:
        """The config as plain data, for records."""
        return OmegaConf.to_container(self.config, resolve=True)  # type: ignore[return-value]

    def using(self, semantics: Semantics) -> Self:
        """Give the same experiment with these class vectors, in its config too."""
        config = self.config.copy()
        with open_dict(config):
            config.semantics["_target_"] = "zsvideo.semantics.vectors.WordVectors"
            config.semantics.path, config.semantics.sha256 = semantics.path, semantics.sha256
        return replace(self, semantics=semantics, config=config)


def typed_value(config: DictConfig, name: str) -> Any:
    """Make the typed value of a group of a composed config, or of one of its keys.

    Raises:
        UserError: an option has a value that is not allowed; names it and what is.
    """
    if name == "config":
        return config
    if name in ("data", "cache"):
        return Path(str(config.paths[name])).expanduser()
    if name in Top.__dataclass_fields__:
        return getattr(parse(Top, {name: config[name]}), name)
    if name == "targets":
        nodes = config.get("target") or {}
        return {key: data_set_of(node, f"target.{key}") for key, node in nodes.items()}
    if not (node := config.get(name)):
        return None
    if name in ("source", "seen"):
        return data_set_of(node, name)
    values = own_values(node)
    if name == "subset":
        return subset_of(values)
    if name == "pretrain" and values.get("source"):
        values["source"] = video_set(values["source"], "pretrain.source")
    return parse(GROUPS[name], values, name) if name in GROUPS else values


def check_options(config: DictConfig) -> None:
    """Check every option of a composed config, once, before anything is done with it.

    Raises:
        UserError: an option has a value that is not allowed; names it and what is.
    """
    for name in ("targets", *config):
        if name in KNOWN:
            typed_value(config, str(name))
    if "trainer" in config:
        Experiment.of(config)


def own_values(node: DictConfig) -> dict[str, Any]:
    """Give the values of a group as plain data, without the class that Hydra makes of it."""
    values: Any = OmegaConf.to_container(node, resolve=True)
    return {key: value for key, value in values.items() if not key.startswith("_")}


def data_set_of(node: DictConfig, group: str) -> VideoSet:
    """Make the data set of a group; raises UserError."""
    return video_set(OmegaConf.to_container(node, resolve=True), group)  # type: ignore[arg-type]


def fields_page() -> str:
    """Write a table of the fields of each group, for `docs/configuration.md`."""
    groups = {
        **{name: group for name, group in GROUPS.items() if name != "study"},
        **{f"subset={name}": group for name, group in SUBSETS.items()},
        "in no group": Top,
    }
    parts = []
    for name, group in groups.items():
        lines = [f"### `{name}`", "", " ".join((group.__doc__ or "").split()), ""]
        lines += ["| key | values | default | |", "|---|---|---|---|"]
        lines += [f"| `{key}` | {k} | {d} | {text} |" for key, k, d, text in described(group)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    print(fields_page(), end="")
