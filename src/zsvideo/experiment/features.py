"""The features of a frozen f_v are computed once, and kept for later epochs and runs."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import nn
from torch.utils.data import DataLoader

from zsvideo.data.clips import Clips
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.epochs import EpochSampler
from zsvideo.data.features import (
    Extracted,
    FeatureStore,
    FeatureTable,
    distinct,
    file_version,
    text_hash,
)
from zsvideo.data.options import ClipSpec
from zsvideo.data.videos import Video
from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import array_hash
from zsvideo.experiment.options import Method, Trainer
from zsvideo.experiment.trainer import make_trainer
from zsvideo.models.callbacks import NarrowProgressBar
from zsvideo.models.module import ZeroShotModule
from zsvideo.semantics.caches import cached_arrays

LATER = {  # options of clips that say nothing, as before there were these
    ("sampling", "consecutive"),
    ("interpolation", "bilinear"),
    ("centre", "round"),
}
SAMPLE, BATCH = 20_000, 1024  # videos that PCA is fitted on, and of them at once
Extract = Callable[[list[Video]], Extracted]
Dtype = Literal["float32", "float16"]


class Extractor(pl.LightningModule):
    """Gives the features of all clips of some videos, f_v in testing mode.

    Attributes:
        results: features (V, N, F) and masks (V, N), filled clip by clip.
        filled: (V,) how many clips of each video there are so far.
    """

    def __init__(
        self, model: ZeroShotModule, videos: list[Video], clips: int, dtype: Dtype
    ) -> None:
        """Make room for N clips of each video."""
        super().__init__()
        self.model, self.rows = model, {video.id: row for row, video in enumerate(videos)}
        shape = (len(videos), clips, model.feature_dim)
        self.results = Extracted(np.zeros(shape, dtype), np.ones(shape[:2], bool), {})
        self.filled = np.zeros(len(videos), int)

    def on_before_batch_transfer(
        self, batch: dict[str, Any], dataloader_idx: int
    ) -> dict[str, Any]:
        """Take a batch from the process that has loaded it."""
        return self.model.on_before_batch_transfer(batch, dataloader_idx)

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
                with np.errstate(over="ignore"):  # `complete` says so in a line
                    results.features[row, at], results.mask[row, at] = own, mask
                self.filled[row] += len(own)
        if self.trainer.received_sigterm:  # which Lightning minds in training alone
            raise SIGTERMException

    def complete(self) -> Extracted:
        """Give the results.

        Raises:
            UserError: the Trainer ended early, or the numbers do not fit.
        """
        left = np.flatnonzero(self.filled < self.results.mask.shape[1])
        if missing := set(left.tolist()) - self.results.reasons.keys():
            raise UserError(
                f"the features of {len(missing)} videos were not computed: something ended their "
                "extraction early, such as an option of trainer or callbacks"
            )
        if not np.isfinite(self.results.features).all():
            how = "features.dtype=float16 cannot hold them, take float32"
            raise UserError(
                "f_v gives features that are not finite; "
                + (how if self.results.features.dtype == np.float16 else "take other weights")
            )
        return self.results


def cache_features(
    method: Method,
    trainer: Trainer,
    cache: Path,
    data: ZeroShotDataModule,
    model: ZeroShotModule,
    dtype: Dtype = "float32",
) -> None:
    """Let source and targets give features instead of clips, if f_v is frozen and they are kept."""
    count = method.cached_clips
    if count is None or method.legacy_bn:  # f_v changes with its statistics
        return
    sampling = training_clips(data.source, count)
    store, extract = store_of(trainer, cache, model, sampling, dtype)
    data.source.features[True] = store.fill(data.source.chosen, extract, data.source.name)
    tested = {id(v): v for v in (*data.targets.values(), *data.validation.values())}
    for videos in tested.values():
        clips = videos.clips.counts[-1]
        videos.features[False] = feature_rows(trainer, cache, model, videos, clips, dtype)


def feature_rows(
    trainer: Trainer,
    cache: Path,
    model: ZeroShotModule,
    videos: VideoDataModule,
    clips: int,
    dtype: Dtype = "float32",
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
    store, extract = store_of(trainer, cache, model, test_clips(videos, clips), dtype)
    return store.fill(videos.chosen, extract, videos.name)


@dataclass(frozen=True)
class Sampling:
    """Which clips of a data set have features.

    Attributes:
        videos: the data set.
        spec: of the clips.
        train: random clips, else test clips.
        count: N, clips a video.
    """

    videos: VideoDataModule
    spec: ClipSpec
    train: bool
    count: int

    def load(self, part: list[Video]) -> DataLoader[dict[str, Any]]:
        """Load all clips of some videos."""
        videos, loader = self.videos, self.videos.loader
        clips = Clips(part, None, self.spec, videos.seed, self.train, replace=False)
        length = len(part) * (self.count if self.train else 1)
        sampler = EpochSampler(len(part), 0, shuffle=False, length=length)
        size = loader.batch_size if self.train else loader.test_batch_size
        return videos.load(clips, sampler, size, train=False)


def test_clips(videos: VideoDataModule, count: int) -> Sampling:
    """Take N test clips of each video, whatever `clips.test_clips` is."""
    return Sampling(videos, replace(videos.clips, test_clips=count), train=False, count=count)


def training_clips(videos: VideoDataModule, count: int) -> Sampling:
    """Take random clips; they do not depend on `clips.test_clips`."""
    return Sampling(videos, replace(videos.clips, test_clips=1), train=True, count=count)


def store_of(
    options: Trainer, cache: Path, model: ZeroShotModule, sampling: Sampling, dtype: Dtype
) -> tuple[FeatureStore, Extract]:
    """Open the store of some clips of a data set, and give the function that fills it."""
    videos, count = sampling.videos, sampling.count
    made_by = {
        "network": network_of(model, options.precision),
        "clips": {
            key: value for key, value in asdict(sampling.spec).items() if (key, value) not in LATER
        },
        "train": sampling.train,
        "videos": [videos.name, str(videos.root.resolve())],
        "clips_a_video": count,
        "dtype": dtype,
    }
    if sampling.train:
        made_by["seed"] = videos.seed
    row = count * model.feature_dim * np.dtype(dtype).itemsize
    store = FeatureStore.open(cache / "features", made_by, row)

    def extract(part: list[Video]) -> Extracted:
        """Run f_v over some videos."""
        extractor = Extractor(model, part, count, dtype)
        trainer = make_trainer(
            options,
            devices=1,
            strategy="auto",
            logger=False,
            enable_checkpointing=False,
            limit_predict_batches=1.0,  # a limit is for tests
            callbacks=[NarrowProgressBar()] if options.enable_progress_bar else [],
        )
        trainer.predict(extractor, dataloaders=sampling.load(part), return_predictions=False)
        return extractor.complete()

    return store, extract


def fit_reduction(
    trainer: Trainer, cache: Path, source: VideoDataModule, model: ZeroShotModule
) -> None:
    """Fit the fixed layer after f_v: the principal components of features of the source.

    The centre clips of up to `SAMPLE` of its videos decide them, the same for every seed, so that
    runs of all seeds share their features; no other data set has a part in it. The layer is kept,
    since another processor would give other last digits, and with them other features.

    Raises:
        UserError: fewer videos can be read than components are asked for.
    """
    layer, size = model.reduce, model.feature_dim
    assert isinstance(layer, nn.Linear)
    drawn = np.random.default_rng(0).permutation(len(source.chosen))[:SAMPLE]
    videos = source.chosen.take(np.sort(drawn))
    model.reduce = nn.Identity()
    store, extract = store_of(trainer, cache, model, test_clips(source, 1), "float32")
    table = store.fill(videos, extract, source.name)
    model.reduce = layer
    if len(table.readable) < size:
        raise UserError(
            f"features.pca={size} is more than the {len(table.readable)} videos of {source.name} "
            "that it is fitted on; give a smaller number"
        )
    seen = text_hash([[video.id, file_version(video)] for video in videos])
    file = store.folder / f"pca-{size}-{seen[:20]}.npz"
    with store.locked():
        shapes = {"weight": ("f", tuple(layer.weight.shape)), "bias": ("f", (size,))}
        if saved := cached_arrays(file, **shapes):
            weight, bias = saved["weight"], saved["bias"]
        else:
            weight, bias = principal_components(table, size)
            part = file.with_suffix(".part")
            with part.open("wb") as opened:
                np.savez(opened, weight=weight, bias=bias)
            part.replace(file)
    layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})


def principal_components(table: FeatureTable, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Fit PCA to all clips of a table, some at a time.

    Returns:
        (P, F) and (P,) float32: features times the first, plus the second, are the components.
    """
    from sklearn.decomposition import IncrementalPCA
    from sklearn.utils import gen_batches

    pca, rows = IncrementalPCA(size), table.readable
    for part in gen_batches(len(rows), max(BATCH, 2 * size), min_batch_size=size):
        pca.partial_fit(table.clips(rows[part])[0].flatten(0, 1).double().numpy())
    weight: np.ndarray = pca.components_
    return weight.astype(np.float32), (-weight @ pca.mean_).astype(np.float32)


def network_of(model: ZeroShotModule, precision: str) -> dict[str, Any]:
    """Say what decides the feature of a clip, weights by their hashes."""
    weights = {
        f"{part}.{key}": array_hash(tensor.cpu().numpy())
        for part in ("f_v", "reduce")
        for key, tensor in sorted(getattr(model, part).state_dict().items())
    }
    names = ("backbone", "mean", "std")
    network = {name: model.hparams[name] for name in names} | {
        "precision": precision,
        "weights": weights,
    }
    if facts := model.encoder_facts:
        network["encoder"] = {key: facts[key] for key in ("library", "version")}
    return network
