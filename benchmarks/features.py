"""An epoch of the frozen baseline on cached features, beside decoding and running f_v each time."""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.videos import make
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.features import Extracted, FeatureStore
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.options import ModelSpec
from zsvideo.options import plain
from zsvideo.semantics.class_vectors import ClassBank

OPTIONS = plain(ModelSpec(backbone="tiny", frozen=True)) | {"embedding_dim": 300}


def epoch(net: ZeroShotModule, videos: VideoDataModule) -> float:
    """Time one epoch of training steps, in seconds."""
    net.log = lambda *_, **__: None  # type: ignore[method-assign, assignment]
    optimizer = net.configure_optimizers()["optimizer"]
    since = time.perf_counter()
    for number, batch in enumerate(videos.train_dataloader()):
        loss = net.training_step(net.on_after_batch_transfer(batch, 0), number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - since


def main() -> None:
    """Print seconds of an epoch, medians of runs by turns, for a tiny and for the real network."""
    torch.set_num_threads(1)
    print(
        "| f_v | videos | decoded, s an epoch | cached, s an epoch | ratio |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = make(folder, "H.264 340x256, key 12")
        for backbone, count in (("tiny", 44), ("r2plus1d", 8)):
            rows = [f"{n},{file},{'ab'[n % 2]}" for n in range(count)]
            manifest = folder / f"{backbone}.csv"
            manifest.write_text("\n".join(["id,path,class", *rows]))
            spec, loader = ClipSpec(16, 25, 128, 112, 0.5, "loop"), LoaderSpec(4, 4, 0, 0)
            videos = VideoDataModule(VideoSet(root=str(manifest)), spec, loader, 0)
            videos.use(ClassBank(("a", "b"), np.eye(300)[:2]))
            net = ZeroShotModule(**OPTIONS | {"backbone": backbone})
            store = FeatureStore.open(folder, {"backbone": backbone}, 4 * net.feature_dim)
            zeros = np.zeros((count, 1, net.feature_dim), np.float32)
            made = Extracted(zeros, np.ones((count, 1), bool), {})
            table = store.fill(videos.chosen, lambda _, made=made: made)
            times: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(3):
                for cached in (False, True):
                    videos.features = {True: table} if cached else {}
                    times[cached].append(epoch(net, videos))
            slow, fast = (statistics.median(times[cached]) for cached in (False, True))
            print(f"| {backbone} | {count} | {slow:.2f} | {fast:.4f} | {slow / fast:.0f}x |")


if __name__ == "__main__":
    main()
