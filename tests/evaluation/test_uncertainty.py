"""Intervals and paired tests against closed forms and scipy."""

import numpy as np
import pytest
from scipy import stats

from helpers.runs import predictions
from zsvideo.errors import UserError
from zsvideo.evaluation.protocols import full, half
from zsvideo.evaluation.uncertainty import (
    intervals,
    over_runs,
    paired,
    resampled,
)
from zsvideo.experiment.options import Top
from zsvideo.options import parse


def test_interval_over_videos_is_the_binomial_one():
    p = predictions(noise=9)
    ranks = full(p).ranks
    share = float((ranks[0] < 1).mean())
    found = intervals(ranks, p.labels, 4000)["top1"]["videos"]
    expected = 100 * stats.binom.ppf([0.025, 0.975], 1000, share) / 1000
    assert found == pytest.approx(expected, abs=0.3)
    right = (ranks[0] < 1).astype(float)
    scipys = stats.bootstrap((right,), np.mean, method="percentile", n_resamples=4000, rng=1)
    assert found == pytest.approx([100 * v for v in scipys.confidence_interval], abs=0.4)


def test_interval_over_classes_is_scipys_on_class_means():
    """With as many videos in each class the micro accuracy is the mean of the classes'."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(40), 25)
    chance = rng.random(40)
    ranks = np.where(rng.random(1000) < chance[labels], 0, 7)[None].astype(np.int32)
    found = intervals(ranks, labels, 4000)
    means = np.array([(ranks[0] == 0)[labels == c].mean() for c in range(40)])
    scipys = stats.bootstrap((means,), np.mean, method="percentile", n_resamples=4000, rng=1)
    expected = [100 * v for v in scipys.confidence_interval]
    assert found["top1"]["classes"] == pytest.approx(expected, abs=0.8)
    wide = {scheme: np.diff(ends)[0] for scheme, ends in found["top1"].items()}
    assert wide["both"] > wide["classes"] > wide["videos"]
    # Two stages: variance between classes and, of each class, between its videos.
    spread = means.var() / 40 + (means * (1 - means)).mean() / 25 / 40
    assert wide["both"] == pytest.approx(2 * 1.96 * 100 * spread**0.5, rel=0.1)


def test_resamples_count_whole_classes_or_videos():
    labels = np.array([2, 0, 0, 1, 2, 2])
    for weights in resampled(labels, "classes", 150):
        assert all((w[labels == c] == w[labels == c][0]).all() for w in weights for c in range(3))
    for weights in resampled(labels, "videos", 150):
        assert (weights.sum(1) == 6).all()
    sizes = set()
    for weights in resampled(labels, "both", 150):
        for w in weights:
            times = [w[labels == c].sum() / n for c, n in ((0, 2), (1, 1), (2, 3))]
            assert sum(times) == 3 and all(t == int(t) for t in times)
            sizes.add(float(w.sum()))
    assert len(sizes) > 1


def test_intervals_of_draws_hold_their_mean():
    p = predictions(noise=9)
    scored = half(p, draws=10)
    found = intervals(scored.ranks, p.labels, 500)
    for scheme in ("videos", "classes", "both"):
        low, high = found["top1"][scheme]
        assert low < scored.numbers["top1_mean"] < high
    assert found["resamples"] == 500 and found["level"] == 95


def test_paired_against_mcnemar_and_the_closed_form():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 20, 800)
    first = np.where(rng.random(800) < 0.4, 0, 3)[None].astype(np.int32)
    second = first.copy()
    turned = rng.choice(800, 60, replace=False)
    second[0, turned] = np.where(rng.random(60) < 0.7, 0, 3)
    found = paired(first, second, labels, 3000)
    b = int(((first == 0) & (second != 0)).sum())
    c = int(((second == 0) & (first != 0)).sum())
    assert (found["only_first"], found["only_second"]) == (b, c)
    assert found["difference"] == pytest.approx(100 * (c - b) / 800)
    assert found["p_mcnemar"] == pytest.approx(stats.binomtest(c, b + c).pvalue)
    error = 100 * ((b + c) / 800 - ((c - b) / 800) ** 2) ** 0.5 / 800**0.5
    low, high = found["interval"]["videos"]
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert found["p_bootstrap"]["videos"] == pytest.approx(
        2 * stats.norm.sf(abs(found["difference"]) / error), abs=0.02
    )


def test_equal_runs_do_not_differ():
    p = predictions()
    ranks = half(p, draws=10).ranks
    found = paired(ranks, ranks, p.labels, 100)
    assert found["difference"] == 0 and found["p_bootstrap"]["both"] == 1
    assert paired(ranks[:1], ranks[:1], p.labels, 0)["p_mcnemar"] == 1
    with pytest.raises(UserError, match="same videos"):
        paired(ranks, half(p, draws=10, order="casefold", size=5).ranks, p.labels, 0)


def test_over_runs_is_students_interval():
    values = [57.6, 52.8, 42.4]
    found = over_runs(values)
    expected = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert found["interval"] == pytest.approx(expected) and found["std_ddof"] == 1
    assert found["std"] == pytest.approx(np.std(values, ddof=1))
    assert over_runs([3.0])["std"] is None and over_runs([3.0])["mean"] == 3.0


@pytest.mark.parametrize("wrong", [-1, 1.5, "many", True])
def test_resamples_are_checked(wrong):
    with pytest.raises(UserError, match="resamples"):
        parse(Top, {"resamples": wrong})
