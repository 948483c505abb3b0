"""Videos in columns: what goes in comes out, and processes share them."""

import multiprocessing
import os
import re
from pathlib import Path

import numpy as np
import pytest

from zsvideo.data.videos import Video, Videos

VIDEOS = [
    Video("b/1", "/data/b/1.mp4", "b"),
    Video("a/ü \udcff\ud800", "", "a b"),
    Video("", "x\ny", ""),
    Video("b/2", "c", "b", (0.0, 2.5)),
    Video("a/2", "c", "a b", (1e-3, 1e9), 300, 301),
    Video("a/3", "c", "a b", None, None, 7),
]


def test_videos_come_out_as_they_went_in():
    videos = Videos.of(VIDEOS)
    assert [*videos] == VIDEOS == [videos[i] for i in range(-6, 0)] and videos[1:3] == videos[1:3]
    assert [*videos[::-2]] == VIDEOS[::-2] and [*reversed(videos)] == VIDEOS[::-1]
    assert [*videos.ids] == [v.id for v in VIDEOS] and [*videos.paths] == [v.path for v in VIDEOS]
    assert [*videos.labels] == [v.label for v in VIDEOS]
    assert videos.classes == ["", "a b", "b"] and videos.counts() == {"": 1, "a b": 3, "b": 2}
    assert VIDEOS[4] in videos and Videos.of(videos) is videos
    with pytest.raises(IndexError):
        videos[6]
    empty = Videos.of([])
    assert not empty and empty.classes == [] and empty.within({"a"}) == empty.take([])


def test_parts_keep_the_order_and_classes_can_be_spelled_otherwise():
    videos = Videos.of(VIDEOS)
    part = videos.within({"a b", "none"})
    assert [*part] == [VIDEOS[1], VIDEOS[4], VIDEOS[5]] and part.classes == ["a b"]
    assert [*part.take([2, 0])] == [VIDEOS[5], VIDEOS[1]]
    assert [*part.take(np.array([False, True, True]))] == [VIDEOS[4], VIDEOS[5]]
    assert part.numbered({"a b": 3}).tolist() == [3, 3, 3]
    spelled = videos.take([4, 0, 2]).spelled({"a b": "A", "b": "A"})
    assert [v.label for v in spelled] == ["A", "A"] and spelled.counts() == {"A": 2}
    assert spelled.within({"A"}) == spelled and not spelled.within({"b"})


def grown(videos, pipe):
    """Read all videos in a forked process; give the memory in MB that it got of its own."""

    def private():
        return int(re.search(r"Private_Dirty: +(\d+)", rollup.read_text())[1]) / 1024

    rollup = Path(f"/proc/{os.getpid()}/smaps_rollup")
    before = private()
    assert sum(len(video.label) for video in videos) == len(videos)
    pipe.send(private() - before)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="asks Linux for memory")
def test_a_process_that_reads_them_copies_nothing():
    listed = [Video(f"a/{i:010}", f"/data/a/{i:010}.mp4", "a") for i in range(50_000)]
    context = multiprocessing.get_context("fork")
    memory = {}
    for kind, videos in (("list", listed), ("columns", Videos.of(listed))):
        ours, theirs = context.Pipe()
        process = context.Process(target=grown, args=(videos, theirs))
        process.start()
        memory[kind] = ours.recv()
        process.join()
    assert memory["columns"] < 1.5 and memory["list"] > 3 * max(memory["columns"], 1), memory
