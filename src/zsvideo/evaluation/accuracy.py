"""Top-1 and top-5 accuracy by nearest class vector (Eq. 1), as a torchmetrics metric.

It gives what `zsvideo.evaluation.protocols.full` gives, batch by batch and on the network's device.

Shapes: B videos, K classes, D embedding.
"""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric

from zsvideo.evaluation.ranking import TIE


class ZeroShotAccuracy(Metric):
    """Share of videos (micro, in percent) whose class is among the 1 or 5 nearest class vectors.

    Cosine similarity; ties go to the class that comes first, and are counted. With at most five
    classes top-5 is 100. An embedding that is not finite is wrong.
    """

    higher_is_better = True
    full_state_update = False
    class_vectors: Tensor
    videos: Tensor
    top1: Tensor
    top5: Tensor
    ties: Tensor

    def __init__(self, class_vectors: Tensor) -> None:
        """Set the candidates.

        Args:
            class_vectors: (K, D) candidates.
        """
        super().__init__()
        self.register_buffer("class_vectors", F.normalize(class_vectors.double(), dim=1))
        for name in ("videos", "top1", "top5", "ties"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, embeddings: Tensor, labels: Tensor) -> None:
        """Count videos.

        Args:
            embeddings: (B, D), of any length.
            labels: (B,) rows of the candidates.
        """
        scores = F.normalize(embeddings.double(), dim=1) @ self.class_vectors.T
        own = scores.gather(1, labels[:, None])
        earlier = torch.arange(scores.shape[1], device=scores.device) < labels[:, None]
        equal = (scores - own).abs() < TIE
        rank = ((scores > own) & ~equal | equal & earlier).sum(1)
        rank[~embeddings.isfinite().all(1)] = scores.shape[1]  # not a number is never right
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
