"""KLIEP: weights of source points that make them resemble target points (Sugiyama et al., 2008).

w(x) = sum_l a_l k(x, c_l), with targets as centres, is the largest in mean log w over targets with
mean 1 over the source. In p_l = a_l mean_source k(x, c_l) these are the proportions of a mixture,
so that the EM steps reach the only optimum without a step size.
Shapes: S source points, T targets, L centres, G widths, F.
"""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from zsvideo.models.heads.similarity import squared_distances

CENTRES = 100  # targets drawn
FOLDS = 5  # parts of the targets, each held out once to choose the width
STEPS = 500  # of EM at most
TOLERANCE = 1e-6  # of the proportions, below which it ends
WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # of the kernel, times the median squared distance


Source = Callable[[], Iterable[Tensor]]


def kliep(source: Source, targets: Tensor, seed: int) -> Tensor:
    """Weight source points, with the width of best held-out likelihood.

    Args:
        source: gives all source points, block by block (B, F), each time that it is called.
        targets: (T, F).
        seed: of the centres and folds.

    Returns:
        (S,) float64, not negative, with mean 1.
    """
    targets = targets.double()
    order = torch.as_tensor(np.random.default_rng(seed).permutation(len(targets)))
    centres = targets[order[:CENTRES]]
    first = next(iter(source())).double()
    widths = torch.tensor(WIDTHS).double() * squared_distances(first, centres).median()
    means = kernel_means(source, centres, widths)
    distances = squared_distances(targets, centres)
    ratios = [torch.exp(-distances / w) / m for w, m in zip(widths, means, strict=True)]
    best = int(np.argmax([held_out(ratio, order) for ratio in ratios]))
    amounts = proportions(ratios[best]) / means[best]
    blocks = [
        torch.exp(-squared_distances(x.double(), centres) / widths[best]) @ amounts
        for x in source()
    ]
    weights = torch.cat(blocks)
    return weights / weights.mean()


def kernel_means(source: Source, centres: Tensor, widths: Tensor) -> Tensor:
    """Take the mean of k(x, c) over the source for each width: (G, L)."""
    count, total = 0, torch.zeros(len(widths), len(centres)).double()
    for x in source():
        distances = squared_distances(x.double(), centres)
        count += len(x)
        for number, width in enumerate(widths):
            total[number] += torch.exp(-distances / width).sum(dim=0)
    return (total / count).clamp(min=torch.finfo(torch.float32).tiny)


def proportions(ratios: Tensor) -> Tensor:
    """Find p of the largest mean log (R p) with p >= 0 and sum 1, by EM.

    Args:
        ratios: R, (T, L): k(x, c_l) of targets, over its mean over the source.

    Returns:
        (L,).
    """
    share = torch.full((ratios.shape[1],), 1 / ratios.shape[1]).double()
    for _ in range(STEPS):
        last, share = share, em_step(ratios, share)
        if (share - last).abs().max() < TOLERANCE:
            break
    return share


def em_step(ratios: Tensor, share: Tensor) -> Tensor:
    """Take one step, which never lowers mean log (R p)."""
    density = (ratios @ share).clamp(min=torch.finfo(torch.float64).tiny)
    step = share * (ratios / density[:, None]).mean(dim=0)
    return step / step.sum()


def held_out(ratios: Tensor, order: Tensor) -> float:
    """Measure mean log w of targets (T, L) that had no part, over folds."""
    total = 0.0
    for part in order.chunk(min(FOLDS, len(order))):
        rest = torch.ones(len(ratios), dtype=torch.bool)
        rest[part] = False
        if rest.any():
            density = ratios[part] @ proportions(ratios[rest])
            total += float(density.clamp(min=torch.finfo(torch.float64).tiny).log().sum())
    return total / len(ratios)
