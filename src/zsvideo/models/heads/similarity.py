"""How near points are to one another, by cosine, distance and Gaussian kernel.

Shapes: B points, K others, F.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def cosines(points: Tensor, others: Tensor) -> Tensor:
    """Compare (B, F) with (K, F) by cosine: (B, K)."""
    return F.normalize(points, dim=1) @ F.normalize(others, dim=1).T


def squared_distances(points: Tensor, others: Tensor) -> Tensor:
    """Compare (B, F) with (K, F) by |x - y|^2: (B, K), by one product of matrices."""
    squares = points.square().sum(dim=1)[:, None] + others.square().sum(dim=1)
    return torch.addmm(squares, points, others.T, alpha=-2).clamp_(min=0)


def gaussian(points: Tensor, others: Tensor, width: float | Tensor) -> Tensor:
    """Compare by exp(-|x - y|^2 / width): (B, K)."""
    return squared_distances(points, others).div_(width).neg_().exp_()
