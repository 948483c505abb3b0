"""Subsets of the training videos: the ablations of Sec. 5.2 (Fig. 4-6).

Each function draws from the source's videos after overlap removal, by seed alone, so that all arms
of a comparison train on the same videos.

Shapes: K classes, D embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zsvideo.data.options import Subset
from zsvideo.data.videos import Videos
from zsvideo.errors import UserError
from zsvideo.options import plain
from zsvideo.semantics.class_vectors import ClassBank
from zsvideo.semantics.records import lines_hash


@dataclass(frozen=True)
class VideoSubset:
    """The videos of a subset.

    Attributes:
        kind: which function drew it.
        videos: to train on, in the order of the source.
        notes: how it was drawn.
    """

    kind: str
    videos: Videos
    notes: dict[str, Any] = field(default_factory=dict)


Draw = Callable[[Videos, ClassBank], VideoSubset]


def draw(subset: Subset, videos: Videos, bank: ClassBank) -> VideoSubset:
    """Take the part of the training videos that is asked for; raises UserError."""
    kinds: dict[str, Callable[..., VideoSubset]] = {
        "none": everything,
        "classes": classes,
        "samples": samples,
        "clusters": clusters,
    }
    how = plain(subset)
    return kinds[how.pop("kind")](videos, bank, **how)


def everything(videos: Videos, bank: ClassBank) -> VideoSubset:
    """Take all videos of the classes that have a vector here."""
    return VideoSubset("none", videos.within(bank))


def classes(
    videos: Videos,
    bank: ClassBank,
    classes: int | None,
    seed: int,
    nested: bool,
    legacy: bool,
) -> VideoSubset:
    """Draw classes at random and take all their videos (Sec. 5.2, blue in Fig. 4).

    Args:
        videos: of the source, those of classes kept out too.
        bank: the classes that may be trained on.
        classes: how many; None takes all.
        seed: of the draw.
        nested: a smaller draw of the same seed is a part of a larger one; else they are apart.
        legacy: as in the authors' code, evenly spaced over the alphabet of the classes left.

    Raises:
        UserError: there are fewer classes.
    """
    pool = videos.within(bank).classes
    members = {pool[i] for i in pick(len(pool), classes, "subset.classes", seed, nested, legacy)}
    return VideoSubset(
        "classes",
        videos.within(members),
        {"seed": seed, "nested": nested, "legacy": legacy},
    )


def samples(
    videos: Videos,
    bank: ClassBank,
    samples: float | None,
    seed: int,
    nested: bool,
    legacy: bool,
) -> VideoSubset:
    """Draw videos uniformly at random whatever their class (Sec. 5.2, orange in Fig. 4).

    A class may lose all its videos; it is then not trained on.

    Args:
        videos: see `classes`.
        bank: see `classes`.
        samples: how many, or a share above 0 and below 1; None takes all.
        seed: of the draw.
        nested: see `classes`.
        legacy: as in the authors' code, evenly spaced over the file list before overlap removal
            (which then takes some of them), unlike `classes`.

    Raises:
        UserError: there are fewer videos, or the share is none.
    """
    pool = videos if legacy else videos.within(bank)
    count = samples
    if isinstance(samples, float):
        if not 0 < samples < 1:
            raise UserError(f"subset.samples={samples} must be a whole number or a share below 1")
        count = max(1, round(samples * len(pool)))
    rows = pick(len(pool), count, "subset.samples", seed, nested, legacy)
    return VideoSubset(
        "samples",
        pool.take(rows).within(bank),
        {"seed": seed, "nested": nested, "legacy": legacy},
    )


def clusters(
    videos: Videos,
    bank: ClassBank,
    clusters: int,
    classes: int,
    seed: int,
    cluster: int | None,
    cluster_seed: int,
) -> VideoSubset:
    """Draw classes at random from one cluster of the class vectors (Sec. 5.2, Fig. 5).

    Clusters are those of k-means on the unit vectors; one with fewer classes is left out. Seeds
    that follow each other take the clusters in turn, so that ten draws are spread evenly.

    Args:
        videos: see `classes`.
        bank: see `classes`.
        clusters: how many; 1 draws from all classes.
        classes: how many to draw.
        seed: of the draw of classes; without `cluster` it also says which cluster is in turn.
        cluster: the number of the cluster, the largest being 0; None takes each in turn.
        cluster_seed: of k-means.

    Raises:
        UserError: no cluster, or not the one named, has that many classes.
    """
    from sklearn.cluster import KMeans

    names = videos.within(bank).classes
    for key, value in (("clusters", clusters), ("classes", classes)):
        if not isinstance(value, int) or not 1 <= value <= len(names):
            raise UserError(f"subset.{key}={value} must be a whole number from 1 to {len(names)}")
    matrix = bank.of(names).vectors
    cluster_labels = KMeans(clusters, n_init=10, random_state=cluster_seed).fit(matrix).labels_
    groups = sorted(
        (
            [name for name, own in zip(names, cluster_labels, strict=True) if own == k]
            for k in range(clusters)
        ),
        key=lambda group: (-len(group), group),
    )
    sizes = [len(group) for group in groups]
    large = [number for number, size in enumerate(sizes) if size >= classes]
    if not large or cluster not in (None, *large):
        raise UserError(
            f"subset.classes={classes}: the {clusters} clusters have {sizes} classes; take fewer "
            f"classes or clusters{'' if cluster is None else ', or another subset.cluster'}"
        )
    number = large[seed % len(large)] if cluster is None else cluster
    members = set(np.random.default_rng(seed).choice(groups[number], classes, replace=False))
    return VideoSubset(
        "clusters",
        videos.within(members),
        {
            "seed": seed,
            "cluster_seed": cluster_seed,
            "cluster": number,
            "cluster_sizes": sizes,
            "skipped_clusters": [n for n, size in enumerate(sizes) if size < classes],
        },
    )


def pick(
    size: int, count: float | None, option: str, seed: int, nested: bool, legacy: bool
) -> np.ndarray:
    """Draw `count` numbers below a size, in order; raises UserError if it is smaller."""
    if count is None:
        return np.arange(size)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= size:
        raise UserError(
            f"{option}={count} must be a whole number from 1 to {size}, what the protocol "
            "leaves, or null for all"
        )
    if legacy:
        return np.linspace(0, size - 1, count).astype(int)
    rng = np.random.default_rng(seed if nested else (seed, count))
    return np.sort(rng.permutation(size)[:count])


def diversity(matrix: np.ndarray) -> float | None:
    """Average the cosine distance over all pairs of unit rows (K, D); None for one row."""
    count = len(matrix)
    if count < 2:
        return None
    total = float(np.square(matrix.sum(axis=0)).sum())
    return 1 - (total - float(np.square(matrix).sum())) / (count * (count - 1))


def record_subset(subset: VideoSubset, allowed: int, bank: ClassBank) -> dict[str, Any]:
    """Write down what was drawn, as plain data.

    Args:
        subset: the draw.
        allowed: videos that might have been drawn.
        bank: the classes drawn.
    """
    counts = subset.videos.counts()
    return {
        "kind": subset.kind,
        **subset.notes,
        "classes": {name: counts[name] for name in bank.names},
        "videos": len(subset.videos),
        "left_out": allowed - len(subset.videos),
        "videos_sha256": lines_hash([*subset.videos.ids]),
        "diversity": diversity(bank.vectors),
    }
