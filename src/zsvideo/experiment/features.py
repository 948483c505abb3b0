"""The features of a frozen f_v are computed once, and kept for later epochs and runs."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from zsvideo.data.clips import Clips
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.epochs import EpochSampler
from zsvideo.data.features import FeatureStore, store_hash
from zsvideo.data.layouts import Video
from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.experiment.options import Method, Trainer
from zsvideo.experiment.trainer import make_trainer
from zsvideo.models.callbacks import NarrowProgressBar
from zsvideo.models.module import ZeroShotModule

log = logging.getLogger(__name__)


class Extractor(pl.LightningModule):
    """Gives the mean feature over the clips of each sample, f_v in testing mode."""

    def __init__(self, model: ZeroShotModule) -> None:
        super().__init__()
        self.model = model
        self.rows: dict[int, list[np.ndarray]] = {}
        self.reasons: dict[str, str] = {}

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Make the clips."""
        return self.model.on_after_batch_transfer(batch, dataloader_idx)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Keep the features (F,) by video, or the reason why there are none."""
        self.reasons |= dict(batch["unreadable"])
        if "index" in batch:
            features: Tensor = self.model.features(batch["clips"])
            numbers = features.float().cpu().numpy()
            for index, row in zip(batch["index"].tolist(), numbers, strict=True):
                self.rows.setdefault(index, []).append(row)


def cache_features(
    method: Method, trainer: Trainer, cache: Path, data: ZeroShotDataModule, model: ZeroShotModule
) -> None:
    """Let source and targets give features instead of clips, if f_v is frozen and they are kept."""
    count = method.cached_clips
    if count is None or method.legacy_bn:  # f_v changes with its statistics
        return
    weights = {k: v.numpy() for k, v in sorted(model.f_v.state_dict().items())}
    network = {
        "backbone": model.hparams["backbone"],
        "mean": model.hparams["mean"],
        "std": model.hparams["std"],
        "precision": trainer.precision,
        "weights": {k: store_hash({}, v) for k, v in weights.items()},
    }
    tested = {id(v): v for v in (*data.targets.values(), *data.validation.values())}
    for videos, train in ((data.source, True), *((v, False) for v in tested.values())):
        clips = videos.decoded(train)
        made_by = {
            "network": network,
            "clips": asdict(clips.spec),
            "train": train,
            "videos": [videos.name, str(videos.root.resolve())],
        }
        if train:
            made_by |= {"seed": clips.seed, "clips_a_video": count}
        store = FeatureStore.open(cache / "features", made_by)
        if missing := store.missing(clips.videos):
            log.warning("computing features of %d videos of %s", len(missing), videos.name)
            clips_each = count if train else 1
            store.add(missing, extract(trainer, model, videos, missing, train, clips_each))
        videos.features[train] = store


def extract(
    options: Trainer,
    model: ZeroShotModule,
    videos: VideoDataModule,
    chosen: list[Video],
    train: bool,
    count: int,
) -> dict[str, np.ndarray | str]:
    """Run f_v over videos: `count` clips of each apart in training, else the mean over all clips.

    Returns:
        Id to (count, F) float32, or to the reason why the video cannot be read.
    """
    clips = Clips(chosen, None, videos.clips, videos.seed, train, replace=False)
    sampler = EpochSampler(len(clips), 0, shuffle=False, length=len(clips) * count)
    size = videos.loader.batch_size if train else videos.loader.test_batch_size
    extractor = Extractor(model)
    trainer = make_trainer(
        options,
        devices=1,
        strategy="auto",
        logger=False,
        enable_checkpointing=False,
        callbacks=[NarrowProgressBar()],
    )
    loader = videos.load(clips, sampler, size, train=False)
    trainer.predict(extractor, dataloaders=loader, return_predictions=False)
    reasons = extractor.reasons
    return {
        video.id: reasons[video.id] if video.id in reasons else np.stack(extractor.rows[i])
        for i, video in enumerate(chosen)
    }
