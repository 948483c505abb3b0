"""What is watched while a model trains and embeds: unreadable videos, clips a second."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, RichProgressBar


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


class ClipProgressBar(RichProgressBar):
    """A Rich progress bar that also shows clips a second; time left is Rich's own column."""

    def __init__(self) -> None:
        super().__init__()
        self.clips, self.since = 0, time.monotonic()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        super().on_train_epoch_start(trainer, pl_module)
        self.clips, self.since = 0, time.monotonic()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the clips of a training batch."""
        self.count(batch)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_predict_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to count."""
        super().on_predict_start(trainer, pl_module)
        self.clips, self.since = 0, time.monotonic()

    def on_predict_batch_end(
        self,
        trainer: Any,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the clips of a batch of test videos."""
        self.count(batch)
        super().on_predict_batch_end(trainer, pl_module, outputs, batch, batch_idx, dataloader_idx)

    def count(self, batch: dict[str, Any]) -> None:
        """Add the clips of a batch."""
        if "clips" in batch:
            self.clips += batch["clips"].shape[0] * batch["clips"].shape[1]
        elif "features" in batch:
            self.clips += len(batch["features"])

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """Add the rate to what Lightning shows."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        rate = self.clips / max(time.monotonic() - self.since, 1e-9)
        return {**metrics, "clips/s": f"{rate:.1f}"}
