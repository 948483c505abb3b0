"""From the config to data, protocol and network."""

import json
import logging
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets import named
from zsvideo.data.options import ClipSpec, LoaderSpec, subset_of
from zsvideo.data.subsets import draw
from zsvideo.data.zeroshot import TargetsDataModule, ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.protocols import check_lists
from zsvideo.models.classifier import Classifier
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.weights import Imported, import_weights, load_strictly, read_file
from zsvideo.semantics.protocol import TARGETS, Protocol
from zsvideo.semantics.words import DATASETS, class_names

log = logging.getLogger(__name__)

SELECTIONS = ("last", "val", "test_best")


def build_data(config: DictConfig, option: str = "source.root") -> ZeroShotDataModule:
    """Build source, targets and protocol; `option` is the config key of the source's root.

    Raises:
        UserError: data, vectors or classes are missing, or the selection is none.
    """
    selection, share = config.selection.name, config.selection.share
    if selection not in SELECTIONS:
        raise UserError(f"selection.name={selection} is unknown; allowed: {', '.join(SELECTIONS)}")
    if bool(share) != (selection == "val"):
        raise UserError(
            f"selection.share={share} does not go with selection={selection}: selection=val needs "
            "a share of the classes, above 0, and no other takes one"
        )
    if config.method.classify and selection != "last":
        raise UserError(
            f"selection={selection} chooses by zero-shot accuracy, which method=classify has not; "
            "take selection=last"
        )
    if config.pretrain.get("classify") and selection == "val":
        raise UserError(
            "selection=val holds out classes that pretrain=classify is trained on; take "
            "selection=last"
        )
    source = build_videos(config.source, config, option)
    targets = build_target_sets(config)
    protocol = Protocol(**config.protocol)
    vectors = instantiate(config.semantics)
    subset = partial(draw, subset_of(OmegaConf.to_container(config.subset, resolve=True)))  # type: ignore[arg-type]
    data = ZeroShotDataModule(
        source,
        targets,
        protocol,
        vectors,
        subset,
        share,
        choosing(targets, config.selection.get("targets")) if selection == "test_best" else None,
    )
    check_evaluations(config, data)
    return data


def choosing(
    targets: dict[str, VideoDataModule], tables: Sequence[str] | None
) -> dict[str, VideoDataModule]:
    """Name the targets that choose the checkpoint; all where none of the named is tested.

    Args:
        targets: all that are tested.
        tables: class tables of those that choose; None for all.

    Raises:
        UserError: `tables` is no list of class tables.
    """
    if tables is None:
        return targets
    if isinstance(tables, str) or not set(tables) <= set(DATASETS):
        raise UserError(
            f"selection.targets={tables} must be null or a list of {', '.join(DATASETS)}"
        )
    chosen = {name: target for name, target in targets.items() if target.table in tables}
    others = ", ".join(name for name in targets if name not in chosen)
    if not chosen:
        log.warning(
            "none of %s is a target, so all targets choose the checkpoint: %s",
            ", ".join(tables),
            others,
        )
        return targets
    if others:
        log.info("the checkpoint is chosen by %s alone, not by %s", ", ".join(chosen), others)
    return chosen


def build_targets(config: DictConfig) -> TargetsDataModule:
    """Build the targets alone; raises UserError as `build_data`."""
    protocol = Protocol(**config.protocol)
    data = TargetsDataModule(build_target_sets(config), instantiate(config.semantics), protocol)
    check_evaluations(config, data)
    return data


def check_evaluations(config: DictConfig, data: TargetsDataModule) -> None:
    """Check that the lists of the evaluations are of the targets; raises UserError."""
    evaluations = {key: instantiate(e, _convert_="all") for key, e in config.evaluation.items()}
    tested = {n: (c.table or n, c.names) for n, c in data.tested.items()}
    check_lists(evaluations, tested)


def build_target_sets(config: DictConfig) -> dict[str, VideoDataModule]:
    """Build one data module a target; raises UserError as `build_data`."""
    if not config.get("evaluation"):
        raise UserError("evaluation is empty; name protocols such as evaluation=[half,full]")
    if not config.get("target"):
        raise UserError("target is empty; name data sets to test on, such as target=[ucf101]")
    return {
        name: build_videos(target, config, f"target.{name}.root")
        for name, target in config.target.items()
    }


def build_videos(videos: DictConfig, config: DictConfig, option: str) -> VideoDataModule:
    """Build the data module of one data set; `option` is the config key of its root."""
    if not isinstance(config.seed, int) or not 0 <= config.seed < 2**32:
        raise UserError(f"seed={config.seed} must be a whole number, at least 0 and below 2**32")
    clips, loader = ClipSpec(**config.clips), LoaderSpec(**config.loader)
    return VideoDataModule(named(videos, option.removesuffix(".root")), clips, loader, config.seed)


