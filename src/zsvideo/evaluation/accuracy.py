"""Top-1 and top-5 accuracy of scores (Eq. 1), as a torchmetrics metric.

It gives what `zsvideo.evaluation.protocols.full` gives, batch by batch and on the network's device.

Shapes: B videos, K classes, D embedding.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric

from zsvideo.evaluation.ranking import TIE


def cosines(embeddings: Tensor, class_vectors: Tensor) -> Tensor:
    """Compute the cosine (B, K) float64 of embeddings (B, D) with class vectors (K, D)."""
    unit_z, unit_c = (F.normalize(rows.double(), dim=1) for rows in (embeddings, class_vectors))
    return unit_z @ unit_c.T


class ZeroShotAccuracy(Metric):
    """Share of videos (micro, in percent) whose class is among the 1 or 5 of the best scores.

    Ties go to the class that comes first, and are counted. With at most five classes top-5 is 100.
    A row of scores that is not finite is wrong.
    """

    higher_is_better = True
    full_state_update = False
    videos: Tensor
    top1: Tensor
    top5: Tensor
    ties: Tensor

    def __init__(self) -> None:
        """Begin to count."""
        super().__init__()
        for name in ("videos", "top1", "top5", "ties"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Count videos.

        Args:
            scores: (B, K) of the candidates, float64, higher is better.
            labels: (B,) rows of the candidates.
        """
        own = scores.gather(1, labels[:, None])
        earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
        equal = (scores - own).abs() < TIE
        rank = ((scores > own) & ~equal | equal & earlier).sum(1)
        rank[~scores.isfinite().all(1)] = scores.shape[1]  # not a number is never right
        self.videos += len(labels)
        self.top1 += (rank < 1).sum()
        self.top5 += (rank < 5).sum()
        self.ties += (equal.sum(1) > 1).sum()

    def compute(self) -> dict[str, float | int]:
        """Give `top1` and `top5` in percent (0 for no videos), `videos` and `ties`."""
        videos = max(int(self.videos), 1)
        return {
            "top1": 100.0 * int(self.top1) / videos,
            "top5": 100.0 * int(self.top5) / videos,
            "videos": int(self.videos),
            "ties": int(self.ties),
        }
