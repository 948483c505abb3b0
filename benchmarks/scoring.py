"""Scoring of 20,000 videos x 700 classes by `full` and `half`, beside scipy and a full sort.

By turns in one process on one core; medians, their ratio, and the memory that scoring adds.
"""

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.spatial.distance import cdist

from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.protocols import full, half, half_classes, ordered

VIDEOS, CLASSES, SIZE, ROUNDS = 20_000, 700, 300, 5


def made() -> Predictions:
    """Make predictions of which about half are right."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(CLASSES, SIZE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.integers(0, CLASSES, VIDEOS)
    embeddings = (vectors[labels] + rng.normal(size=(VIDEOS, SIZE)) * 0.33).astype(np.float32)
    names = np.array([f"c{i:03d}" for i in range(CLASSES)])
    return Predictions(np.arange(VIDEOS).astype(str), labels, embeddings, names, vectors)


def sorted_accuracy(p: Predictions, classes: np.ndarray) -> tuple[float, float]:
    """Give top-1 and top-5 by scipy's cosine distances and a full sort."""
    inside = np.isin(p.labels, classes)
    order = np.argsort(cdist(p.embeddings[inside], p.class_vectors[classes], "cosine"), axis=1)
    found = classes[order[:, :5]] == p.labels[inside][:, None]
    return 100 * found[:, 0].mean(), 100 * found.any(axis=1).mean()


def main() -> None:
    """Compare."""
    p = made()
    rows = ordered(p.class_names, "authors")
    every = np.arange(CLASSES)
    # `replace` makes predictions anew, whose scores are not known yet.
    draws = [rows[half_classes(CLASSES, draw)] for draw in range(10)]
    work: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "full": (lambda: full(replace(p)).numbers["top1"], lambda: sorted_accuracy(p, every)[0]),
        "half, 10 draws": (
            lambda: half(replace(p), draws=10).numbers["top1_mean"],
            lambda: float(np.mean([sorted_accuracy(p, draw)[0] for draw in draws])),
        ),
    }
    before = peak()
    for ours, _ in work.values():
        ours()
    half(p, draws=1000)
    print(f"{VIDEOS:,} videos x {CLASSES} classes, one core, medians of {ROUNDS} rounds by turns")
    print(f"memory that scoring adds, half with 1,000 draws included: {peak() - before:.0f} MB")
    totals = [0.0, 0.0]
    for name, (ours, theirs) in work.items():
        seconds: list[list[float]] = [[], []]
        for _ in range(ROUNDS):
            numbers = []
            for at, function in enumerate((ours, theirs)):
                start = time.perf_counter()
                numbers.append(function())
                seconds[at].append(time.perf_counter() - start)
            assert abs(numbers[0] - numbers[1]) < 1e-6, numbers
        a, b = map(statistics.median, seconds)
        totals = [totals[0] + a, totals[1] + b]
        print(f"{name:16s} here {a:.3f} s, scipy and sort {b:.3f} s: {b / a:.1f}x")
    print(
        f"{'both':16s} here {totals[0]:.3f} s, scipy and sort {totals[1]:.3f} s: "
        f"{totals[1] / totals[0]:.1f}x"
    )
    start = time.perf_counter()
    half(p, draws=1000)
    print(f"half, 1,000 draws: {time.perf_counter() - start:.2f} s")


def peak() -> float:
    """Give the process's peak memory in MB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
