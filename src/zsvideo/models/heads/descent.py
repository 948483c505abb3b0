"""Training of a head by mini-batches: one loop, the scaling of features, clips without repeats.

No array grows with the number of videos but their labels, so that Kinetics fits as well.

Shapes: V videos, B of them, N clips, M of them at most that are no repeats, F features.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zsvideo.models.heads.base import Features, Training

Loss = Callable[[Features, Tensor, int], Tensor]


def descend(modules: Sequence[nn.Module], training: Training, loss: Loss, options: Any) -> None:
    """Train modules by Adam, from weights that are drawn anew.

    Weights, dropout and order follow from `training.seed` alone; the global random state is
    afterwards what it was. It all runs where the parameters lie.

    Args:
        modules: the head, and what is trained with it but not kept.
        training: what is learned from.
        loss: of features, labels (B,) and epoch, a mean over the batch.
        options: of the head: `epochs`, `lr`, `batch_size`. A last batch of one video is left out,
            which has no variance.
    """
    whole = nn.ModuleList(modules)
    device = next(whole.parameters()).device
    with torch.random.fork_rng([device] if device.type == "cuda" else []), torch.enable_grad():
        torch.manual_seed(training.seed)
        draw_weights(whole)
        optimizer = torch.optim.Adam(whole.parameters(), lr=options.lr)
        whole.train()
        for epoch in range(options.epochs):
            for features, labels in training.shuffled(options.batch_size, epoch):
                if len(labels) == 1:
                    continue
                value = loss(features.to(device), labels.to(device), epoch)
                optimizer.zero_grad()
                torch.autograd.backward(value)
                optimizer.step()
    whole.eval()


def draw_weights(modules: nn.Module) -> None:
    """Draw the weights of all layers anew, each by its own rule."""
    for module in modules.modules():
        draw = getattr(module, "reset_parameters", None)
        if callable(draw):
            draw()


class Scaling(nn.Module):
    """Scales features to mean 0 and variance 1 over the clips trained on.

    Attributes:
        mean: (F,).
        spread: (F,) standard deviation; 1 where a feature is constant.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, feature_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(feature_dim))
        self.register_buffer("spread", torch.ones(feature_dim))

    def fit(self, training: Training) -> None:
        """Add up the moments in one pass over the videos."""
        count, total, square = 0, torch.zeros(()).double(), torch.zeros(()).double()
        for features, _ in training.in_order():
            clips, mask = features.sequence
            x = clips[mask].double()
            count, total, square = count + len(x), total + x.sum(0), square + (x**2).sum(0)
        mean = total / count
        spread = (square / count - mean**2).clamp(min=0).sqrt()
        self.mean.copy_(mean)
        self.spread.copy_(torch.where(spread > 1e-6 * (1 + mean.abs()), spread, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Scale (..., F)."""
        scaled: Tensor = (features - self.mean) / self.spread
        return scaled


def without_repeats(features: Features) -> tuple[Tensor, Tensor]:
    """Move the clips that are no repeats to the front, and cut off what no video needs.

    Returns:
        (B, M, F) with zeros behind the clips of a video, and (B,) how many it has, on the CPU.
    """
    clips, mask = features.sequence
    lengths = mask.sum(dim=1)
    first = mask.long().argsort(dim=1, descending=True, stable=True)[:, : int(lengths.max())]
    ordered = clips.gather(1, first[:, :, None].expand(-1, -1, clips.shape[2]))
    return ordered.where(inside(lengths, first.shape[1])[:, :, None], 0), lengths.cpu()


def inside(lengths: Tensor, size: int) -> Tensor:
    """Tell which of the first places have a clip: (B, size) bool."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]
