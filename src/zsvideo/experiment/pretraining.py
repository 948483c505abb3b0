"""Pretrained weights: from another source, from a finished run, or from published files."""

import fcntl
import logging
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pytorch_lightning.utilities import rank_zero_only

from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.zeroshot import TargetsDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import file_hash
from zsvideo.experiment.build import build_data, build_model, read_protocol
from zsvideo.experiment.classification import record_training
from zsvideo.experiment.jobs import first_stage, training_hash
from zsvideo.experiment.resume import resume
from zsvideo.experiment.testing import selection_of
from zsvideo.experiment.trainer import lightning_trainer
from zsvideo.models.checkpoints import LAST
from zsvideo.models.classifier import Classifier
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.weights import (
    checkpoint_of,
    import_weights,
    load_strictly,
    published_weights,
    read_file,
)
from zsvideo.semantics.records import ProtocolRecord

log = logging.getLogger(__name__)

OPTION = "pretrain.ckpt"


def pretrain(
    config: DictConfig, data: TargetsDataModule, model: ZeroShotModule, run: Path
) -> dict[str, Any] | None:
    """Give a network its pretrained weights, as the group `pretrain` says.

    Args:
        config: the whole config.
        data: of the run; its word vectors must be those of the weights.
        model: gets the weights.
        run: folder.

    Returns:
        The lineage: `name`, `file`, `sha256`, and of what it was trained on `dataset`, `table`,
        `classes`, `protocol` and its own lineage `pretrain`, where known. None without weights.

    Raises:
        UserError: the weights are not there, or do not fit.
    """
    options = config.pretrain
    if options.ckpt is not None:
        file = checkpoint_of(options.ckpt, OPTION)
    elif options.get("source"):
        file = train_first(config)
    elif options.name == "none":
        if config.method.frozen:
            raise UserError(
                "method=baseline would freeze random weights; name those to start from: "
                "pretrain=kinetics400, pretrain=classify, pretrain=sun or pretrain.ckpt=FILE"
            )
        return None
    else:
        folder = Path(config.paths.cache).expanduser() / "weights"
        file = published_weights(config.model.backbone, options.name, folder)
    trained = load_weights(model, file, options.reset_head, data)
    if not trained and options.get("table"):
        known = VideoSet(root=str(options.get("root")), table=options.table, option="pretrain.root")
        trained = {"dataset": known.name, "table": known.table, "classes": known.class_list()}
    of_a_run = options.ckpt is not None and "protocol" in trained  # whatever the option is called
    name = file.parent.parent.name if of_a_run else options.name
    return {"name": name, "file": str(file), "sha256": file_hash(file), **trained}


def train_first(config: DictConfig) -> Path:
    """Train on the source of `pretrain`, unless that was done already; give the checkpoint.

    It is a run of its own under `paths.pretrained`, known by what it computes; runs of a sweep
    that need the same one wait for the first to make it. The protocol removes classes of that
    source too, unless `pretrain.filter` is false.
    """
    stage = first_stage(config)
    assert stage is not None
    name = f"{config.pretrain.name}-seed{config.seed}-{training_hash(stage)[:12]}"
    run = Path(config.paths.pretrained).expanduser() / name
    stage.paths.run = str(run)
    run.mkdir(parents=True, exist_ok=True)
    with (run / "lock").open("w") as lock:
        if not getattr(rank_zero_only, "rank", 0):  # the other processes of a run train beside it
            fcntl.flock(lock, fcntl.LOCK_EX)
        return train_stage(stage, run)


def train_stage(stage: DictConfig, run: Path) -> Path:
    """Train in the folder of a stage, or go on there; give the checkpoint."""
    checkpoint = run / "checkpoints" / LAST
    begun = resume(stage, run)
    if begun.finished:
        return checkpoint
    data = build_data(stage, "pretrain.source.root")
    model = build_model(stage, data)
    with lightning_trainer(stage, run, begun.step) as (trainer, unreadable):
        trainer.fit(model, data, ckpt_path=begun.checkpoint, weights_only=True)
        record_training(stage, trainer, unreadable, model, data, data.protocol, run)
    return checkpoint


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
    if "pytorch-lightning_version" in content:
        backbone = content["hyper_parameters"]["backbone"]
        f_v, f_s = (
            {k[4:]: v for k, v in content["state_dict"].items() if k.startswith(part)}
            for part in ("f_v.", "f_s.")
        )
        if (record := read_protocol(file.parent.parent)) is not None:
            if f_s and not reset_head:
                data.check_vectors(record["vectors"], f"{OPTION}={file}")
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
        load_strictly(model.f_s, f_s, file, OPTION + " (pretrain.reset_head=true leaves f_s out)")
    return trained
