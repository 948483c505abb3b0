"""AURL: alignment and uniformity of videos and class names (Pu, Zhao and Zheng, CVPR 2022).

Written after the published description and the authors' released training code, in own words: a
sum of three cross-entropies of cosines times 10, each a supervised contrastive loss: it aligns
what belongs together and spreads the rest. The paper says of the class generator that it inter-
and extrapolates; the released code draws its weights from [0, 1), which is what is done here.

Shapes: B videos, C classes trained on, E embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALE = 10.0  # of cosines: a temperature of 0.1


class Centres(nn.Module):
    """Learned visual centres of the classes, (C, E), from [0, 1) as in the released code."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.empty(classes, width))

    def reset_parameters(self) -> None:
        """Draw them."""
        nn.init.uniform_(self.rows)


def contrast(rows: Tensor, classes: Tensor, labels: Tensor) -> Tensor:
    """Tell the class (B,) of rows (B, E) from all (C, E), by cosine: mean cross-entropy."""
    cosines = F.normalize(rows, dim=1) @ F.normalize(classes, dim=1).T
    return F.cross_entropy(SCALE * cosines, labels)


def aurl_loss(embeddings: Tensor, classes: Tensor, centres: Tensor, labels: Tensor) -> Tensor:
    """Add the contrast of videos with names, with visual centres, and of made-up classes.

    A made-up class is a random sum of all classes: its name of their names, its centre of their
    centres, by the same weights.

    Args:
        embeddings: (B, E) of videos.
        classes: (C, E) of the names of the classes trained on.
        centres: (C, E) of their videos, learned.
        labels: (B,) rows of the classes.
    """
    weights = torch.rand(len(classes), len(classes), device=classes.device, dtype=classes.dtype)
    names = weights @ F.normalize(classes, dim=1)
    places = weights @ F.normalize(centres, dim=1)
    counting = torch.arange(len(classes), device=classes.device)
    seen = contrast(embeddings, classes, labels) + contrast(embeddings, centres, labels)
    return seen + contrast(names, places, counting)
