"""Which frames make a clip, under `ours` and as in the authors' code."""

import numpy as np
import pytest

from zsvideo.data.sampling import (
    authors_frames,
    clip_frames,
    hold_last,
    spread_frames,
    train_start,
)
from zsvideo.data.sampling import test_frames as frames_of_test
from zsvideo.data.sampling import test_starts as starts_of_test

LENGTHS = [1, 5, 15, 16, 17, 24, 25, 40, 180, 399, 400, 401, 600]


def test_training_starts_cover_all_places():
    rng = np.random.default_rng(0)
    starts = {train_start(40, 16, rng) for _ in range(5000)}
    assert starts == set(range(25))
    starts = {train_start(40, 16, rng, last=False) for _ in range(5000)}
    assert starts == set(range(24))


@pytest.mark.parametrize("length", [1, 15, 16, 17])
def test_the_shortest_videos_start_at_the_beginning_in_the_authors_code(length):
    rng = np.random.default_rng(0)
    assert {train_start(length, 16, rng, last=False) for _ in range(99)} == {0}


@pytest.mark.parametrize("length", LENGTHS)
def test_linspace_starts(length):
    starts = starts_of_test(length, 16, 25)
    last = max(length - 16, 0)
    assert starts.tolist() == [round(n * last / 24) for n in range(25)]
    assert starts[0] == 0 and starts[-1] == last
    frames = frames_of_test(length, 16, 25, "linspace", "centre", None, "loop")
    assert frames.shape == (25, 16) and frames[:, 0].tolist() == starts.tolist()
    assert frames.min() == 0 and frames.max() == length - 1
    if length >= 16:
        assert (np.diff(frames, axis=1) == 1).all()


AUTHORS = {  # worked out by hand from the segments' starts
    1: [0] * 25,
    5: [0, *[min(16 * n % 20, 4) for n in range(1, 25)]],
    15: [min(16 * n % 30, 14) for n in range(25)],
    16: [min(16 * n % 31, 15) for n in range(25)],
    17: [min(16 * n % 32, 16) for n in range(25)],
    24: [min(16 * n % 39, 23) for n in range(25)],
    25: [0, 16, 24, 8] + [(16 * n % 40 if 16 * n % 40 < 25 else 24) for n in range(4, 25)],
    40: [0, 16, 32, 8, 24] * 5,
    180: [*range(0, 177, 16), *range(8, 169, 16), 0, 16],
    399: [*range(0, 369, 16), 8],
    400: [*range(0, 385, 16)],
    401: [*range(0, 385, 16)],
    600: [*range(0, 577, 24)],
}


@pytest.mark.parametrize("length", LENGTHS)
def test_starts_in_the_authors_code(length):
    frames = frames_of_test(length, 16, 25, "authors_code", "first", None, "loop")
    assert frames.shape == (25, 16)
    assert frames[:, 0].tolist() == AUTHORS[length]
    assert frames.min() == 0 and frames.max() < length


