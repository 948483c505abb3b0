"""Cached features are used for the very videos they were made of."""

import os

import numpy as np

from zsvideo.data.features import FeatureStore
from zsvideo.data.layouts import Video


def videos(folder, names="abc"):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return [Video(name, str(folder / name), "x") for name in names]


def test_a_store_knows_its_videos(tmp_path):
    a, b, c = found = videos(tmp_path / "videos")
    made_by = {"weights": "w", "clips": 1}
    store = FeatureStore.open(tmp_path, made_by)
    assert store.missing(found) == found
    rows = {v.id: np.full((2, 4), n, np.float32) for n, v in enumerate(found)}
    store.add(found, rows | {"b": "truncated"})
    again = FeatureStore.open(tmp_path, made_by)
    assert again.missing(found) == [b]  # tried again: the reason may have passed
    assert np.array_equal(again.rows["c"][1], rows["c"]) and again.rows["b"][1] == "truncated"
    (tmp_path / "videos" / "a").write_text("longer")
    os.utime(tmp_path / "videos" / "c", (1, 1))
    assert again.missing(found) == [a, b, c]
    assert FeatureStore.open(tmp_path, made_by | {"clips": 2}).missing(found) == found


def test_a_damaged_store_is_made_again(tmp_path):
    found = videos(tmp_path / "videos")
    store = FeatureStore.open(tmp_path, {})
    store.add(found, {v.id: np.ones((1, 300), np.float32) for v in found})
    content = bytearray(store.file.read_bytes())
    content[content.index(np.float32(1).tobytes() * 9) + 5] ^= 1
    store.file.write_bytes(content)
    assert FeatureStore.open(tmp_path, {}).missing(found) == found
    store.file.write_bytes(b"")
    assert FeatureStore.open(tmp_path, {}).missing(found) == found
