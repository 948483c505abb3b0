"""The features of a frozen f_v are computed once, and kept for later epochs and runs."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl

from zsvideo.data.clips import Clips
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.epochs import EpochSampler
from zsvideo.data.features import Extracted, FeatureStore, FeatureTable, array_hash, distinct
from zsvideo.data.layouts import Video
from zsvideo.data.options import ClipSpec
from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.experiment.options import Method, Trainer
from zsvideo.experiment.trainer import make_trainer
from zsvideo.models.callbacks import NarrowProgressBar
from zsvideo.models.module import ZeroShotModule

log = logging.getLogger(__name__)

Precision = Literal["float32", "float16"]


class Extractor(pl.LightningModule):
    """Gives the features of all clips of some videos, f_v in testing mode.

    Attributes:
        results: features (V, N, F) and masks (V, N), filled clip by clip.
        filled: (V,) how many clips of each video there are so far.
    """

    def __init__(
        self, model: ZeroShotModule, videos: list[Video], clips: int, dtype: Precision
    ) -> None:
        """Make room for N clips of each video."""
        super().__init__()
        self.model, self.rows = model, {video.id: row for row, video in enumerate(videos)}
        shape = (len(videos), clips, model.feature_dim)
        self.results = Extracted(np.zeros(shape, dtype), np.ones(shape[:2], bool), {})
        self.filled = np.zeros(len(videos), int)

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Make the clips."""
        if "frames" in batch:
            batch["mask"] = distinct(batch["frame_indices"].cpu().numpy())
        return self.model.on_after_batch_transfer(batch, dataloader_idx)

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Keep the features of the clips, or the reason why there are none."""
        results = self.results
        results.reasons |= {self.rows[video]: reason for video, reason in batch["unreadable"]}
        if "index" in batch:
            features = self.model.clip_features(batch["clips"]).float().cpu().numpy()
            rows = zip(batch["index"].tolist(), features, batch["mask"], strict=True)
            for row, own, mask in rows:
                at = slice(self.filled[row], self.filled[row] + len(own))
                results.features[row, at], results.mask[row, at] = own, mask
                self.filled[row] += len(own)


def cache_features(
    method: Method, trainer: Trainer, cache: Path, data: ZeroShotDataModule, model: ZeroShotModule
) -> None:
    """Let source and targets give features instead of clips, if f_v is frozen and they are kept."""
    count = method.cached_clips
    if count is None or method.legacy_bn:  # f_v changes with its statistics
        return
    tested = {id(v): v for v in (*data.targets.values(), *data.validation.values())}
    data.source.features[True] = training_rows(trainer, cache, model, data.source, count)
    for videos in tested.values():
        clips = videos.clips.counts[-1]
        videos.features[False] = feature_rows(trainer, cache, model, videos, clips)


def feature_rows(
    trainer: Trainer,
    cache: Path,
    model: ZeroShotModule,
    videos: VideoDataModule,
    clips: int,
    dtype: Precision = "float32",
) -> FeatureTable:
    """Give the features of the test clips of the videos in use; those that lack are extracted.

    Args:
        trainer: options of the Trainer that runs f_v.
        cache: folder; what is extracted is kept there.
        model: its f_v in testing mode gives the features.
        videos: source, held-out videos or target; rows are those of `videos.chosen`.
        clips: N test clips a video, whatever `clips.test_clips` is.
        dtype: as which they are kept.
    """
    spec = replace(videos.clips, test_clips=clips)
    return rows_of(trainer, cache, model, videos, spec, train=False, count=clips, dtype=dtype)


def training_rows(
    trainer: Trainer,
    cache: Path,
    model: ZeroShotModule,
    videos: VideoDataModule,
    clips: int,
    dtype: Precision = "float32",
) -> FeatureTable:
    """Give the features of random training clips, as `feature_rows`."""
    spec = replace(videos.clips, test_clips=1)  # which no training clip depends on
    return rows_of(trainer, cache, model, videos, spec, train=True, count=clips, dtype=dtype)


def rows_of(
    trainer: Trainer,
    cache: Path,
    model: ZeroShotModule,
    videos: VideoDataModule,
    spec: ClipSpec,
    *,
    train: bool,
    count: int,
    dtype: Precision,
) -> FeatureTable:
    """Give the features of `count` clips of each video in use."""
    made_by = {
        "network": network_of(model, trainer.precision),
        "clips": asdict(spec),
        "train": train,
        "videos": [videos.name, str(videos.root.resolve())],
        "clips_a_video": count,
        "dtype": dtype,
    }
    if train:
        made_by["seed"] = videos.seed
    row = count * model.feature_dim * np.dtype(dtype).itemsize
    store = FeatureStore.open(cache / "features", made_by, row)
    if missing := store.missing(videos.chosen):
        log.warning("computing features of %d videos of %s", len(missing), videos.name)

    def extract(part: list[Video]) -> Extracted:
        """Run f_v over some videos."""
        extractor = Extractor(model, part, count, dtype)
        clips = Clips(part, None, spec, videos.seed, train, replace=False)
        length = len(part) * (count if train else 1)
        sampler = EpochSampler(len(part), 0, shuffle=False, length=length)
        size = videos.loader.batch_size if train else videos.loader.test_batch_size
        loader = videos.load(clips, sampler, size, train=False)
        lightning = make_trainer(
            trainer,
            devices=1,
            strategy="auto",
            logger=False,
            enable_checkpointing=False,
            callbacks=[NarrowProgressBar()],
        )
        lightning.predict(extractor, dataloaders=loader, return_predictions=False)
        return extractor.results

    return store.fill(videos.chosen, extract)


def network_of(model: ZeroShotModule, precision: str) -> dict[str, Any]:
    """Say what decides the feature of a clip, weights by their hashes."""
    weights = {
        f"{part}.{key}": array_hash(tensor.cpu().numpy())
        for part in ("f_v", "reduce")
        for key, tensor in sorted(getattr(model, part).state_dict().items())
    }
    names = ("backbone", "mean", "std")
    return {name: model.hparams[name] for name in names} | {
        "precision": precision,
        "weights": weights,
    }
