"""Which frames make a clip."""

import numpy as np
import pytest

from src.data.sampling import clip_frames, train_start
from src.data.sampling import test_starts as starts_of_test

LENGTHS = [1, 5, 15, 16, 17, 24, 25, 40]


def test_training_starts_cover_all_places():
    rng = np.random.default_rng(0)
    starts = {train_start(40, 16, rng) for _ in range(5000)}
    assert starts == set(range(25))


def test_linspace_starts_on_180_frames():
    starts = starts_of_test(180, 16, 25)
    assert starts.tolist() == [round(x) for x in np.linspace(0, 164, 25)]
    clips = clip_frames(starts, 180, 16, "loop")
    assert clips.shape == (25, 16)
    assert (np.diff(clips, axis=1) == 1).all() and clips.max() == 179


def test_one_clip_is_the_centre():
    assert starts_of_test(180, 16, 1).tolist() == [82]
    assert starts_of_test(10, 16, 1).tolist() == [0]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("policy", ["loop", "repeat_last"])
def test_short_videos(length, policy):
    clips = clip_frames(starts_of_test(length, 16, 25), length, 16, policy)
    assert clips.shape == (25, 16)
    assert clips.min() == 0 and clips.max() == length - 1
    if length < 16:
        expected = [i % length if policy == "loop" else min(i, length - 1) for i in range(16)]
        assert clips[0].tolist() == expected
    assert train_start(length, 16, np.random.default_rng(0)) <= max(0, length - 16)
