"""The options of an experiment, typed, group by group."""

import inspect
import re
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, Strict

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import SUBSETS, ClipSpec, LoaderSpec
from zsvideo.errors import UserError
from zsvideo.models.encoders.options import EncoderSpec
from zsvideo.models.options import HeadSpec, ModelSpec
from zsvideo.options import (
    MOST,
    Count,
    NotNegative,
    Number,
    Seed,
    Share,
    Switch,
    Text,
    Whole,
    as_typed_value,
    between,
    described,
    options,
    plain,
)
from zsvideo.semantics.class_texts import ClassVectorSpec
from zsvideo.semantics.protocol import Protocol
from zsvideo.semantics.words import DATASETS


@options
class Semantics:
    """Which file of word vectors, and how words become a class vector."""

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
    contrastive: Switch = False
    """Cross-entropy over the cosines with the class vectors trained on, times the scale of the
    encoder (`method=contrastive`)."""
    lr: Number | None = None
    """Learning rate of `model.lr` with an encoder of another library; null is 0.001."""

    def __post_init__(self) -> None:
        """Check that features are kept of an f_v that stays as it is; raises UserError."""
        if self.cached_clips is not None and not (self.frozen or self.legacy_bn):
            raise UserError(
                "method.cached_clips needs an f_v that does not change: method=baseline; or set "
                "method.cached_clips=null"
            )