def sequential(length, cap, frames=16, clips=25):
    """Play a list of frame numbers as the authors' loaders fill their buffer."""
    used = min(length, cap) if cap else length
    period = max(used // clips, 1)
    offsets = list(range(0, used, period))[: min(clips, used // period)]
    selection = [offset + t for offset in offsets for t in range(frames)]
    if cap:
        buffer = [n for n in selection if n < length]
    else:  # a frame is kept once when the decoder comes by; past the end the last one is copied
        buffer = [min(n, length - 1) for n in range(selection[-1] + frames) if n in selection]
    while len(buffer) < clips * frames:
        buffer += buffer[: clips * frames - len(buffer)]
    return [buffer[n * frames : (n + 1) * frames] for n in range(clips)]


@pytest.mark.parametrize("length", [*LENGTHS, 299, 300, 301, 316, 5000])
@pytest.mark.parametrize("cap", [None, 300])
def test_all_frames_are_those_of_a_sequential_reading(length, cap):
    if cap is None and length == 5000:
        return
    assert authors_frames(length, 16, 25, cap).tolist() == sequential(length, cap)


def test_segments_are_capped_at_300_frames():
    assert authors_frames(5000, 16, 25, 300)[:, 0].tolist() == list(range(0, 289, 12))
    cut = authors_frames(300, 16, 25, 300)[-1].tolist()
    assert cut == [*range(288, 300), 0, 1, 2, 3]  # what lies past the end is dropped
    assert authors_frames(180, 16, 25, 300)[-1].tolist() == [*range(168, 180), 0, 1, 2, 3]


def test_the_cap_holds_for_linspace_too():
    frames = frames_of_test(5000, 16, 25, "linspace", "centre", 300, "loop")
    assert frames[-1].tolist() == list(range(284, 300))


def test_one_clip_is_the_centre_or_the_first():
    assert starts_of_test(180, 16, 1).tolist() == [82]
    assert starts_of_test(10, 16, 1).tolist() == [0]
    for rule in ("linspace", "authors_code"):
        first = frames_of_test(180, 16, 1, rule, "first", None, "loop")
        assert first.tolist() == [list(range(16))]
        centre = frames_of_test(180, 16, 1, rule, "centre", None, "loop")
        assert centre.tolist() == [list(range(82, 98))]


@pytest.mark.parametrize("length", [1, 5, 15, 16, 17, 24, 25, 40])
@pytest.mark.parametrize("policy", ["loop", "repeat_last"])
def test_short_videos(length, policy):
    clips = clip_frames(starts_of_test(length, 16, 25), length, 16, policy)
    assert clips.shape == (25, 16)
    assert clips.min() == 0 and clips.max() == length - 1
    if length < 16:
        expected = [i % length if policy == "loop" else min(i, length - 1) for i in range(16)]
        assert clips[0].tolist() == expected
    assert train_start(length, 16, np.random.default_rng(0)) <= max(0, length - 16)


def test_frames_that_do_not_decode_hold_the_last_one_wanted():
    wanted = np.array([[0, 1, 2], [6, 7, 8]])
    assert hold_last(wanted, 9).tolist() == wanted.tolist()
    assert hold_last(wanted, 8).tolist() == [[0, 1, 2], [6, 7, 7]]
    assert hold_last(wanted, 5).tolist() == [[0, 1, 2], [2, 2, 2]]  # not 4, which nobody kept
    assert hold_last(wanted + 5, 3).tolist() == [[2, 2, 2], [2, 2, 2]]  # noise in the authors' code


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("frames", [1, 8, 16])
def test_frames_of_the_whole_video(length, frames):
    spread = {kind: spread_frames(length, frames, 1, kind)[0] for kind in ("starts", "middles")}
    assert spread["starts"].tolist() == [int(i * length / frames) for i in range(frames)]
    assert spread["middles"].tolist() == [int((i + 0.5) * length / frames) for i in range(frames)]
    ends = spread_frames(length, frames, 1, "ends")[0]
    if frames > 1:
        assert ends.tolist() == [int(i * (length - 1) / (frames - 1)) for i in range(frames)]
    else:  # one frame has no two ends
        assert ends.tolist() == spread["middles"].tolist()


def test_clips_of_the_whole_video_share_its_frames():
    whole = spread_frames(97, 24, 1, "starts")[0]
    parts = spread_frames(97, 8, 3, "starts")
    assert parts.shape == (3, 8) and parts.T.flatten().tolist() == whole.tolist()


def test_training_draws_every_frame_of_a_part():
    rng = np.random.default_rng(0)
    drawn = np.stack([spread_frames(40, 4, 1, "starts", rng)[0] for _ in range(300)])
    assert [{*column} for column in drawn.T.tolist()] == [
        {*range(first, first + 10)} for first in (0, 10, 20, 30)
    ]
    short = np.stack([spread_frames(3, 8, 1, "starts", rng)[0] for _ in range(50)])
    assert short.min() == 0 and short.max() == 2 and (np.diff(short, axis=1) >= 0).all()
