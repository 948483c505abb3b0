"""Cached features are used for the very videos they were made of."""

import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import signal
import time

import numpy as np
import pytest
import torch

from zsvideo.data.clips import Clips
from zsvideo.data.feature_clips import FeatureClips
from zsvideo.data.features import Extracted, FeatureStore, distinct
from zsvideo.data.options import ClipSpec
from zsvideo.data.videos import Video

NAMES = [f"{letter}{number}" for number in range(5) for letter in "abcd"]  # 20 videos
forked = multiprocessing.get_context("fork")


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
    assert not np.load(store.file(0, ".npy"))[1].any()
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


@pytest.fixture
def small(monkeypatch):
    """Shards of three videos."""
    monkeypatch.setattr(FeatureStore, "VIDEOS", 3)


def contents(folder):
    return {f.name: f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def fill(folder, found, extract):
    return FeatureStore.open(folder, {}, 32).fill(found, extract, "toys")


def killed_after(calls, extract):
    """Kill the process in a shard: nothing is tidied up."""

    def dying(part, done=[]):  # noqa: B006
        done.append(part)
        if len(done) > calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return extract(part)

    return dying


@pytest.mark.parametrize("reasons", [{}, {"b0": "truncated", "d3": "no video"}])
def test_an_extraction_goes_on_in_the_shard_in_which_it_was_killed(tmp_path, small, reasons):
    found = videos(tmp_path / "videos", NAMES)
    fill(tmp_path / "one", found, extractor(reasons))
    for calls in np.random.default_rng(0).permutation(7)[:3].tolist():
        process = forked.Process(
            target=fill,
            args=(tmp_path / "two", found, killed_after(calls, extractor(reasons))),
        )
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        parts = []
        table = fill(tmp_path / "two", found, extractor(reasons, calls=parts))
        assert parts[0] == NAMES[3 * calls : 3 * calls + 3]
        assert sum(map(len, parts)) <= 20 - 3 * calls + len(reasons)
        assert contents(tmp_path / "one") == contents(tmp_path / "two")
        assert len(table.readable) == 20 - len(reasons)
        shutil.rmtree(tmp_path / "two")


@pytest.mark.parametrize("fault", ["cut", "flipped", "gone"])
@pytest.mark.parametrize("suffix", [".npy", ".mask.npy", ".json"])
def test_any_damaged_file_of_a_shard_is_noticed(tmp_path, small, caplog, suffix, fault):
    found = videos(tmp_path / "videos", NAMES)
    fill(tmp_path, found, extractor())
    store = FeatureStore.open(tmp_path, {}, 32)
    whole = contents(store.folder)
    for shard in (1, 4):
        file = store.file(shard, suffix)
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content[:-1] if fault == "cut" else content)
        if fault == "gone":
            file.unlink()
    calls = []
    with caplog.at_level(logging.WARNING):
        table = fill(tmp_path, found, extractor(calls=calls))
    assert calls == [NAMES[3:6], NAMES[12:15]] and contents(store.folder) == whole
    assert [r.message for r in caplog.records if "damaged" in r.message] == [
        f"{store.folder}: 2 shards are damaged or cut off; their videos are extracted again"
    ]
    expected = torch.tensor([ord(name[0]) + 0.5 for name in NAMES])
    assert torch.equal(table.means(np.arange(20))[:, 0], expected)


def test_two_processes_share_the_work_of_a_store(tmp_path, small):
    found = videos(tmp_path / "videos", NAMES)

    def slow(part):
        time.sleep(0.05)
        with (tmp_path / "extracted").open("a") as file:
            file.write("".join(f"{video.id}\n" for video in part))
        return extractor()(part)

    workers = [forked.Process(target=fill, args=(tmp_path / "s", found, slow)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
        assert worker.exitcode == 0
    assert (tmp_path / "extracted").read_text().split() == NAMES  # each once
    fill(tmp_path / "alone", found, extractor())
    assert contents(tmp_path / "s") == contents(tmp_path / "alone")


def test_a_store_takes_other_videos_beside_those_it_has(tmp_path, small):
    found, calls = videos(tmp_path / "videos", NAMES), []
    fill(tmp_path, found[4:8], extractor())
    table = fill(tmp_path, found, extractor(calls=calls))
    assert [name for part in calls for name in part] == NAMES[:4] + NAMES[8:]
    rows = np.random.default_rng(0).permutation(20)
    clips, _ = table.clips(rows)
    assert clips[:, 0, 0].tolist() == [ord(NAMES[row][0]) for row in rows]
    assert table.single(rows, np.full(20, 5))[:, 0].tolist() == [
        ord(NAMES[row][0]) + 1 for row in rows
    ]


def test_a_shard_is_of_some_thousand_videos_and_128_megabytes_at_most(tmp_path):
    sizes = [FeatureStore.open(tmp_path, {}, 4 * 512 * clips).size for clips in (1, 25, 52)]
    assert sizes == [4096, 2621, 1260]
    assert FeatureStore.open(tmp_path, {}, 1 << 40).size == 1


def test_what_made_a_store_lies_beside_it(tmp_path):
    store = FeatureStore.open(tmp_path, {"weights": "w"}, 32)
    assert json.loads((store.folder / "made_by.json").read_text()) == {"weights": "w"}
    store.fill(videos(tmp_path / "videos"), extractor())
    index = json.loads(store.file(0, ".json").read_text())
    for suffix in (".npy", ".mask.npy"):
        sha256 = hashlib.sha256(store.file(0, suffix).read_bytes()).hexdigest()
        assert index["sha256"][suffix] == sha256


def test_samples_take_their_clip_or_the_mean_and_replace_what_is_unreadable(tmp_path):
    found = videos(tmp_path / "videos")
    table = FeatureStore.open(tmp_path, {}, 32).fill(found, extractor({"b": "truncated"}))
    train, test = (
        FeatureClips(Clips(found, None, ClipSpec(16, 25, 128, 112, 0.5, "loop"), 0, t), table)
        for t in (True, False)
    )
    assert [train[epoch, 2]["features"][0].item() for epoch in range(3)] == [99, 100, 99]
    batch = test.__getitems__([(0, 0), (0, 1), (0, 2)])
    assert [s["features"][0].item() for s in batch if s["ok"]] == [97.5, 99.5]
    assert batch[1] == {"ok": False, "unreadable": [("b", "truncated")]}
    other = train[0, 1]
    assert other["ok"] and other["index"] != 1 and ("b", "truncated") in other["unreadable"]


def test_a_clip_with_the_frames_of_the_one_before_is_masked():
    frames = np.array([[[0, 1], [0, 1], [2, 3]], [[0, 1], [0, 2], [0, 2]]])
    assert distinct(frames).tolist() == [[True, False, True], [True, True, False]]
