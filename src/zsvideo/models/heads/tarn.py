"""TARN: a temporal attentive relation network (Bishay et al., BMVC 2019, arXiv 1907.09021).

Known from notes and an unofficial implementation, not from the paper's own code: a bidirectional
GRU over segments, a class vector through two layers, attention of the class over the segments,
comparison by cosine and Euclidean distance (EucCos), two layers to a relation score, binary
cross-entropy over the classes of an episode. The learning rate and the size of an episode for
zero-shot learning are unknown. With one vector a class the attention must be a softmax over the
segments: over the class side it would be 1 everywhere.

Shapes: B videos, M clips, K classes, F features, D embedding, H hidden units of both directions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zsvideo.models.heads.base import Features, Head, Training
from zsvideo.models.heads.descent import Scaling, descend, inside, without_repeats
from zsvideo.options import Count, Number, options

PART = 128  # videos compared with all classes at once, which bounds memory


class Tarn(Head):
    """Scores the relation of a sequence of clips and a class, whichever others are asked."""

    @options
    class Options:
        """Of `head=tarn`."""

        lr: Number | None = None
        """Learning rate of Adam."""
        hidden: Count = 256
        """Units of the GRU in each direction."""
        epochs: Count = 20
        """Passes over the videos."""
        batch_size: Count = 128
        """Videos of an episode; its classes are theirs."""

    needs = "sequence"
    choices = {"lr": (1e-4, 3e-4, 1e-3, 3e-3)}
    substituted = (
        "C3D features of 16-frame segments -> cached clip features",
        "trained with C3D, or its features -> f_v frozen",
        "episodes drawn by class -> batches of videos with the classes that they have",
        "attention over segments is a softmax over time (the text leaves it open)",
    )

    def __init__(self, feature_dim: int, embedding_dim: int, options: Options) -> None:
        super().__init__(feature_dim, embedding_dim, options)
        width = 2 * options.hidden
        self.scaling = Scaling(feature_dim)
        self.video = nn.GRU(feature_dim, options.hidden, batch_first=True, bidirectional=True)
        self.name = nn.Sequential(
            nn.Linear(embedding_dim, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.attention = nn.Linear(width, width)
        self.relation = nn.Sequential(nn.Linear(2, width), nn.ReLU(), nn.Linear(width, 1))

    def fit(self, training: Training) -> None:
        """Tell the class of each video from those of the others in its batch."""
        self.scaling.fit(training)
        vectors = training.vectors.to(self.scaling.mean)

        def loss(features: Features, labels: Tensor, epoch: int) -> Tensor:
            classes, own = torch.unique(labels, return_inverse=True)
            relations = self.relations(features, vectors[classes])
            right = F.one_hot(own, len(classes)).to(relations)
            return F.binary_cross_entropy_with_logits(relations, right)

        descend([self], training, loss, self.options)

    def scores(self, features: Features, vectors: Tensor) -> Tensor:
        """Give the relation of each video and class, part by part."""
        columns = (features.mean, *features.sequence)
        parts = zip(*(torch.split(column, PART) for column in columns), strict=True)
        return torch.cat([self.relations(Features(*part), vectors) for part in parts])

    def relations(self, features: Features, vectors: Tensor) -> Tensor:
        """Relate B videos and K classes: (B, K) logits."""
        segments, lengths = self.encode(features)
        names = self.name(vectors)
        present = inside(lengths.to(segments.device), segments.shape[1])
        match = self.attention(segments) @ names.T
        attention = match.masked_fill(~present[:, :, None], -torch.inf).softmax(dim=1)
        attended = attention.transpose(1, 2) @ segments
        cosine = F.cosine_similarity(attended, names, dim=2)
        distance = (attended - names).square().sum(dim=2).clamp(min=1e-12).sqrt()
        relations: Tensor = self.relation(torch.stack([cosine, distance], dim=2))
        return relations.squeeze(2)

    def encode(self, features: Features) -> tuple[Tensor, Tensor]:
        """Run the GRU both ways over the clips of each video: (B, M, H), and their lengths (B,)."""
        clips, lengths = without_repeats(features)
        packed = pack_padded_sequence(
            self.scaling(clips), lengths, batch_first=True, enforce_sorted=False
        )
        segments, _ = pad_packed_sequence(self.video(packed)[0], batch_first=True)
        return segments, lengths
