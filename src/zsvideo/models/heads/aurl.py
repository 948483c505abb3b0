"""AURL on cached features (Pu, Zhao and Zheng, CVPR 2022); the loss is `zsvideo.models.aurl`.

Shapes: B videos, C classes trained on, K classes asked for, F features, D embedding, E width.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.models.aurl import Centres, aurl_loss
from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.descent import Scaling, descend
from zsvideo.options import Count, Number, options


def projection(size: int, width: int) -> nn.Sequential:
    """Make three layers with batch normalisation, the last without ReLU: (B, size) to (B, E)."""
    layers: list[nn.Module] = []
    for inputs in (size, width, width):
        layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Aurl(Head):
    """Two projections, of features and of class vectors, to where they are compared by cosine."""

    @options
    class Options:
        """Of `head=aurl`."""

        lr: Number | None = None
        """Learning rate of Adam."""
        width: Count = 2048
        """Units of the projections."""
        epochs: Count = 20
        """Passes over the videos."""
        batch_size: Count = 512
        """Videos of a step."""

    choices = {"lr": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)}
    substituted = (
        "R(2+1)D trained end to end -> cached features",
        "SGD with warm-up and cosine decay, 150 epochs -> Adam",
    )

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.scaling = Scaling(feature_dim)
        self.video = projection(feature_dim, options.width)
        self.name = nn.Sequential(
            nn.Linear(embedding_dim, feature_dim), *projection(feature_dim, options.width)
        )

    def fit(self, training: Training) -> None:
        """Learn both projections, and centres that are not kept."""
        self.scaling.fit(training)
        vectors = training.vectors.to(self.scaling.mean)
        centres = Centres(len(vectors), self.options.width).to(vectors.device)

        def loss(features: Features, labels: Tensor, epoch: int) -> Tensor:
            embeddings = self.video(self.scaling(features.mean))
            return aurl_loss(embeddings, self.name(vectors), centres.rows, labels)

        descend([self, centres], training, loss, self.options)

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine."""
        embeddings = self.video(self.scaling(features.mean))
        return F.normalize(embeddings, dim=1) @ F.normalize(self.name(vectors), dim=1).T
