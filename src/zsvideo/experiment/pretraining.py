"""Pretrained weights: from another source, from a finished run, or from published files."""

import logging
from pathlib import Path
from typing import Any

from torch import nn

from zsvideo.data.zeroshot import TargetsDataModule
from zsvideo.errors import UserError
from zsvideo.experiment.build import read_protocol
from zsvideo.experiment.options import Pretrain
from zsvideo.experiment.testing import selection_of
from zsvideo.models.classifier import Classifier
from zsvideo.models.encoders import Encoder
from zsvideo.models.encoders.options import NO_LABELS
from zsvideo.models.files import checkpoint_of, hyperparameters
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.weights import import_weights, load_strictly, published_weights, read_file
from zsvideo.semantics.records import ProtocolRecord, file_hash
from zsvideo.semantics.words import class_names

log = logging.getLogger(__name__)

OPTION = "pretrain.ckpt"


def pretrain(
    options: Pretrain,
    cache: Path,
    data: TargetsDataModule,
    model: ZeroShotModule,
    first: Path | None,
) -> dict[str, Any] | None:
    """Give a network its pretrained weights.

    Args:
        options: which weights.
        cache: folder, for published weights.
        data: of the run; its word vectors must be those of the weights.
        model: gets the weights.
        first: checkpoint of the training on `pretrain.source`, if there is one.

    Returns:
        The lineage: `name`, `file`, `sha256`, and of what it was trained on `dataset`, `table`,
        `classes`, `protocol` and its own lineage `pretrain`, where known. None without weights.

    Raises:
        UserError: the weights are not there, or do not fit.
    """
    if options.ckpt is not None:
        file = checkpoint_of(options.ckpt, OPTION)
    elif first is not None:
        file = first
    elif not options.weights:
        return None
    else:
        file = published_weights(model.hparams["backbone"], options.name, cache / "weights")
    trained = load_weights(model, file, options.reset_head, data)
    if not trained and options.table and (known := options.classes):
        trained = {"dataset": known.name, "table": known.table, "classes": known.class_list()}
    of_a_run = options.ckpt is not None and "protocol" in trained  # whatever the option is called
    name = file.parent.parent.name if of_a_run else options.name
    return {"name": name, "file": str(file), "sha256": file_hash(file), **trained}


def encoder_lineage(encoder: Encoder) -> dict[str, Any]:
    """Say as `pretrain` what the weights of an encoder of another library were trained on.

    `classes` are missing where what was published of its training does not say them; they are
    none where class names had no part in it. So it is with the weights that it began with.
    """
    spec = encoder.spec
    lineage: dict[str, Any] = {"name": spec.name, "file": spec.id, "sha256": spec.sha256}
    if spec.labels == NO_LABELS:
        return lineage | {"classes": []}
    if spec.labels is None:
        return lineage
    names = list(class_names(spec.labels))
    lineage |= {"dataset": spec.labels, "table": spec.labels, "classes": names}
    if spec.began_with is not None:
        lineage["pretrain"] = {"name": spec.began_with, "sha256": None}
    return lineage


def load_weights(
    model: ZeroShotModule, file: Path, reset_head: bool, data: TargetsDataModule
) -> dict[str, Any]:
    """Load f_v, and f_s where file and network have it and it is not to be reset.

    Returns:
        What is known of the training: `dataset`, `table`, `classes`, `protocol`, `pretrain` of a
        run of this project, `options`, `unused` and `selection` of the authors' checkpoint; empty
        for other files.

    Raises:
        UserError: the file does not fit the network or the word vectors.
    """
    content = read_file(file, OPTION)
    trained: dict[str, Any] = {}
    reduced = False
    if "pytorch-lightning_version" in content:
        options = hyperparameters(content, file, OPTION, ["backbone"])
        backbone, reduced = options["backbone"], "pca" in options
        f_v, f_s = (
            {k[4:]: v for k, v in content["state_dict"].items() if k.startswith(part)}
            for part in ("f_v.", "f_s.")
        )
        if (record := read_protocol(file.parent.parent)) is not None:
            if f_s and not reset_head:
                data.check_vectors(record["vectors"], f"{OPTION}={file}")
                data.check_texts(record.get("class_vectors"), f"{OPTION}={file}")
            trained = {
                "dataset": record["source"]["dataset"],
                "table": record["source"]["table"],
                "classes": record["trained_classes"],
                "protocol": ProtocolRecord.model_validate(record).summary(),
                "selection": selection_of(file.parent.parent, file),
                "pretrain": record.get("pretrain"),
            }
    else:
        imported = import_weights(content, file, OPTION)
        backbone, f_v, f_s = imported.backbone, imported.f_v, imported.f_s
        if imported.options or imported.f_s:
            trained = {"selection": imported.selection, **imported.describe()}
        if imported.unused:
            log.info("%s=%s also holds, unused: %s", OPTION, file, ", ".join(imported.unused))
    if backbone != model.hparams["backbone"]:
        raise UserError(
            f"{OPTION}={file} holds weights of {backbone}, not of model.backbone="
            f"{model.hparams['backbone']}; choose that model"
        )
    load_strictly(model.f_v, f_v, file, OPTION)
    if f_s and not reset_head and not isinstance(model, Classifier):
        if reduced or isinstance(model.reduce, nn.Linear):
            raise UserError(
                f"{OPTION}={file} has an f_s of other features: each run fits features.pca anew; "
                "give pretrain.reset_head=true"
            )
        load_strictly(model.f_s, f_s, file, OPTION + " (pretrain.reset_head=true leaves f_s out)")
    return trained