def build_model(config: DictConfig, data: ZeroShotDataModule) -> ZeroShotModule:
    """Build the network, with weights drawn from the seed, for what the method learns.

    That is the dimension of the vectors, or the classes trained on (`method=classify`).
    """
    pl.seed_everything(config.seed, workers=True, verbose=False)
    options = instantiate(config.model, _partial_=True, _convert_="all")
    if config.method.classify:
        return Classifier(len(data.source.bank), **options.keywords)
    model: ZeroShotModule = options(embedding_dim=data.dimension)
    return model


def load_model(
    config: DictConfig, checkpoint: Path, data: TargetsDataModule
) -> tuple[ZeroShotModule, Imported | None]:
    """Load a trained network, of this project or the authors'; nothing in the file is executed.

    Returns:
        The network, and what the file held where it is the authors'.

    Raises:
        UserError: the file is no such checkpoint, or its embeddings have another dimension than
            the word vectors.
    """
    content, imported = read_file(checkpoint, "ckpt"), None
    if "pytorch-lightning_version" in content:
        if not any(key.startswith("f_s.") for key in content["state_dict"]):
            raise no_f_s(content["hyper_parameters"]["backbone"], checkpoint)
        try:
            model = ZeroShotModule.load_from_checkpoint(
                checkpoint, map_location="cpu", weights_only=True
            )
        except (RuntimeError, KeyError, TypeError) as error:
            raise UserError(
                f"{checkpoint} (ckpt) is no checkpoint of `python -m src.train`: "
                f"{str(error).strip().splitlines()[0]}"
            ) from None
    else:
        model, imported = import_model(config, content, checkpoint)
    if model.hparams["embedding_dim"] != data.dimension:
        raise UserError(
            f"{checkpoint} (ckpt) gives {model.hparams['embedding_dim']}-d embeddings, the word "
            f"vectors have {data.dimension}; give the semantics options of its training"
        )
    return model, imported


def import_model(
    config: DictConfig, content: dict[str, Any], file: Path
) -> tuple[ZeroShotModule, Imported]:
    """Make the network of the authors' checkpoint, whatever `model` says of the backbone.

    Raises:
        UserError: it is none, or holds a classifier without f_s.
    """
    imported = import_weights(content, file, "ckpt")
    if not imported.f_s:
        raise no_f_s(imported.backbone, file)
    size = len(imported.f_s.get("bias", []))
    model: ZeroShotModule = instantiate(
        config.model, backbone=imported.backbone, embedding_dim=size, _convert_="all"
    )
    load_strictly(model.f_v, imported.f_v, file, "ckpt")
    load_strictly(model.f_s, imported.f_s, file, "ckpt")
    options = " ".join(f"{key}={value}" for key, value in sorted(imported.options.items()))
    log.warning("authors' checkpoint of %s, trained with: %s", imported.backbone, options or "-")
    if imported.unused:
        log.warning("ckpt=%s also holds, unused: %s", file, ", ".join(imported.unused))
    return model, imported


def declared_training(
    config: DictConfig, data: TargetsDataModule, typed: Collection[str]
) -> dict[str, Any] | None:
    """Write down what foreign weights were trained on, as `protocol` and `source` declare it.

    Only a protocol that is typed declares something, and none that keeps out the targets chosen
    now, which nobody knew when the weights were trained. `pretrain` declares pretrained weights,
    where it is typed.

    Args:
        config: the whole config.
        data: the targets.
        typed: the options that are not left as they are.

    Returns:
        As `protocol.json` of a training, with what is `declared`; None where nothing is.
    """
    protocol = Protocol(**config.protocol)
    if "protocol" not in typed or TARGETS in protocol.keep_out:
        log.warning(
            "what the authors' checkpoint was trained on is unknown; an option protocol=664 (or "
            "605 ...), with source=..., would declare it"
        )
        return None
    source = named(config.source, "source")
    training = data.declare(protocol, source.name, source.table, source.class_list())
    first = config.pretrain
    if "pretrain" in typed and first.name == "none":
        return training
    lineage = {"name": first.name if "pretrain" in typed else "not declared", "sha256": None}
    table = (first.get("source") or first).get("table")
    if table:
        lineage |= {"dataset": table, "table": table, "classes": list(class_names(table))}
    return training | {"pretrain": lineage}


def no_f_s(backbone: str, file: Path) -> UserError:
    """Say that a network of `ckpt` is a classifier, and what makes it zero-shot."""
    return UserError(
        f"ckpt={file} holds {backbone} with a classifier and no f_s, which tells no unseen classes "
        f"apart; train f_s on it: method=baseline pretrain.ckpt={file}"
    )


def read_protocol(run: Path) -> dict[str, Any] | None:
    """Read what a run was trained on; None where a checkpoint stands alone."""
    file = run / "protocol.json"
    if not file.is_file():
        log.warning("no protocol.json in %s: what the model was trained on is unknown", run)
        return None
    protocol: dict[str, Any] = json.loads(file.read_text())
    return protocol
