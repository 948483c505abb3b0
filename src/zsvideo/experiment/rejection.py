"""`none of these` for the predictions of a run: fitted on classes that it did not train on."""

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.videos import Videos
from zsvideo.data.zeroshot import TargetsDataModule, ZeroShotDataModule
from zsvideo.evaluation.predictions import Predictions
from zsvideo.prediction.rejection import enough, fit_none_of_these, judge
from zsvideo.semantics.class_vectors import ClassBank, cosine_distances

MOST = 512  # videos that are fitted on
TAU = 0.05  # Sec. 3.3: names nearer to a held-out class are no strangers to it


def untrained_videos(data: TargetsDataModule) -> VideoDataModule | None:
    """Choose videos of the source whose classes were not trained on, evenly over these classes.

    They are those that the protocol keeps out, the subset leaves or the selection holds out. None
    where there are too few to fit a threshold on, or nothing was trained here.
    """
    if not isinstance(data, ZeroShotDataModule):
        return None
    source = data.source
    names = sorted({*source.videos.classes} - {*source.chosen.classes})
    known = data.vectors.of(names, source.name, source.table) if names else None
    names = [name for name in names if known is not None and name not in known.unknown]
    videos = evenly(source.videos.within(names))
    if known is None or not enough(len(videos), len(videos.classes)):
        return None
    others = copy.copy(source)
    others.features = {}
    others.use(data.pick(known, names), videos)
    return others


def evenly(videos: Videos) -> Videos:
    """Take the first videos of each class, as many of each, `MOST` in all."""
    ranks, before = [], Counter[str]()
    for label in videos.labels:
        ranks.append(before[label])
        before[label] += 1
    kept = videos.take(np.argsort(ranks, kind="stable")[:MOST])
    return kept.take(np.argsort(np.array([*kept.ids], object), kind="stable"))


def none_of_these(
    untrained: Predictions | None, targets: Mapping[str, Predictions]
) -> dict[str, Any] | None:
    """Fit the threshold of a run, and measure it on its targets, which have no part in it.

    Args:
        untrained: of videos whose classes were not trained on.
        targets: the predictions of the targets.

    Returns:
        What the record says; None where there is nothing to fit on.
    """
    if untrained is None:
        return None
    own = ClassBank(tuple(map(str, untrained.class_names)), untrained.class_vectors)
    vectors = [own.vectors]
    for tested in targets.values():
        distances = cosine_distances(tested.class_vectors, own.vectors)
        vectors.append(tested.class_vectors[distances.min(axis=1) >= TAU])
    fitted = fit_none_of_these(
        untrained.embeddings,
        untrained.labels,
        np.concatenate(vectors),
        "videos of the source whose classes were not trained on",
    )
    if fitted is None:
        return None
    measured = {
        name: judge(fitted, tested.embeddings, tested.labels, tested.class_vectors)
        for name, tested in targets.items()
    }
    return fitted.plain() | {"targets": {name: said for name, said in measured.items() if said}}
