"""The network g = f_s(mean of f_v over clips) and its training (Sec. 3.1, 3.2, 4.4).

Shapes: B batch, N clips a video, C channels, T frames, H W, F features, D embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.nn import functional as F

from zsvideo.data.clips import assemble
from zsvideo.data.sharing import receive
from zsvideo.errors import UserError
from zsvideo.models.aurl import Centres, aurl_loss
from zsvideo.models.encoders import Encoder
from zsvideo.models.heads import Features
from zsvideo.models.network import EmbeddingNetwork
from zsvideo.options import plain


class ZeroShotModule(pl.LightningModule, EmbeddingNetwork):
    """The training of a network that maps the clips of a video to one class-name vector.

    Attributes:
        learns: what `loss` takes from a batch: `target`, the class vectors, or `label`.
        tested: (K, D) unit class vectors of each set that is predicted, for a `pairwise` encoder.
        epoch_loss: (2,) sum of the losses of this epoch's clips, and their number.
        step_loss: () loss of the last batch; None before the first.
        class_vectors: (K, D) unit vectors of the classes trained on, for the accuracy of training.
        centres: of these classes, that `loss=aurl` learns and nothing else needs; else None.
    """

    learns: str = "target"
    tested: Sequence[Tensor] = ()
    epoch_loss: Tensor
    step_loss: Tensor | None = None
    class_vectors: Tensor
    centres: Centres | None

    def __init__(
        self,
        backbone: str,
        embedding_dim: int,
        dropout: float,
        normalize_output: bool,
        reduction: str,
        lr: float,
        milestones: Sequence[int],
        gamma: float,
        clips_per_pass: int,
        mean: Sequence[float],
        std: Sequence[float],
        frozen: bool = False,
        legacy_bn: bool = False,
        channels_last: bool = False,
        compile: bool = False,
        fused: bool = False,
        seed: int = 0,
        loss: str = "squared",
        c3d_input: str = "kinetics_norm",
        pca: int | None = None,
        head: Mapping[str, Any] | None = None,
        trained_classes: int | None = None,
        encoder: Encoder | Mapping[str, Any] | None = None,
        projection: str = "linear",
    ) -> None:
        """Make a network with random weights.

        Args:
            backbone: f_v, a function of `zsvideo.models.backbones`.
            embedding_dim: D, of the word vectors.
            dropout: share of features dropped in training, after the mean over clips.
            normalize_output: scale g(x) to unit length, as in the authors' code.
            reduction: of the loss over a batch: `mean` (of squared errors over B x D), or `sum`.
            lr: of Adam.
            milestones: epochs at which `lr` is multiplied by `gamma`.
            gamma: see there.
            clips_per_pass: clips that f_v sees at once in testing, which bounds memory.
            mean: of RGB in 0..1, subtracted from the clips.
            std: of RGB in 0..1, by which they are divided.
            frozen: train f_s alone; f_v has no gradient and its BatchNorm moves no statistics.
            legacy_bn: with `frozen`, let BatchNorm move them all the same (authors' code).
            channels_last: lay clips and f_v out with the channels last in memory.
            compile: compile f_v for training.
            fused: on a GPU, update all weights in one kernel.
            seed: of dropout; each batch draws from (seed, its number, rank) alone, so that a run
                can be continued anywhere.
            loss: `squared` error (Eq. 2), `cosine` distance, which no length has a part in, or
                `aurl`, see `zsvideo.models.aurl`, here without its projections: embeddings are
                compared with the class vectors themselves. `contrastive` is the cross-entropy over
                the cosines with the classes trained on, times `scale`.
            c3d_input: what C3D reads: `kinetics_norm`, by `mean` and `std`, or `sports1m_raw`, RGB
                in 0..255 as its published weights were trained on.
            pca: size to which a fixed linear layer reduces the features of f_v; None for none.
            head: `kind` and `options` of a head in place of f_s, see `zsvideo.models.heads`.
            trained_classes: how many there are, for `loss=aurl`; None for the others.
            encoder: of another library, in place of a `backbone`: opened, or the plain data of an
                `EncoderSpec`. Frozen, its weights are in no checkpoint but known by their hash.
            projection: `linear`, f_s; `none` where class vectors are texts of the same encoder.

        Raises:
            UserError: there is no such backbone, or the encoder cannot be opened.
        """
        super().__init__()
        if c3d_input == "sports1m_raw":
            mean, std = [0.0] * 3, [1 / 255] * 3
        spec = plain(encoder.spec) if isinstance(encoder, Encoder) else encoder
        extra = {"pca": pca, "head": head, "trained_classes": trained_classes}
        unused = [name for name, value in extra.items() if not value]
        # Loggers get all options of the run, these among them.
        self.save_hyperparameters(ignore=[*unused, "encoder", "projection"], logger=False)
        if spec is not None:
            self.hparams.update(encoder=dict(spec), projection=projection)
        for name in ("milestones", "mean", "std"):
            self.hparams[name] = list(self.hparams[name])
        self.build(
            backbone,
            embedding_dim,
            dropout,
            normalize_output,
            clips_per_pass,
            mean,
            std,
            channels_last,
            pca,
            head,
            encoder,
            projection,
            frozen,
        )
        self.register_buffer("epoch_loss", torch.zeros(2, dtype=torch.float32), persistent=False)
        self.class_vectors = torch.zeros(0, embedding_dim)
        self.f_v.requires_grad_(not frozen)
        self.centres = None
        if loss == "contrastive":
            self.learns = "label"
        if loss == "aurl" and trained_classes:
            self.centres, self.learns = Centres(trained_classes, embedding_dim), "label"
            self.centres.reset_parameters()
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Switch to training; a frozen f_v stays as in testing."""
        super().train(mode)
        if self.hparams["frozen"] and not self.hparams["legacy_bn"]:
            self.f_v.eval()
        return self

    def embed(self, batch: dict[str, Any]) -> Tensor:
        """Embed the videos of a batch, by their clips or by cached features: (B, D)."""
        features = batch["features"] if "features" in batch else self.features(batch["clips"])
        return self.project(features)

    def on_before_batch_transfer(
        self, batch: dict[str, Any], dataloader_idx: int
    ) -> dict[str, Any]:
        """Take a batch from the process that has loaded it."""
        return receive(batch)

    def on_after_batch_transfer(self, batch: dict[str, Any], dataloader_idx: int) -> dict[str, Any]:
        """Make the clips of a batch, here where each frame has been moved once."""
        if "frames" in batch:
            batch["clips"] = assemble(batch)
            del batch["frames"], batch["frame_indices"]
        return batch

    def loss(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Compute the loss of embeddings (B, D) by class vectors (B, D), or by labels (B,)."""
        if self.centres is not None:
            embeddings, centres = embeddings.float(), self.centres.rows.float()
            return aurl_loss(embeddings, self.class_vectors, centres, targets)
        if self.hparams["loss"] == "contrastive":
            logits = self.scale * embeddings.float() @ self.class_vectors.T
            return F.cross_entropy(logits, targets, reduction=self.hparams["reduction"])
        if self.hparams["loss"] == "squared":
            return F.mse_loss(embeddings, targets, reduction=self.hparams["reduction"])
        distances = 1 - F.cosine_similarity(embeddings, targets)
        return distances.sum() if self.hparams["reduction"] == "sum" else distances.mean()

    def on_fit_start(self) -> None:
        """Compile f_v, whose parameters keep their names; take over the classes trained on."""
        if self.hparams["compile"]:
            self.f_v.compile()
        if (data := getattr(self._trainer, "datamodule", None)) is not None:
            unit = F.normalize(torch.from_numpy(data.source.bank.vectors).float(), dim=1)
            self.class_vectors = unit.to(self.device)

    def on_predict_start(self) -> None:
        """Compile f_v for testing on a GPU too, where that has not been done."""
        if (
            self.hparams["compile"]
            and self.device.type == "cuda"
            and self.f_v._compiled_call_impl is None
        ):
            self.f_v.compile()

    def on_train_batch_start(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Seed what the batch draws."""
        number = self.trainer.fit_loop.epoch_loop.batch_progress.total.ready
        key = np.random.SeedSequence((self.hparams["seed"], number, self.global_rank))
        seed = int(key.generate_state(1)[0])
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` asks every kind of device
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(seed)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Compute the loss of one batch; raises UserError where no video tried is readable."""
        if "label" not in batch:
            video, reason = batch["unreadable"][0]
            raise UserError(
                f"none of the {len(batch['unreadable'])} training videos tried can be decoded: "
                f"{video} ({reason}) and others; check the files under source.root"
            )
        embeddings = self.embed(batch)
        loss = self.loss(embeddings, batch[self.learns])
        size = len(batch["label"])
        self.step_loss = loss.detach()
        self.epoch_loss[0] += self.step_loss.float() * size
        self.epoch_loss[1] += size
        trainer = self._trainer
        if trainer and trainer._logger_connector.should_update_logs:  # else no value is read
            self.log("train/loss_step", self.step_loss, batch_size=size)
            if len(self.class_vectors):
                top1 = training_top1(embeddings.detach(), batch["label"], self.class_vectors)
                self.log("train/top1", top1, batch_size=size)
        if self.hparams["reduction"] == "sum":  # Lightning and DDP average over parts of a batch
            loss = loss * self.trainer.accumulate_grad_batches * self.trainer.world_size
        return loss

    def on_train_epoch_end(self) -> None:
        """Log the mean loss of the epoch, also of one that was interrupted."""
        total, count = self.epoch_loss
        self.log("train/loss_epoch", total / count, prog_bar=True, sync_dist=True)
        self.epoch_loss = torch.zeros_like(self.epoch_loss)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the loss of the epoch so far."""
        checkpoint["epoch_loss"] = self.epoch_loss.tolist()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on from it."""
        self.epoch_loss = torch.tensor(checkpoint.get("epoch_loss", [0, 0]), dtype=torch.float32)

    def validation_step(
        self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor] | None:
        """Embed one batch, as `predict_step`; `zsvideo.experiment.selection` scores it."""
        return self.predict_step(batch, batch_idx, dataloader_idx)

    def predict_step(
        self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor] | None:
        """Embed one batch of videos: `embeddings` (B, D), `index` (B,), if known `label` (B,).

        A `pairwise` encoder gives `scores` (B, K) in place of embeddings, which are (B, 0) then.
        """
        if "index" not in batch:
            return None
        output = {"embeddings": self.embed(batch).float(), "index": batch["index"]}
        if self.pairwise:
            own = Features(output["embeddings"])
            scores = self.scores(own, self.tested[dataloader_idx].to(self.device))
            output |= {"embeddings": scores[:, :0], "scores": scores.cpu()}
        output["embeddings"] = output["embeddings"].cpu()
        return output | ({"label": batch["label"]} if "label" in batch else {})

    def configure_optimizers(self) -> Any:
        """Adam with a tenfold decay at the milestones (Sec. 4.4)."""
        trained = [p for p in self.parameters() if p.requires_grad]
        fused = True if self.hparams["fused"] and self.device.type == "cuda" else None
        optimizer = torch.optim.Adam(trained, lr=self.hparams["lr"], fused=fused)
        schedule = torch.optim.lr_scheduler.MultiStepLR(
            optimizer, self.hparams["milestones"], self.hparams["gamma"]
        )
        return {"optimizer": optimizer, "lr_scheduler": schedule}


def training_top1(embeddings: Tensor, labels: Tensor, class_vectors: Tensor) -> Tensor:
    """Compute the share of clips nearest to their class vector, where they are: no value is read.

    Args:
        embeddings: (B, D), of any length.
        labels: (B,) rows of the classes.
        class_vectors: (K, D) unit rows.

    Returns:
        () percent.
    """
    nearest = (embeddings.float() @ class_vectors.T).argmax(dim=1)
    return 100 * (nearest == labels).float().mean()
