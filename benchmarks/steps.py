"""Milliseconds that a training step costs beside the network's own work: part of `make bench`.

The tiny network trains on batches that lie in memory: in a plain loop, by bare Lightning, and as
a run of this project does, with its meter, callbacks, progress bar and training curve.
"""

import io
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch.nn import functional as F

from zsvideo.models.callbacks import NarrowProgressBar, UnreadableVideos
from zsvideo.models.checkpoints import LAST, AtomicCheckpointIO, Interruption
from zsvideo.models.meter import Meter
from zsvideo.models.module import ZeroShotModule
from zsvideo.models.options import ModelSpec
from zsvideo.options import plain

STEPS, WARM, ROUNDS = 1000, 100, 5
OPTIONS = plain(ModelSpec(backbone="tiny")) | {"embedding_dim": 300}


def batches(count: int) -> Iterator[dict[str, Any]]:
    """Give batches of two clips of 8 x 16 x 16 that are made once."""
    generator = torch.Generator().manual_seed(0)
    clips = torch.randint(0, 256, (2, 1, 3, 8, 16, 16), dtype=torch.uint8, generator=generator)
    target = F.normalize(torch.randn(2, 300, generator=generator), dim=1)
    batch = {"clips": clips, "target": target, "label": torch.tensor([0, 1]), "unreadable": []}
    for _ in range(count):
        yield dict(batch)


class Batches(torch.utils.data.IterableDataset[dict[str, Any]]):
    """The same, with the number of them, as Lightning's loaders have."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Begin."""
        return batches(STEPS)

    def __len__(self) -> int:
        """Count them."""
        return STEPS


class Bare(pl.LightningModule):
    """What Lightning asks for, and no more."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ZeroShotModule(**OPTIONS)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Compute the squared error."""
        return F.mse_loss(self.net(batch["clips"]), batch["target"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Clock(pl.Callback):
    """Seconds from the step after warming up to the last."""

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        """Note when the time begins."""
        if batch_idx == WARM:
            self.since = time.process_time()

    def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
        """Note when a step ended."""
        self.until = time.process_time()


def plain_loop(_: Path) -> float:
    """Train without Lightning; processor seconds."""
    net = ZeroShotModule(**OPTIONS).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for number, batch in enumerate(batches(STEPS)):
        if number == WARM:
            since = time.process_time()
        loss = F.mse_loss(net(batch["clips"]), batch["target"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.process_time() - since


def fit(module: pl.LightningModule, clock: Clock, **parts: Any) -> float:
    """Train by Lightning; processor seconds."""
    parts = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False} | parts
    parts["callbacks"] = [*parts.get("callbacks", []), clock]
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **parts)
    loader = torch.utils.data.DataLoader(Batches(), batch_size=None)
    trainer.fit(module, loader)
    return clock.until - clock.since


def bare_lightning(_: Path) -> float:
    """Train by Lightning without anything beside; processor seconds."""
    return fit(Bare(), Clock())


def project(folder: Path) -> float:
    """Train as a run does; processor seconds."""
    module = ZeroShotModule(**OPTIONS)
    module.class_vectors = torch.from_numpy(np.eye(300, dtype=np.float32)[:100])
    return fit(
        module,
        Clock(),
        logger=CSVLogger(folder, name="", version=""),
        callbacks=[
            ModelCheckpoint(folder / "checkpoints", "last", save_on_train_epoch_end=True),
            NarrowProgressBar(),
            LearningRateMonitor("epoch"),
            UnreadableVideos(),
            Interruption({}, folder / "checkpoints" / LAST, 10**9, {}),
        ],
        plugins=[AtomicCheckpointIO()],
        profiler=Meter(),
        enable_progress_bar=True,
        enable_checkpointing=True,
    )


def main() -> None:
    """Print the milliseconds of a step, and what each way adds to the one before."""
    torch.set_num_threads(1)
    ways: dict[str, Callable[[Path], float]] = {
        "plain loop": plain_loop,
        "bare Lightning": bare_lightning,
        "this project": project,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
                seconds[name].append(way(Path(folder)))
    print(f"{ROUNDS} rounds of {STEPS - WARM} steps, alternating; processor time, medians\n")
    print("| a training step | ms | over the plain loop | over bare Lightning |")
    print("|---|---|---|---|")
    ms = {k: 1000 * statistics.median(v) / (STEPS - WARM) for k, v in seconds.items()}
    for name, value in ms.items():
        print(
            f"| {name} | {value:.2f} | {value - ms['plain loop']:+.2f} "
            f"| {value - ms['bare Lightning']:+.2f} |"
        )


if __name__ == "__main__":
    main()