@options
class FeatureOptions:
    """The features of a frozen f_v, and those that are kept of it."""

    clips: Count | None = None
    """Test clips of each source video that a head is fitted on; null takes the last of
    `clips.test_clips`, with which targets are tested."""
    dtype: Literal["float32", "float16"] = "float32"
    """As which features are kept on disk."""
    pca: Count | None = None
    """Size to which a fixed layer after f_v reduces the features: the principal components of
    the centre clips of up to 20,000 videos of the source. It is a part of the weights."""
    ckpt: Text | None = None
    """A run folder: its trained f_v is the encoder, as by `pretrain.ckpt`; f_s begins at random."""

    def check(self, method: Method, head: bool) -> None:
        """Check that no option is without effect.

        Args:
            method: what is trained.
            head: whether a head is fitted on features.

        Raises:
            UserError: one is.
        """
        values = {key: value for key, value in vars(self).items() if value != DEFAULTS[key]}
        if not values:
            return
        name, value = next(iter(values.items()))
        if not method.frozen or method.legacy_bn:
            raise UserError(
                f"features.{name}={value} needs an f_v that does not change: method=baseline, "
                "with method.legacy_bn=false"
            )
        if self.clips is not None and not head:
            raise UserError(
                f"features.clips={self.clips} has no effect: f_s is tested with clips.test_clips, "
                "and trained with method.cached_clips"
            )
        if self.dtype != "float32" and not head and method.cached_clips is None:
            raise UserError(
                f"features.dtype={self.dtype} has no effect: no features are kept; give "
                "method.cached_clips=1, or leave it out"
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


DEFAULTS = plain(FeatureOptions())
WORDS = plain(ClassVectorSpec())
LATER = {"features": DEFAULTS, "class_vectors": WORDS}
"""Groups that earlier versions had not: with these values hashes and records are as before."""


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


def batches(value: Any) -> Any:
    """Check a number of batches, or a share of them; raises ValueError."""
    whole = type(value) is int and 1 <= value <= MOST
    if value is not None and not whole and not (type(value) is float and 0 < value <= 1):
        raise ValueError("must be a number of batches, or a share of them from above 0 to 1.0")
    return value


Batches = Annotated[int | float | None, BeforeValidator(batches)]
LIMITS = ("limit_train_batches", "limit_val_batches", "limit_predict_batches")
OURS = {  # options of Lightning's Trainer that are decided elsewhere: their default, and where
    "overfit_batches": (0, "subset=samples subset.samples=N trains on N videos again and again"),
    "enable_checkpointing": (True, "a run tests its last checkpoint, and goes on from it"),
    "profiler": (None, "a run times itself, see `bottleneck` in its metrics.json"),
    "barebones": (False, "trainer.fast_dev_run=true tries a run out"),
    "logger": (None, "choose one by logger=csv, logger=tensorboard or logger=wandb"),
    "callbacks": (
        None,
        "add one by +callbacks.NAME._target_=..., take one away by ~callbacks.NAME",
    ),
    "plugins": (None, "checkpoints are written by an own one"),
    "default_root_dir": (None, "set hydra.run.dir=FOLDER"),
}


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
    devices: Whole | Annotated[str, Field(min_length=1)] | list[Whole] = 1
    """How many, or which."""
    precision: Text = "32-true"
    """Of numbers; see `trainer=fast`."""
    accelerator: Text = "auto"
    """`auto`, `cpu`, `gpu` or another of Lightning's."""
    num_nodes: Count = 1
    """Machines."""
    strategy: Text | dict[str, Any] = "auto"
    """Of several devices, `ddp` or another of Lightning's."""
    sync_batchnorm: Switch = False
    """BatchNorm over all devices."""
    enable_model_summary: Switch = False
    """Print the layers."""
    use_distributed_sampler: Switch = False
    """Lightning's own sampler; the samplers here are seeded by epoch."""
    num_sanity_val_steps: Whole = 0
    """Batches of validation before training."""
    max_time: Text | dict[str, int] | None = None
    """Longest training, as DD:HH:MM:SS; `resume=RUN` goes on."""
    limit_train_batches: Batches = None
    """Batches of an epoch, a number or a share of them."""
    limit_val_batches: Batches = None
    """Batches of each set that chooses the checkpoint (`selection`)."""
    limit_predict_batches: Batches = None
    """Batches of each target; the result is marked INCOMPLETE."""
    limit_test_batches: Batches = None
    """The same, by another name."""
    fast_dev_run: Annotated[NotNegative, BeforeValidator(lambda v: 1 if v is True else v or 0)] = 0
    """Try a run out with so many batches of an epoch, of validation and of each target; true is
    one."""
    trust_cudnn: Switch = False
    """Train also by a torch and cuDNN whose 3D convolutions are known to be wrong."""
    enable_progress_bar: Switch = True
    """Show how far training and testing are."""

    def __post_init__(self) -> None:
        """Check that training ends, and set the limits that others stand for.

        Raises:
            UserError: an option is decided elsewhere, or Lightning has none of its name.
        """
        self.check_others()
        limits = {"limit_predict_batches": self.limit_predict_batches or self.limit_test_batches}
        if count := self.fast_dev_run:
            limits |= dict.fromkeys(LIMITS, count) | {"max_epochs": 1, "max_steps": -1}
        for name, value in limits.items():
            object.__setattr__(self, name, value)  # before anyone has seen this value
        if self.max_epochs < 0 and self.max_steps < 0:
            raise UserError(
                f"trainer.max_epochs={self.max_epochs} would train without end; give "
                "trainer.max_epochs or trainer.max_steps"
            )

    def check_others(self) -> None:
        """Check the options that have no field here; raises UserError as `__post_init__`."""
        others = {k: v for k, v in vars(self).items() if k not in self.__dataclass_fields__}
        for name, (default, instead) in OURS.items():
            if (value := others.pop(name, default)) != default:
                shown = as_typed_value(value)
                raise UserError(f"trainer.{name}={shown} has no effect here; {instead}")
        if others:
            from pytorch_lightning import Trainer as Lightning  # heavy

            known = inspect.signature(Lightning).parameters
            if unknown := [f"trainer.{name}" for name in others if name not in known]:
                raise UserError(f"there is no option {', '.join(unknown)}; Lightning has none")

    def lightning(self) -> dict[str, Any]:
        """Give what Lightning takes; its own `fast_dev_run` would leave no checkpoint to test."""
        ours = {"fast_dev_run", "limit_test_batches", "trust_cudnn", *OURS}
        return {name: value for name, value in vars(self).items() if name not in ours}


VALIDATION = "val/top1"
ACCURACIES = ("top1", "top5", "macro_top1", "unseen", "seen", "harmonic", "ausuc")


def metric(value: Any) -> Any:
    """Check the name of a metric; raises ValueError."""
    measure = value.split("/")[2] if str(value).count("/") == 2 else ""
    if value != VALIDATION and measure not in ACCURACIES:
        raise ValueError(
            f"must be {VALIDATION} or TARGET/EVALUATION/MEASURE, of {', '.join(ACCURACIES)}"
        )
    return value


UNITS = {"s": 1, "min": 60, "h": 3600}


def interval(value: Any) -> Any:
    """Check a time between checkpoints, or a number of steps; raises ValueError."""
    time = DURATION(value) if type(value) is str else None
    if not (time and float(time[1]) > 0) and not (type(value) is int and 1 <= value <= MOST):
        raise ValueError("must be a time such as 10min, 90s or 1h, or a number of optimiser steps")
    return value


def as_interval(value: int | str) -> int | timedelta:
    """Give steps as they are, and a time as such."""
    if isinstance(value, int):
        return value
    number, unit = DURATION(value).groups()  # type: ignore[union-attr]
    return timedelta(seconds=float(number) * UNITS[unit])


DURATION = re.compile(rf"(\d{{1,6}}(?:\.\d{{1,6}})?) ?({'|'.join(UNITS)})").fullmatch
Interval = Annotated[int | str, BeforeValidator(interval)]


@options
class Top:
    """Options that are in no group."""

    seed: Seed = 0
    """Of weights, clips, order and draws."""
    resume: Text | None = None
    """`auto` continues what is in the run's folder; or the folder of a run."""
    save_every: Interval = "10min"
    """Between checkpoints within an epoch: a time such as `10min`, `90s` or `1h`, or a number of
    optimiser steps. Each epoch's end has one too."""
    compat: Literal["ours", "paper", "authors_code"] = "ours"
    """Which switches are set; each can be set alone."""
    resamples: Annotated[int, Strict(), Field(ge=0, le=1_000_000)] = 1000
    """Of the bootstrap intervals; 0 makes none."""
    optimized_metric: Annotated[str, BeforeValidator(metric)] = VALIDATION
    """What `train` returns to a sweeper that optimises: `val/top1`, the best accuracy on classes of
    the source held out by `selection=val` or for the options of a head; or
    `TARGET/EVALUATION/MEASURE`, which is tuning on the test set and recorded as a leak."""
    rate: Annotated[float, Strict(), Field(gt=0, le=1e9)] = 1000
    """Training clips a second of one device, for --dry-run: an assumption, give yours."""
    dry_run: Switch = False
    """Tell what a sweep lacks, or what a preparation would do."""
    force: Switch = False
    """Compare rows of other protocols too, with what differs."""
    download: Switch = False
    """Fetch the official archives first."""
    download_only: Switch = False
    """Fetch the official archives, and do no more than that."""
    growth: Annotated[float, between(1, 1e6)] = 20
    """Times its size that an archive may take unpacked; 100 MB are always allowed."""
    videos: Switch = False
    """Compare the video files too."""
    judged: Text | None = None
    """A list of test classes that others judge to be covered by what is trained on, with which the
    audit is compared: `xov_action.tsv`, or a file."""
    limit: Count = 300
    """Seconds that the preparation of a file may take."""
    workers: Count | None = None
    """Processes that prepare; null takes all cores."""
    shards: Count | None = None
    """Parts of a preparation, for several machines; without `shard` they are joined."""
    shard: NotNegative | None = None
    """Number of the part that is prepared here, from 0."""


GROUPS: dict[str, Any] = {
    "protocol": Protocol,
    "clips": ClipSpec,
    "loader": LoaderSpec,
    "method": Method,
    "head": HeadSpec,
    "features": FeatureOptions,
    "model": ModelSpec,
    "selection": Selection,
    "semantics": Semantics,
    "encoder": EncoderSpec,
    "class_vectors": ClassVectorSpec,
    "study": StudyOptions,
    "pretrain": Pretrain,
    "trainer": Trainer,
}


def fields_page() -> str:
    """Write a table of the fields of each group, for `docs/configuration.md`."""
    from zsvideo.models.heads import HEADS  # heavy

    groups = {
        **{name: group for name, group in GROUPS.items() if name != "study"},
        **{f"head={name}": head.Options for name, head in HEADS.items()},
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
