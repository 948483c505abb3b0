"""An experiment as one typed value, made where the composed config enters."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict

from zsvideo.data.datasets import video_set
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import ClipSpec, LoaderSpec, Subset, subset_of
from zsvideo.errors import UserError
from zsvideo.experiment.options import (
    GROUPS,
    VALIDATION,
    FeatureOptions,
    Method,
    Pretrain,
    Selection,
    Semantics,
    Top,
    Trainer,
)
from zsvideo.models.encoders import EncoderSpec, check_library
from zsvideo.models.options import HeadSpec, ModelSpec, head_of
from zsvideo.options import as_typed_value, parse
from zsvideo.semantics.class_texts import ClassVectorSpec
from zsvideo.semantics.protocol import Protocol
from zsvideo.semantics.sentences import check_package
from zsvideo.targets import check_arguments, check_target, targets

KNOWN = {*GROUPS, *Top.__dataclass_fields__, "source", "seen", "targets", "subset"}


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What names alone decide: vectors, and the data sets that a protocol keeps apart.

    Attributes:
        source: trained on.
        targets: tested on, by name.
        seen: with held-out videos of classes trained on, if any.
        pretrain: the weights that training begins with.
        protocol: which classes are kept out of training.
        semantics: the word vectors.
        class_vectors: what is learned and scored.
        data: folder of all data.
        cache: folder for what is computed or fetched once.
    """

    source: VideoSet
    targets: Mapping[str, VideoSet]
    seen: VideoSet | None
    pretrain: Pretrain
    protocol: Protocol
    semantics: Semantics
    class_vectors: ClassVectorSpec
    data: Path
    cache: Path

    def __post_init__(self) -> None:
        """Check that something is tested; raises UserError."""
        if not self.targets:
            raise UserError("target is empty; name data sets to test on, such as target=[ucf101]")
        length, kind = self.semantics.target_length, self.class_vectors.kind
        if kind != "words" and length != "unit":
            raise UserError(
                f"semantics.target_length={length} has no effect with class_vectors={kind}, whose "
                "vectors are of unit length; leave it out"
            )

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
        """Check that something lies where data sets are looked for, and what reads their names.

        Raises:
            UserError: what is missing, where it was looked for, and how to get it.
        """
        if self.class_vectors.kind == "sentences":
            check_package()
        for videos in self.sets(*roles):
            videos.check_there()


