"""What is watched while a model trains and embeds: unreadable videos, progress."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar

LOSS = "train/loss_step"


class UnreadableVideos(Callback):
    """Collects which videos could not be decoded, and why.

    Attributes:
        source: id to reason, of training videos, which were replaced.
        targets: for each target, id to reason of test videos, which were left out.
    """

    def __init__(self) -> None:
        self.source: dict[str, str] = {}
        self.targets: dict[int, dict[str, str]] = {}

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the videos replaced in this batch."""
        self.source.update(batch["unreadable"])

    def on_predict_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Note the videos left out of this batch."""
        self.targets.setdefault(dataloader_idx, {}).update(batch["unreadable"])

    def state_dict(self) -> dict[str, Any]:
        """Keep the findings in checkpoints."""
        return {"source": self.source}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the findings of the run that is continued."""
        self.source = dict(state_dict["source"])


class NarrowProgressBar(RichProgressBar):
    """Lightning's progress bar in one line of 80 columns: a shorter bar, and the loss alone."""

    def configure_columns(self, trainer: pl.Trainer) -> list[Any]:
        """Shorten the bar, which Lightning makes 40 columns wide."""
        columns: list[Any] = super().configure_columns(trainer)
        for column in columns:
            if hasattr(column, "bar_width"):
                column.bar_width = 10
        return columns

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Show the loss of the last batch; the training curve has the rest."""
        metrics = super().get_metrics(trainer, pl_module)
        return {"loss": metrics[LOSS]} if LOSS in metrics else {}
