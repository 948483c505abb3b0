"""An epoch of the frozen baseline on cached features, and stores of the size of Kinetics-700."""

import argparse
import multiprocessing
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.videos import make
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.features import Extracted, FeatureStore, file_version
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.data.videos import Video
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


def epochs() -> None:
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


STORES = (  # videos, clips, features, type
    (100_000, 1, 4096, "float32"),
    (541_624, 1, 512, "float32"),
    (40_000, 25, 512, "float16"),
)


def memory() -> tuple[int, int]:
    """Give this process's peak memory in MB, and what of the memory it has now is its own."""
    status = Path("/proc/self/status").read_text()
    peak, own = (re.search(rf"{name}:\s+(\d+) kB", status) for name in ("VmHWM", "RssAnon"))
    assert peak and own
    return int(peak[1]) // 1024, int(own[1]) // 1024


def work(folder: Path, size: tuple[int, int, int, str], step: str) -> tuple[float, int, int]:
    """Fill a store with made-up features, or open it and read an epoch of means.

    Returns:
        Seconds, peak memory, and the most of it that was no page of a file, in MB.
    """
    count, clips, features, dtype = size
    one = folder / "video"
    if not one.exists():
        one.touch()
    videos = [Video(f"class {n % 700}/{n:06}.mp4", str(one)) for n in range(count)]
    row_bytes = clips * features * np.dtype(dtype).itemsize
    since = time.perf_counter()
    store = FeatureStore.open(folder, {"size": size}, row_bytes)
    rng = np.random.default_rng(0)
    if step == "write":
        block = rng.random((store.size, clips, features), np.float32).astype(dtype)
        mask = np.ones(block.shape[:2], bool)
        table = store.fill(videos, lambda v: Extracted(block[: len(v)], mask[: len(v)], {}))
    else:
        table = store.table([(video.id, file_version(video)) for video in videos])
    del store
    own = memory()[1]
    if step in ("in order", "shuffled"):
        since = time.perf_counter()
        order = rng.permutation(count) if step == "shuffled" else np.arange(count)
        for start in range(0, count, 4096):
            table.means(order[start : start + 4096])
            own = max(own, memory()[1])
    return time.perf_counter() - since, memory()[0], own


def forget(folder: Path) -> None:
    """Take files out of the page cache."""
    os.sync()
    for file in folder.rglob("*.npy"):
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def stores() -> None:
    """Print seconds and memory of writing and reading stores, each step in a process of its own."""
    print("| videos x clips x features | step | s | peak MB | own MB |\n|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for size in STORES:
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            for step in ("write", "open, from disk", "open", "in order", "shuffled"):
                if step == "open, from disk":
                    forget(Path(name))
                with context.Pool(1) as pool:
                    seconds, peak, own = pool.apply(work, (Path(name), size, step))
                about = f"{size[0]:,} x {size[1]} x {size[2]} {size[3]}"
                print(f"| {about} | {step} | {seconds:.1f} | {peak} | {own} |", flush=True)


def main() -> None:
    """Measure what is asked for; stores take 4 GB of disk in the working directory, for a while."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("epochs", "stores"))
    only = parser.parse_args().only
    if only != "stores":
        epochs()
    if only != "epochs":
        stores()


if __name__ == "__main__":
    main()