@dataclass(frozen=True, kw_only=True)
class Experiment(Claim):
    """All options of a run, checked; nothing changes them.

    Attributes:
        encoder: of another library, in place of an own network; None without.
        evaluation: how predictions are scored, by name: a function and its options.
        config: as composed, for hashes and records.
    """

    encoder: EncoderSpec | None
    clips: ClipSpec
    loader: LoaderSpec
    subset: Subset
    model: ModelSpec
    method: Method
    head: HeadSpec
    features: FeatureOptions
    selection: Selection
    trainer: Trainer
    evaluation: Mapping[str, Any]
    seed: int
    resume: str | None
    save_every: int | str
    resamples: int
    optimized_metric: str
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
        if self.method.contrastive and not (self.encoder and self.class_vectors.kind == "text"):
            raise UserError(
                "method=contrastive tunes an encoder on the texts of classes: give encoder=... and "
                "class_vectors=text"
            )
        if self.encoder:
            self.check_encoder(self.encoder)
        elif self.method.frozen and not self.pretrain.weights:
            raise UserError(
                "method=baseline would freeze random weights; name those to start from: "
                "pretrain=kinetics400, pretrain=classify, pretrain=sun or pretrain.ckpt=FILE"
            )
        check_metric(self.optimized_metric, self.targets, self.evaluation)
        self.check_callbacks()
        if self.head.fitted:
            self.check_head()
        self.features.check(self.method, self.head.fitted)
        if self.pretrain.classify and self.selection.name == "val":
            raise UserError(
                "selection=val holds out classes that pretrain=classify is trained on; take "
                "selection=last"
            )

    def check_data(self, *roles: str) -> None:
        """Check data sets, and that the library of the encoder is there; raises UserError."""
        if self.encoder:
            check_library(self.encoder)
        super().check_data(*roles)

    def check_encoder(self, encoder: EncoderSpec) -> None:
        """Check what an encoder of another library asks of the other groups; raises UserError."""
        encoder.check(self.clips)
        if self.pretrain.weights:
            raise UserError(
                f"encoder={encoder.name} brings its own weights; leave out pretrain="
                f"{self.pretrain.name} (method=baseline sets it: take method=frozen) and "
                "features.ckpt"
            )
        if self.method.legacy_bn:
            raise UserError(
                f"encoder={encoder.name} stays as it is where it is frozen; leave out "
                "method.legacy_bn=true"
            )
        if self.method.classify:
            raise UserError(
                f"encoder={encoder.name} does not go with method=classify; take method=frozen, "
                "method=e2e or method=contrastive"
            )

    @property
    def projection(self) -> str:
        """What lies between features and class vectors: nothing where both are of one encoder."""
        return "none" if self.class_vectors.kind == "text" and not self.head.fitted else "linear"

    @property
    def network(self) -> ModelSpec:
        """The options of the network, with the loss that the method asks for."""
        return replace(self.model, loss="contrastive") if self.method.contrastive else self.model

    def check_training(self) -> None:
        """Check that there is something to train; raises UserError."""
        if self.projection == "none" and self.method.frozen:
            raise UserError(
                "class_vectors=text with a frozen encoder has nothing to train: test it as it is "
                "by `evaluate encoder=...`, tune it by method=contrastive, or fit a head=..."
            )

    def check_head(self) -> None:
        """Check what a fitted head asks of the other groups; raises UserError."""
        kind, wrong = self.head.kind, ""
        if not self.method.frozen:
            wrong = "a frozen f_v: method=baseline, with pretrain=... or pretrain.ckpt=RUN"
        elif self.method.legacy_bn:
            wrong = "features that stay as they are: method.legacy_bn=false"
        elif self.selection.name != "last":
            wrong = "selection=last: it chooses its options itself, by head.share and head.draws"
        elif self.loader.balance:
            wrong = "each video once: loader.balance=0"
        elif self.trainer.devices not in (1, "1", "auto"):
            wrong = "one device: trainer.devices=1"
        elif self.trainer.limit_predict_batches:
            wrong = "all videos: no trainer.limit_predict_batches and no trainer.fast_dev_run"
        if wrong:
            raise UserError(f"head={kind} needs {wrong}")

    def check_made(self, *groups: str) -> None:
        """Check what these groups name to be made, before anything is done; raises UserError."""
        for group in groups:
            for name, values in (self.composed.get(group) or {}).items():
                check_arguments(values, f"{group}.{name}", partial=group == "evaluation")

    def check_callbacks(self) -> None:
        """Check that a metric that callbacks watch is measured; raises UserError."""
        for name, own in (self.config.get("callbacks") or {}).items():
            watched = own.get("monitor") if OmegaConf.is_dict(own) else None
            if watched == VALIDATION and self.selection.name == "last":
                raise UserError(
                    f"callbacks.{name}.monitor={watched} is not measured by selection=last; hold "
                    "out classes of the source by selection=val, or watch the loss: "
                    f"callbacks.{name}.monitor=train/loss_epoch"
                )

    @cached_property
    def composed(self) -> dict[str, Any]:
        """The config as plain data."""
        return OmegaConf.to_container(self.config, resolve=True)  # type: ignore[return-value]

    @cached_property
    def recorded(self) -> dict[str, Any]:
        """The config as plain data, for records: without what the environment holds."""
        config = self.config.copy()
        keep_names(config)
        return OmegaConf.to_container(config, resolve=True)  # type: ignore[return-value]

    def using(self, semantics: Semantics) -> Self:
        """Give the same experiment with these class vectors, in its config too."""
        config = self.config.copy()
        with open_dict(config):
            config.semantics["_target_"] = "zsvideo.semantics.vectors.WordVectors"
            config.semantics.path, config.semantics.sha256 = semantics.path, semantics.sha256
        return replace(self, semantics=semantics, config=config)


