"""The options of an experiment, typed: every group, and the whole."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from zsvideo.data.datasets import video_set
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import subset_of
from zsvideo.errors import UserError
from zsvideo.options import Count, Number, Share, Switch, Text, Whole, options


def _set(group: str) -> BeforeValidator:
    return BeforeValidator(lambda v: video_set(v, group) if isinstance(v, Mapping) else v)


def _sets(values: Any) -> Any:
    if not isinstance(values, Mapping):
        return values
    return {name: video_set(own, f"target.{name}") for name, own in values.items()}


def _subset(values: Any) -> Any:
    return subset_of(values) if isinstance(values, Mapping) else values


@options
class Semantics:
    """The class vectors: which file of word vectors, and how words become a class vector."""

    path: Text = "auto"
    """A file; `googlenews`, found or fetched; or `auto`, embedded where that has every word."""
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


@options
class Pretrain:
    """The weights that training begins with."""

    name: Text = "none"
    """Which weights these are."""
    table: Text | None = None
    """Class table of what they were trained on, for the audit."""
    root: Text | None = None
    """For the audit: a text file with the names of their classes, or class folders."""
    source: Annotated[VideoSet | None, _set("pretrain.source")] = None
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


@options
class Selection:
    """Which checkpoint is tested."""

    name: Literal["last", "val", "test_best"] = "last"
    """The last; the best on held-out source classes; the best on the targets, which is a leak."""
    share: Share = 0.0
    """Of the source's classes, held out of training to choose by (`val`)."""
    targets: list[Text] | None = None
    """Whose mean chooses (`test_best`); null, or none of them tested: all."""

    def __post_init__(self) -> None:
        """Check that the share goes with the choice; raises UserError."""
        if bool(self.share) != (self.name == "val"):
            raise UserError(
                f"selection.share={self.share:g} does not go with selection={self.name}: "
                "selection=val needs a share of the classes, above 0, and no other takes one"
            )


@options
class Paths:
    """Where things lie."""

    data: Text = "data"
    """Each data set in a folder of its own name."""
    cache: Text = "data/cache"
    """Class vectors, features, published weights."""
    run: Text = "."
    """The run folder."""
    pretrained: Text = "pretrain"
    """Runs that make pretrained weights; a study shares them."""
    trained: Text | None = None
    """Where the runs of a study that differ in tests alone find each other."""


@options
class Study:
    """What a sweep is for; presets in experiments/ fill it."""

    name: Text | None = None
    """The artefact of the paper."""
    axes: list[Text] = Field(default_factory=list)
    """Groups and keys that tell its jobs apart."""
    rows: list[Any] = Field(default_factory=list)
    """Lists of sets of options, each set taken as it stands; all combinations."""


@options
class Trainer:
    """Lightning's Trainer; what is not named here goes to it as it is (`+trainer.KEY=VALUE`)."""

    max_epochs: Whole | None = 150
    """Epochs of training (Sec. 4.4)."""
    max_steps: Whole = -1
    """Optimiser steps at most; -1 for any number."""
    accumulate_grad_batches: Count = 1
    """Batches whose gradients are added up for a step."""
    gradient_clip_val: Number | None = None
    """Largest norm of a gradient."""
    log_every_n_steps: Count = 10
    """Steps between rows of the training curve."""
    others: dict[str, Any] = Field(default_factory=dict)
    """Devices, precision and the like, see Lightning's documentation."""
