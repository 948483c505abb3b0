"""Informed Democracy: is a video of a class trained on? (Roitberg, Al-Halah, Stiefelhagen, 2018).

BMVC 2018, arXiv 1810.12819. Known from the abstract: the uncertainty of the single classifiers is
a vote on whether a video is novel, and the vote is that of the informed ones, chosen for the known
class that the video is classified as. From memory: dropout at test time, 100 passes; the leader is
the class of the largest mean; its council are the classes whose uncertainty is reliable, that is
changes little, over held-out videos that are rightly classified as the leader's class; the mean
uncertainty of the council is the novelty. The paper's council is cut at a threshold, here at a
share of the classes.

It is no head: it says which of two sets of classes a head is to be asked for.

Shapes: V videos, B of them, C classes trained on, F features, P passes.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zsvideo.errors import UserError
from zsvideo.models.heads.base import Features, Training
from zsvideo.models.heads.descent import Scaling, descend
from zsvideo.options import Count, Number, Share, options


class InformedDemocracy(nn.Module):
    """A linear softmax with dropout on mean features, and a council of classes for each class.

    All that it has learned is in buffers. The dropout of each pass is drawn once, so that the
    novelty of a video does not depend on the others.

    Attributes:
        weight: (C, F) of scaled features.
        bias: (C,).
        masks: (P, F) factors of the passes, 0 where a feature is dropped.
        council: (C, C) bool, which classes vote where the row's class leads.
        threshold: () novelty above which a video counts as novel.
    """

    @options
    class Options:
        """Of the gate."""

        dropout: Share = 0.5
        """Share of features dropped, in training and in each pass."""
        passes: Count = 100
        """Passes with dropout."""
        council: Share = 0.5
        """Of the classes, that vote; at least one."""
        held_out: Share = 0.1
        """Of the videos of each class, that choose councils and threshold."""
        accepted: Share = 0.95
        """Of these, that the threshold takes for known."""
        lr: Number = 0.001
        """Learning rate of Adam."""
        epochs: Count = 20
        """Passes over the videos."""
        batch_size: Count = 512
        """Videos of a step."""

    substituted = (
        "I3D fine-tuned on the known classes -> a linear layer on cached features",
        "dropout drawn anew for each video -> the same draws for all",
        "council cut at a threshold of reliability -> a share of the classes",
    )
    weight: Tensor
    bias: Tensor
    masks: Tensor
    council: Tensor
    threshold: Tensor

    def __init__(self, feature_dim: int, classes: int, options: Options) -> None:
        super().__init__()
        self.options, self.scaling = options, Scaling(feature_dim)
        self.register_buffer("weight", torch.zeros(classes, feature_dim))
        self.register_buffer("bias", torch.zeros(classes))
        self.register_buffer("masks", torch.ones(options.passes, feature_dim))
        self.register_buffer("council", torch.ones(classes, classes, dtype=torch.bool))
        self.register_buffer("threshold", torch.tensor(torch.inf))

    def fit(self, training: Training) -> None:
        """Train on a part of the videos; choose councils and threshold on the others.

        Raises:
            UserError: there is no class with several videos.
        """
        means = replace(training, sequence=False)  # also beside a head that reads clips
        learned, held_out = split(means, self.options.held_out)
        if not len(held_out):
            raise UserError("the gate needs held-out videos, and no class has more than one video")
        self.scaling.fit(learned)
        classes, size = self.weight.shape
        layer = nn.Linear(size, classes, device="meta").to_empty(device=self.weight.device)

        def loss(features: Features, labels: Tensor, epoch: int) -> Tensor:
            kept = F.dropout(self.scaling(features.mean), self.options.dropout)
            return F.cross_entropy(layer(kept), labels)

        descend([layer], learned, loss, self.options)
        self.weight.copy_(layer.weight.detach())
        self.bias.copy_(layer.bias.detach())
        draw = torch.rand(self.masks.shape, generator=torch.Generator().manual_seed(training.seed))
        stays = 1 - self.options.dropout
        self.masks.copy_((draw < stays) / max(stays, 1e-12))
        choosing, known = split(held_out, 0.5)  # a threshold on what chose councils is too low
        self.choose_councils(choosing)
        known = known if len(known) else held_out
        parts = [self.novelty(features.to(self.bias.device)) for features, _ in known.in_order()]
        self.threshold.copy_(torch.cat(parts).quantile(self.options.accepted))

    @torch.no_grad()
    def uncertainty(self, features: Features) -> tuple[Tensor, Tensor]:
        """Classify in all passes: mean and variance of the probabilities, both (B, C)."""
        x = self.scaling(features.mean)
        mean = variance = torch.zeros(len(x), len(self.bias), device=x.device)
        for number, mask in enumerate(self.masks, 1):  # Welford: equal passes give exactly 0
            change = F.linear(x * mask, self.weight, self.bias).softmax(dim=1) - mean
            mean = mean + change / number
            variance = variance + change**2 * (number - 1) / number
        return mean, variance / len(self.masks)

    def novelty(self, features: Features) -> Tensor:
        """Give the mean variance of the leader's council: (B,), higher is more likely novel."""
        mean, variance = self.uncertainty(features)
        votes = self.council[mean.argmax(dim=1)].to(variance)
        return (variance * votes).sum(dim=1) / votes.sum(dim=1)

    def choose_councils(self, held_out: Training) -> None:
        """Choose for each leader the classes whose variance changes least among its right videos.

        A leader without right videos takes the right ones of all.
        """
        classes = len(self.bias)
        sums = torch.zeros(3, classes, classes, dtype=torch.float64, device=self.bias.device)
        for features, labels in held_out.in_order():
            mean, variance = self.uncertainty(features.to(self.bias.device))
            leader = mean.argmax(dim=1)
            right = leader == labels.to(leader.device)
            for power in range(3):
                sums[power].index_add_(0, leader[right], variance[right].double() ** power)
        own = torch.where(sums[0] > 0, sums, sums.sum(dim=1, keepdim=True))
        count, total, square = own[0].clamp(min=1), own[1], own[2]
        spread = square / count - (total / count) ** 2
        size = max(1, round(self.options.council * classes))
        chosen = spread.topk(size, dim=1, largest=False).indices
        self.council.zero_().scatter_(1, chosen, True)


def split(training: Training, share: float) -> tuple[Training, Training]:
    """Hold out a share of the videos of each class, at random by the training's seed.

    Of a class one video at least stays, and of one with several one at least is held out.
    """
    rng = np.random.default_rng((training.seed, len(training)))
    order = rng.permutation(len(training))
    order = order[np.argsort(training.labels[order], kind="stable")]
    counts = np.bincount(training.labels, minlength=len(training.vectors))
    held = np.minimum(np.maximum(np.round(share * counts), 1), counts - 1)
    place = np.arange(len(order)) - np.repeat(counts.cumsum() - counts, counts)
    out = place < np.repeat(held, counts)
    return of_videos(training, np.sort(order[~out])), of_videos(training, np.sort(order[out]))


def of_videos(training: Training, videos: np.ndarray) -> Training:
    """Leave some videos, (V',) of 0 .. V - 1; classes and labels stay."""
    chosen = videos if training.chosen is None else training.chosen[videos]
    return replace(training, labels=training.labels[videos], chosen=chosen)
