"""A network that tells its training classes apart, whose f_v can then be frozen.

Shapes: B batch, F features, K classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.models.module import ZeroShotModule


class Classifier(ZeroShotModule):
    """A 3D CNN under a linear classifier in place of f_s (`method=classify`).

    It embeds nothing: `forward`, and `embeddings` where it predicts, give class scores (B, K).

    Attributes:
        classifier: the linear layer.
    """

    learns = "label"

    def __init__(self, classes: int, **options: Any) -> None:
        """Make a network with random weights.

        Args:
            classes: K, in the order of the labels.
            options: of `ZeroShotModule`.
        """
        super().__init__(embedding_dim=classes, **options)
        assert isinstance(self.f_s, nn.Linear)
        self.classifier = self.f_s
        del self.f_s

    def on_fit_start(self) -> None:
        """Compare scores, for the accuracy of training, as if each class were an axis."""
        super().on_fit_start()
        self.class_vectors = torch.eye(self.classifier.out_features, device=self.device)

    def project(self, features: Tensor) -> Tensor:
        """Score the classes: (B, F) to (B, K)."""
        scores: Tensor = self.classifier(self.dropout(features))
        return scores

    def loss(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the scores (B, K) with the labels (B,)."""
        return F.cross_entropy(embeddings, targets, reduction=self.hparams["reduction"])