def check_metric(name: str, targets: Collection[str], evaluations: Collection[str]) -> None:
    """Check that the metric that training returns is of what is tested; raises UserError."""
    target, _, rest = name.partition("/")
    tested = target in targets and rest.partition("/")[0] in evaluations
    if name != VALIDATION and not tested:
        raise UserError(
            f"optimized_metric={name} is no target and evaluation of this run; these would be: "
            f"{', '.join(f'{t}/{e}/...' for t in targets for e in evaluations)}"
        )


def keep_names(node: DictConfig | ListConfig) -> None:
    """Keep `${oc.env:NAME}` as it is written, since what it stands for may be a secret."""
    for key in node if isinstance(node, DictConfig) else range(len(node)):
        inner: Any = node._get_node(key)  # type: ignore[arg-type]
        if OmegaConf.is_config(inner) and not inner._is_interpolation():
            if not inner._is_none() and not inner._is_missing():
                keep_names(inner)
        elif "oc.env" in str(value := inner._value()):
            inner._set_flag("readonly", False)
            inner._set_value(value.replace("${", r"\${"))


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
        return ClassVectorSpec() if name == "class_vectors" else None
    if name in ("source", "seen"):
        return data_set_of(node, name)
    values = own_values(node)
    if name == "subset":
        return subset_of(values)
    if name == "head":
        return head_of(values)
    if name == "pretrain" and isinstance(values.get("source"), dict):
        values["source"] = video_set(values["source"], "pretrain.source")
    if name == "pretrain" and (encoder := OmegaConf.select(config, "features.ckpt")) is not None:
        if values.get("ckpt") is not None or values.get("source"):
            raise UserError(
                f"features.ckpt={encoder} names the weights to start from, and so does "
                f"{'pretrain.ckpt' if values.get('ckpt') else 'pretrain.source'}; give one"
            )
        values |= {"ckpt": encoder, "reset_head": True}
    return parse(GROUPS[name], values, name) if name in GROUPS else values


def check_options(config: DictConfig) -> None:
    """Check every option of a composed config, once, before anything is done with it.

    Raises:
        UserError: an option has a value that is not allowed; names it and what is.
    """
    for key, target in targets(OmegaConf.to_container(config, resolve=False), ""):
        check_target(target, key)
    check_paths(config)
    for name in ("targets", "encoder", *config):  # clips are set by the encoder
        if name in KNOWN:
            typed_value(config, str(name))
    if "trainer" in config:
        Experiment.of(config)


def check_paths(config: DictConfig) -> None:
    """Check that the folders are names; raises UserError."""
    paths: Any = OmegaConf.to_container(config.get("paths") or OmegaConf.create(), resolve=False)
    if not isinstance(paths, dict):
        raise UserError(f"paths={paths!r} must be a mapping: {{KEY: FOLDER}}")
    for name, value in paths.items():
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            shown = as_typed_value(value)
            raise UserError(f"paths.{name}={shown} is no folder; give its name")


def own_values(node: DictConfig) -> dict[str, Any]:
    """Give the values of a group as plain data, without the class that Hydra makes of it."""
    values: Any = OmegaConf.to_container(node, resolve=True)
    return {key: value for key, value in values.items() if not key.startswith("_")}


def data_set_of(node: DictConfig, group: str) -> VideoSet:
    """Make the data set of a group; raises UserError."""
    return video_set(OmegaConf.to_container(node, resolve=True), group)  # type: ignore[arg-type]
