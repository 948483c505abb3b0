"""How far a number can be trusted: bootstrap intervals, and runs compared on the same videos.

Three things can be drawn anew. `videos`: other videos of these classes. `classes`: other classes,
with the videos they have. `both`: other classes, and of each other videos. Draws of Evaluation
Protocol 1 stay as they are.

Shapes: V videos, K classes, D draws, R resamples.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from zsvideo.errors import UserError

SCHEMES = ("videos", "classes", "both")
LEVEL = 95.0  # percent of the bootstrap distribution inside an interval
BATCH = 100  # resamples at a time, which bounds memory
KEPT = 2**26  # bytes of resamples that are kept


def intervals(ranks: np.ndarray, labels: np.ndarray, resamples: int) -> dict[str, Any]:
    """Give percentile bootstrap intervals of mean top-1 and top-5 (micro, percent).

    Args:
        ranks: (D, V) of the right class, -1 where a video takes no part in a draw.
        labels: (V,) classes.
        resamples: R.

    Returns:
        `top1` and `top5`: for each scheme the two ends; with `level` and `resamples`.
    """
    result: dict[str, Any] = {"level": LEVEL, "resamples": resamples}
    inside = (ranks >= 0).T.astype(np.float32)
    hits = {k: ((ranks >= 0) & (ranks < k)).T.astype(np.float32) for k in (1, 5)}
    for scheme in SCHEMES:
        means: dict[int, list[np.ndarray]] = {1: [], 5: []}
        for weights in resampled(labels, scheme, resamples):
            out_of = weights @ inside
            for k, right in hits.items():
                means[k].append(mean_over_draws(weights @ right, out_of))
        for k, values in means.items():
            result.setdefault(f"top{k}", {})[scheme] = ends(np.concatenate(values))
    return result


def resampled(labels: np.ndarray, scheme: str, resamples: int) -> Iterable[np.ndarray]:
    """Draw how often each video counts, (R', V) float32 at a time, the same for the same input.

    A comparison of many runs on the same videos asks for the same; what is small is kept.
    """
    if 4 * len(labels) * resamples > KEPT:
        return drawn(labels, scheme, resamples)
    return kept(labels.astype(np.int64).tobytes(), scheme, resamples)


@lru_cache(maxsize=2 * len(SCHEMES))
def kept(labels: bytes, scheme: str, resamples: int) -> tuple[np.ndarray, ...]:
    """Give all of `resampled` for int64 labels; nobody can change it."""
    batches = tuple(drawn(np.frombuffer(labels, np.int64), scheme, resamples))
    for weights in batches:
        weights.flags.writeable = False
    return batches


def drawn(labels: np.ndarray, scheme: str, resamples: int) -> Iterator[np.ndarray]:
    """Draw what `resampled` gives."""
    rng = np.random.default_rng(0)
    count = len(labels)
    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    sizes = sizes[sizes > 0]
    firsts = np.cumsum([0, *sizes[:-1]])
    for start in range(0, resamples, BATCH):
        weights = np.empty((min(BATCH, resamples - start), count), np.float32)
        for row in weights:
            if scheme == "videos":
                row[:] = np.bincount(rng.integers(0, count, count), minlength=count)
                continue
            sample = rng.integers(0, len(sizes), len(sizes))
            times = np.bincount(sample, minlength=len(sizes))
            if scheme == "classes":
                row[order] = np.repeat(times, sizes)
            else:
                of = np.repeat(np.arange(len(sizes)), times * sizes)
                picked = firsts[of] + (rng.random(len(of)) * sizes[of]).astype(np.int64)
                row[order] = np.bincount(picked, minlength=count)
        yield weights


def mean_over_draws(right: np.ndarray, out_of: np.ndarray) -> np.ndarray:
    """Give the mean accuracy (R,) in percent over draws (R, D) that have videos."""
    shares = np.divide(right, out_of, out=np.full(right.shape, np.nan), where=out_of > 0)
    known = ~np.isnan(shares)
    means: np.ndarray = 100 * np.nansum(shares, axis=1) / np.maximum(known.sum(axis=1), 1)
    return means


def ends(values: np.ndarray) -> list[float]:
    """Give the percentile interval of bootstrap values."""
    outside = (100 - LEVEL) / 2
    return [float(v) for v in np.percentile(values, [outside, 100 - outside])]


def paired(
    first: np.ndarray, second: np.ndarray, labels: np.ndarray, resamples: int
) -> dict[str, Any]:
    """Compare the top-1 of two runs on the same videos and draws.

    Args:
        first: (D, V) ranks.
        second: the same of the other run, -1 at the same places.
        labels: (V,) classes.
        resamples: R.

    Returns:
        `difference` (second less first, points), its bootstrap `interval` and two-sided
        `p_bootstrap` for each scheme, and for a single draw McNemar's exact test over videos:
        `only_first`, `only_second` right, and `p_mcnemar`.

    Raises:
        UserError: the runs were not scored on the same videos.
    """
    if first.shape != second.shape or not np.array_equal(first < 0, second < 0):
        raise UserError("the runs were not scored on the same videos and draws")
    inside = (first >= 0).T.astype(np.float32)
    gain = ((second == 0).astype(np.float32) - (first == 0)).T
    everything = np.ones((1, len(labels)), np.float32)
    result: dict[str, Any] = {
        "difference": float(mean_over_draws(everything @ gain, everything @ inside)[0]),
        "interval": {},
        "p_bootstrap": {},
        "level": LEVEL,
        "resamples": resamples,
    }
    for scheme in SCHEMES if resamples else ():
        batches = [
            mean_over_draws(weights @ gain, weights @ inside)
            for weights in resampled(labels, scheme, resamples)
        ]
        values = np.concatenate(batches)
        result["interval"][scheme] = ends(values)
        tail = min((values <= 0).sum(), (values >= 0).sum())
        result["p_bootstrap"][scheme] = float(min(1.0, 2 * (tail + 1) / (resamples + 1)))
    if len(first) == 1:
        only_first = int(((first == 0) & (second != 0)).sum())
        only_second = int(((second == 0) & (first != 0)).sum())
        discordant = only_first + only_second
        test = stats.binomtest(only_first, discordant) if discordant else None
        result |= {
            "only_first": only_first,
            "only_second": only_second,
            "p_mcnemar": float(test.pvalue) if test else 1.0,
        }
    return result


def over_runs(values: Sequence[float]) -> dict[str, Any]:
    """Average one number over runs that differ in their seed alone.

    Returns:
        `mean`, `std` (ddof = 1) and the 95 % interval of the mean by Student's t; std and interval
        are None for a single run.
    """
    array = np.asarray(values, float)
    result: dict[str, Any] = {"runs": len(array), "mean": float(array.mean()), "std": None}
    result |= {"std_ddof": 1, "interval": None}
    if len(array) > 1:
        result["std"] = float(array.std(ddof=1))
        half = stats.t.ppf(0.5 + LEVEL / 200, len(array) - 1) * stats.sem(array)
        result["interval"] = [float(array.mean() - half), float(array.mean() + half)]
    return result
