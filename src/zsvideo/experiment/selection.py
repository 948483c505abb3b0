"""Which checkpoint is tested: the last, or the best on held-out classes or on the targets."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.accuracy import ZeroShotAccuracy, cosines
from zsvideo.experiment.options import Selection
from zsvideo.models.checkpoints import BEST, LAST, read_checkpoint
from zsvideo.models.module import ZeroShotModule

MONITOR = "val/top1"


class Validation(Callback):
    """Scores the validation sets after each epoch, one clip a video: `val/top1` is their mean.

    Args:
        data: with its validation sets.
    """

    def __init__(self, data: ZeroShotDataModule) -> None:
        self.names = list(data.validation)
        self.vectors = [torch.from_numpy(s.bank.vectors) for s in data.validation.values()]
        self.metrics = [ZeroShotAccuracy() for _ in self.names]

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Begin to count."""
        for metric in self.metrics:
            metric.to(pl_module.device).reset()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch."""
        if outputs is not None:
            device = pl_module.device
            self.vectors[dataloader_idx] = self.vectors[dataloader_idx].to(device)
            scores = cosines(outputs["embeddings"].to(device), self.vectors[dataloader_idx])
            self.metrics[dataloader_idx].update(scores, outputs["label"].to(device))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        """Log top-1 in percent of each set, and their mean."""
        accuracies = [metric.compute()["top1"] for metric in self.metrics]
        for name, top1 in zip(self.names, accuracies, strict=True):
            pl_module.log(f"val/{name}/top1", top1, add_dataloader_idx=False)
        pl_module.log(MONITOR, sum(accuracies) / len(accuracies), prog_bar=True)


def selecting(selection: Selection, data: ZeroShotDataModule, run: Path) -> list[Callback]:
    """Make the callbacks that validate and keep the best checkpoint, where it is not the last."""
    if selection.name == "last":
        return []
    best = ModelCheckpoint(
        run / "checkpoints",
        filename=Path(BEST).stem,
        monitor=MONITOR,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [Validation(data), best]


def select(selection: Selection, model: ZeroShotModule, run: Path) -> Path:
    """Load the selected weights into the trained network; give their file.

    Raises:
        UserError: they cannot be read.
    """
    if selection.name == "last":
        return run / "checkpoints" / LAST
    file = run / "checkpoints" / BEST
    if (state := read_checkpoint(file)) is not None:
        model.load_state_dict(state["state_dict"])
    elif file.is_file():
        raise UserError(f"{file} is damaged; train again in another hydra.run.dir")
    return file
