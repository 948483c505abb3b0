"""Which checkpoint is tested: the last, or the best on held-out classes or on the targets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.evaluation.accuracy import ZeroShotAccuracy, cosines
from zsvideo.experiment.options import VALIDATION, Selection
from zsvideo.models.checkpoints import BEST, LAST, read_checkpoint
from zsvideo.models.module import ZeroShotModule
from zsvideo.reporting.run import Run


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
        pl_module.log(VALIDATION, sum(accuracies) / len(accuracies), prog_bar=True)


def selecting(selection: Selection, data: ZeroShotDataModule, run: Path) -> list[Callback]:
    """Make the callbacks that validate and keep the best checkpoint, where it is not the last."""
    if selection.name == "last":
        return []
    best = ModelCheckpoint(
        run / "checkpoints",
        filename=Path(BEST).stem,
        monitor=VALIDATION,
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


def chosen_by(selection: str, began: Mapping[str, Any]) -> str:
    """Say how a network was chosen: which checkpoint, and whether options were tuned on a target.

    Args:
        selection: how the checkpoint was chosen.
        began: the options that it was trained with.
    """
    metric = began.get("optimized_metric") or VALIDATION
    told = metric == VALIDATION or "test" in selection
    return selection if told else f"{selection}, tuned on test: {metric}"


def validation_of(state: Mapping[str, Any]) -> float | None:
    """Read the best top-1 (percent) on what chose a checkpoint; None where nothing did."""
    for name, callback in (state.get("callbacks") or {}).items():
        if name.startswith("ModelCheckpoint") and VALIDATION in name:
            score = callback.get("best_model_score")
            return None if score is None else float(score)
    return None


def metric_of(run: Run, name: str) -> float | None:
    """Read the metric of a finished run that is optimised; None where the run has none.

    Args:
        run: with its record.
        name: see `optimized_metric` of `zsvideo.experiment.options.Top`.
    """
    record = run.record
    if name == VALIDATION:
        tried = record.head.choice.get("tried") if record.head else None
        return max(entry["top1"] for entry in tried) if tried else record.validation
    target, evaluation, measure = name.split("/")
    scored = record.targets.get(target)
    numbers = scored.evaluations.get(evaluation) if scored else None
    return numbers.accuracy(measure) if numbers else None
