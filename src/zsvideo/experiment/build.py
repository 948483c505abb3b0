"""From the config to data, protocol and network."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.subsets import draw
from zsvideo.data.zeroshot import TargetsDataModule, ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.record import read_json
from zsvideo.experiment.composed import Claim, Experiment
from zsvideo.experiment.heads import device_of_run
from zsvideo.experiment.vectors import word_vectors
from zsvideo.models.classifier import Classifier
from zsvideo.models.encoders import Encoder, open_encoder
from zsvideo.models.files import hyperparameters
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.options import ModelSpec
from zsvideo.models.weights import Imported, import_weights, load_strictly, read_file
from zsvideo.options import plain
from zsvideo.semantics.protocol import TARGETS
from zsvideo.semantics.records import ProtocolRecord
from zsvideo.semantics.sentences import sentence_encoder
from zsvideo.semantics.text_vectors import TextEncoder, TextVectors
from zsvideo.semantics.words import class_names

log = logging.getLogger(__name__)
VECTORS = ("sha256", "unit_words", "word_rules")  # by which word vectors are the same


def build_data(
    experiment: Experiment, text_encoder: TextEncoder | None = None
) -> ZeroShotDataModule:
    """Build source, targets and protocol.

    Args:
        experiment: all options.
        text_encoder: the text side of its `encoder`, for `class_vectors=text`.

    Raises:
        UserError: data, vectors or classes lack.
    """
    selection, clips, loader = experiment.selection, experiment.clips, experiment.loader
    targets = build_videos(experiment)
    return ZeroShotDataModule(
        VideoDataModule(experiment.source, clips, loader, experiment.seed),
        targets,
        experiment.protocol,
        word_vectors(experiment.semantics),
        partial(draw, experiment.subset),
        selection.share,
        choosing(targets, selection.targets) if selection.name == "test_best" else None,
        text_vectors(experiment, text_encoder),
    )


def build_encoder(experiment: Experiment) -> Encoder | None:
    """Open the encoder of another library on the device of the run; None where it has none."""
    if not experiment.encoder:
        return None
    return open_encoder(experiment.encoder, device_of_run(experiment))


def text_side(encoder: Encoder | None) -> TextEncoder | None:
    """Give the text side of an encoder; None where it has none."""
    if encoder is None or not encoder.spec.texts:
        return None
    return TextEncoder(encoder.encode_texts, encoder.facts())


def choosing(
    targets: Mapping[str, VideoDataModule], tables: Sequence[str] | None
) -> Mapping[str, VideoDataModule]:
    """Name the targets that choose the checkpoint; all where none of the named is tested.

    Args:
        targets: all that are tested.
        tables: class tables of those that choose; None for all.
    """
    if tables is None:
        return targets
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


def build_targets(
    experiment: Experiment, text_encoder: TextEncoder | None = None
) -> TargetsDataModule:
    """Build the targets alone; see `build_data`."""
    vectors, texts = word_vectors(experiment.semantics), text_vectors(experiment, text_encoder)
    return TargetsDataModule(build_videos(experiment), vectors, experiment.protocol, texts)


def text_vectors(claim: Claim, text_encoder: TextEncoder | None = None) -> TextVectors | None:
    """Make what gives classes vectors from texts, as `class_vectors` says; None for word vectors.

    Args:
        claim: the class vectors asked for.
        text_encoder: see `build_data`.

    Raises:
        UserError: the descriptions or the model are not to be had, or there is no text side.
    """
    spec = claim.class_vectors
    if spec.kind == "words":
        return None
    if spec.kind == "sentences":
        assert spec.model is not None  # see ClassVectorSpec
        text_encoder = sentence_encoder(spec.model, spec.revision)
    if text_encoder is None:
        raise UserError(
            "class_vectors=text needs an encoder with a text side: encoder=...; without one take "
            "class_vectors=sentences"
        )
    return TextVectors.of(spec, text_encoder, claim.cache)


def build_videos(experiment: Experiment) -> dict[str, VideoDataModule]:
    """Build one data module a target; raises UserError as `build_data`."""
    clips, loader, seed = experiment.clips, experiment.loader, experiment.seed
    return {n: VideoDataModule(t, clips, loader, seed) for n, t in experiment.targets.items()}


def build_model(
    options: ModelSpec,
    seed: int,
    data: ZeroShotDataModule,
    classify: bool = False,
    pca: int | None = None,
    encoder: Encoder | None = None,
    projection: str = "linear",
) -> ZeroShotModule:
    """Build the network, with weights drawn from the seed, for what it learns.

    That is the dimension of the vectors, or the classes trained on (`method=classify`). `pca` is
    the size of its features, None for that of f_v; see `ZeroShotModule` for the others.
    """
    pl.seed_everything(seed, workers=True, verbose=False)
    if classify:
        return Classifier(len(data.source.bank), **plain(options))
    classes = len(data.source.bank) if options.loss == "aurl" else None
    return ZeroShotModule(
        embedding_dim=data.dimension,
        pca=pca,
        trained_classes=classes,
        encoder=encoder,
        projection=projection,
        **plain(options),
    )


def load_model(
    options: ModelSpec, checkpoint: Path, data: TargetsDataModule, encoder: Encoder | None = None
) -> tuple[ZeroShotModule, Imported | None]:
    """Load a trained network, of this project or the authors'; nothing in the file is executed.

    Args:
        options: of the network, where the file is the authors'.
        checkpoint: the file.
        data: the targets.
        encoder: that it was trained with, opened; None opens the one that the file names.

    Returns:
        The network, and what the file held where it is the authors'.

    Raises:
        UserError: the file is no such checkpoint, or its embeddings have another dimension than
            the class vectors.
    """
    content, imported = read_file(checkpoint, "ckpt"), None
    if "pytorch-lightning_version" in content:
        there = hyperparameters(content, checkpoint, "ckpt")
        aligned = there.get("projection") == "none"
        own: dict[str, Any] = {}
        if encoder is not None:
            own["encoder"] = same_encoder(encoder, there, checkpoint)
        if not aligned and not any(k.startswith(("f_s.", "head.")) for k in content["state_dict"]):
            raise no_f_s(there["backbone"], checkpoint)
        try:
            model = ZeroShotModule.load_from_checkpoint(
                checkpoint, map_location="cpu", weights_only=True, **own
            )
        except (RuntimeError, KeyError, TypeError) as error:
            raise UserError(
                f"{checkpoint} (ckpt) is no checkpoint of `python -m src.train`: "
                f"{str(error).strip().splitlines()[0]}"
            ) from None
    else:
        model, imported = import_model(options, content, checkpoint)
    if model.hparams["embedding_dim"] != data.dimension:
        raise UserError(
            f"{checkpoint} (ckpt) gives {model.hparams['embedding_dim']}-d embeddings, the class "
            f"vectors have {data.dimension}; give the semantics and class_vectors options of its "
            "training"
        )
    return model, imported


def same_encoder(encoder: Encoder, there: Mapping[str, Any], checkpoint: Path) -> Encoder:
    """Check that a checkpoint was trained with an encoder.

    Args:
        encoder: opened.
        there: the hyper-parameters of the checkpoint.
        checkpoint: for the message.

    Raises:
        UserError: it was trained with none, or with other weights.
    """
    before = there.get("encoder") or {"name": "an own network", "sha256": None}
    if before["sha256"] != encoder.spec.sha256:
        raise UserError(
            f"{checkpoint} (ckpt) was trained with {before['name']} (sha256 "
            f"{str(before['sha256'])[:12]}), not with the weights of encoder={encoder.spec.name} "
            f"({str(encoder.spec.sha256)[:12]}); leave out encoder=..., or give the same"
        )
    return encoder


def import_model(
    options: ModelSpec, content: dict[str, Any], file: Path
) -> tuple[ZeroShotModule, Imported]:
    """Make the network of the authors' checkpoint, whatever `model` says of the backbone.

    Raises:
        UserError: it is none, or holds a classifier without f_s.
    """
    imported = import_weights(content, file, "ckpt")
    if not imported.f_s:
        raise no_f_s(imported.backbone, file)
    size = len(imported.f_s.get("bias", []))
    own = replace(options, backbone=imported.backbone)
    model = ZeroShotModule(embedding_dim=size, **plain(own))
    load_strictly(model.f_v, imported.f_v, file, "ckpt")
    load_strictly(model.f_s, imported.f_s, file, "ckpt")
    theirs = " ".join(f"{key}={value}" for key, value in sorted(imported.options.items()))
    log.warning("authors' checkpoint of %s, trained with: %s", imported.backbone, theirs or "-")
    if imported.unused:
        log.warning("ckpt=%s also holds, unused: %s", file, ", ".join(imported.unused))
    return model, imported


def declared_training(
    claim: Claim, data: TargetsDataModule, typed: Collection[str]
) -> dict[str, Any] | None:
    """Write down what foreign weights were trained on, as `protocol` and `source` declare it.

    Only a protocol that is typed declares something, and none that keeps out the targets chosen
    now, which nobody knew when the weights were trained. `pretrain` declares pretrained weights,
    where it is typed.

    Args:
        claim: what is declared.
        data: the targets.
        typed: the options that are not left as they are.

    Returns:
        As `protocol.json` of a training, with what is `declared`; None where nothing is.
    """
    if "protocol" not in typed or TARGETS in claim.protocol.keep_out:
        log.warning(
            "what the authors' checkpoint was trained on is unknown; an option protocol=664 (or "
            "605 ...), with source=..., would declare it"
        )
        return None
    source, first = claim.source, claim.pretrain
    training = data.declare(claim.protocol, source.name, source.table, source.class_list())
    if "pretrain" in typed and first.name == "none":
        return training
    lineage: dict[str, Any] = {
        "name": first.name if "pretrain" in typed else "not declared",
        "sha256": None,
    }
    if table := first.source.table if first.source else first.table:
        lineage |= {"dataset": table, "table": table, "classes": list(class_names(table))}
    return training | {"pretrain": lineage}


def no_f_s(backbone: str, file: Path) -> UserError:
    """Say that a network of `ckpt` is a classifier, and what makes it zero-shot."""
    return UserError(
        f"ckpt={file} holds {backbone} with a classifier and no f_s, which tells no unseen classes "
        f"apart; train f_s on it: method=baseline pretrain.ckpt={file}"
    )


def read_protocol(run: Path) -> dict[str, Any] | None:
    """Read what a run was trained on; None where a checkpoint stands alone.

    Raises:
        UserError: the file is damaged.
    """
    file = run / "protocol.json"
    if not file.is_file():
        log.warning("no protocol.json in %s: what the model was trained on is unknown", run)
        return None
    try:
        protocol = read_json(file, must_exist=True)
        record = ProtocolRecord.model_validate(protocol)
        known = record.vectors and record.source and record.trained_classes
        if not known or not {"file", *VECTORS} <= {*(record.vectors or ())}:
            raise ValueError("the classes trained on or the word vectors are missing")
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{file} is damaged ({reason}); restore it, or copy the checkpoint out of its run"
        ) from None
    return protocol
