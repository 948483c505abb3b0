"""Cached features are used for the very videos they were made of."""

import os

import numpy as np
import torch

from zsvideo.data.features import Extracted, FeatureStore
from zsvideo.data.layouts import Video


def videos(folder, names="abc"):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return [Video(name, str(folder / name), "x") for name in names]


def extractor(reasons=None, count=2, size=4, calls=None):
    """Give a function that makes features of videos, each of its name."""

    def extract(part):
        if calls is not None:
            calls.append([video.id for video in part])
        numbers = np.array([ord(video.id[0]) for video in part], np.float32)
        features = np.ones((len(part), count, size), np.float32) * numbers[:, None, None]
        features += np.arange(count)[:, None]
        bad = {i: reasons[v.id] for i, v in enumerate(part) if v.id in (reasons or {})}
        return Extracted(features, np.ones(features.shape[:2], bool), bad)

    return extract


def test_a_store_knows_its_videos(tmp_path):
    a, b, c = found = videos(tmp_path / "videos")
    made_by = {"weights": "w", "clips": 1}
    store = FeatureStore.open(tmp_path, made_by, 32)
    assert store.missing(found) == found
    table = store.fill(found, extractor({"b": "truncated"}))
    again = FeatureStore.open(tmp_path, made_by, 32)
    assert again.missing(found) == [b]  # tried again: the reason may have passed
    for known in (table, again.fill(found, extractor({"b": "truncated"}))):
        clips, mask = known.clips(np.array([2, 0]))
        assert torch.equal(clips[:, :, 0], torch.tensor([[99.0, 100.0], [97.0, 98.0]]))
        assert mask.all() and known.reasons == {1: "truncated"} and len(known) == 3
        assert known.readable.tolist() == [0, 2]
        assert known.means(np.array([0]))[0].tolist() == [97.5] * 4
    (tmp_path / "videos" / "a").write_text("longer")
    os.utime(tmp_path / "videos" / "c", (1, 1))
    assert again.missing(found) == [a, b, c]
    assert FeatureStore.open(tmp_path, made_by | {"clips": 2}, 32).missing(found) == found


def test_a_damaged_store_is_made_again(tmp_path):
    found = videos(tmp_path / "videos")
    store = FeatureStore.open(tmp_path, {}, 32)
    store.fill(found, extractor())
    file = store.file(0, ".npy")
    content = bytearray(file.read_bytes())
    content[content.index(np.float32(ord("b")).tobytes() * 4) + 5] ^= 1
    file.write_bytes(content)
    assert FeatureStore.open(tmp_path, {}, 32).missing(found) == found
    file.write_bytes(b"")
    assert FeatureStore.open(tmp_path, {}, 32).missing(found) == found
