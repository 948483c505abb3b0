"""Action2Vec: a two-level LSTM with attention (Hahn, Silva and Rehg, 2019, arXiv 1901.00484).

Known from an abstract and notes, not from the paper's own code: C3D features of 52 steps reduced
to 500 by PCA, an LSTM of 1024 units with dropout 0.5 as a local filter, soft attention, a second
LSTM, a linear layer to the word vector; a ranking loss plus lambda times cross-entropy, lambda
changed in training. From memory: margin 0.2, lambda 0.02 at first. Unknown: window and stride of
the local LSTM, how lambda goes on, and the time between steps (14 s of 30 frames a second are 26
clips of 16 frames, not 52).

Shapes: B videos, M clips, W clips a window, L windows, C classes, F features, H hidden units,
D embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.bilinear import summed, violations
from zsvideo.models.heads.descent import Scaling, descend, inside, without_repeats
from zsvideo.options import Count, Number, Share, options


class Action2Vec(Head):
    """Embeds a sequence of clips; the nearest class by cosine."""

    @options
    class Options:
        """Of `head=action2vec`."""

        lr: Number | None = None
        """Learning rate of Adam."""
        margin: Number = 0.2
        """By which the right class has to be ahead, in cosine."""
        lam: Number = 0.02
        """Weight of the cross-entropy in the first epoch."""
        last_lam: Number = 1.0
        """In the last epoch; between them it goes on a line."""
        hidden: Count = 1024
        """Units of each LSTM."""
        window: Count = 5
        """Clips that the local LSTM sees; windows do not overlap."""
        dropout: Share = 0.5
        """Behind the local LSTM."""
        epochs: Count = 20
        """Passes over the videos."""
        batch_size: Count = 256
        """Videos of a step."""

    needs = "sequence"
    choices = {"lr": (1e-4, 3e-4, 1e-3, 3e-3)}
    substituted = (
        "C3D fc features, PCA to 500 -> cached clip features without PCA",
        "52 time steps -> the cached clips",
        "windows of unknown size and stride -> windows that do not overlap",
        "lambda changed in an unknown way -> on a line from lam to last_lam",
    )

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        self.scaling = Scaling(feature_dim)
        self.local = nn.LSTM(feature_dim, options.hidden, batch_first=True)
        self.dropout = nn.Dropout(options.dropout)
        self.attention = nn.Linear(options.hidden, 1)
        self.whole = nn.LSTM(options.hidden, options.hidden, batch_first=True)
        self.embedding = nn.Linear(options.hidden, embedding_dim)

    def fit(self, training: Training) -> None:
        """Rank the right class vector first, and classify; the classifier is not kept."""
        self.scaling.fit(training)
        vectors = training.vectors.to(self.scaling.mean)
        shape = self.embedding_dim, len(vectors)
        classifier = nn.Linear(*shape, device="meta").to_empty(device=vectors.device)

        def loss(features: Features, labels: Tensor, epoch: int) -> Tensor:
            embeddings = self.embed(features)
            cosines = F.normalize(embeddings, dim=1) @ vectors.T
            ranking = summed(violations(cosines, labels, self.options.margin)).mean()
            entropy = F.cross_entropy(classifier(embeddings), labels)
            return ranking + self.lam(epoch) * entropy

        descend([self, classifier], training, loss, self.options)

    def lam(self, epoch: int) -> float:
        """Give the weight of the cross-entropy in an epoch, counted from 0."""
        first, last = self.options.lam, self.options.last_lam
        return float(first + (last - first) * epoch / max(self.options.epochs - 1, 1))

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Compare by cosine."""
        return F.normalize(self.embed(features), dim=1) @ F.normalize(vectors, dim=1).T

    def embed(self, features: Features) -> Tensor:
        """Embed sequences: (B, D)."""
        clips, lengths = without_repeats(features)
        clips, lengths = self.scaling(clips), lengths.to(clips.device)
        size = min(self.options.window, clips.shape[1])
        clips = F.pad(clips, (0, 0, 0, -clips.shape[1] % size))
        present = torch.unflatten(inside(lengths, clips.shape[1]), 1, (-1, size))
        steps, _ = self.local(clips.reshape(-1, size, clips.shape[2]))
        steps = torch.unflatten(self.dropout(steps), 0, present.shape[:2])
        windows = self.attend(steps, present)
        states, _ = self.whole(windows)
        last = (lengths - 1).div(size, rounding_mode="floor")
        embeddings: Tensor = self.embedding(states[torch.arange(len(last)), last])
        return embeddings

    def attend(self, steps: Tensor, present: Tensor) -> Tensor:
        """Average the steps (B, L, W, H) of a window by attention: (B, L, H).

        `present` (B, L, W) says where there is a clip; a window without any is 0.
        """
        weights = self.attention(steps).squeeze(3).masked_fill(~present, -torch.inf)
        weights = weights.softmax(dim=2).where(present, 0.0)
        return torch.einsum("blw,blwh->blh", weights, steps)
