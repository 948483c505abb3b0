"""Saved predictions survive a file."""

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers import runs
from helpers.runs import predictions, trained, write_run
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions, array_hash
from zsvideo.evaluation.protocols import Scored, full
from zsvideo.evaluation.ranking import all_ranks


def test_predictions_survive_a_file(tmp_path):
    p = trained(predictions(10, splits=np.ones((10, 3), bool)))
    p.save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    assert again.arrays().keys() == p.arrays().keys() and len(p.arrays()) == 8
    assert all(np.array_equal(a, again.arrays()[k]) for k, a in p.arrays().items())
    for content in (b"x", (tmp_path / "p.npz").read_bytes()[:500], b""):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(UserError, match="predictions"):
            Predictions.load(tmp_path / "bad.npz")


def test_what_a_head_and_a_gate_give_survives_a_file(tmp_path):
    p = replace(
        trained(predictions(10), count=4),
        head_scores=np.arange(300.0).reshape(10, 30),
        trained_scores=np.arange(40.0).reshape(10, 4),
        novelty=np.arange(10.0),
        novelty_threshold=2.5,
    )
    for threshold in (2.5, np.inf):
        replace(p, novelty_threshold=threshold).save(tmp_path / "p.npz")
        again = Predictions.load(tmp_path / "p.npz")
        assert isinstance(again.novelty_threshold, float)
        assert again.novelty_threshold == threshold
    assert all(
        np.array_equal(getattr(again, k), getattr(p, k)) for k in ("trained_scores", "novelty")
    )
    some = p.of(np.array([3, 1]))
    assert some.novelty.tolist() == [3, 1] and some.novelty_threshold == 2.5
    assert some.trained_scores[:, 0].tolist() == [12, 4]
    for wrong in (
        {"novelty": np.zeros(9)},
        {"novelty_threshold": None},
        {"novelty": None},
        {"trained_scores": np.zeros((10, 5))},
        {"trained_names": None, "trained_vectors": None},
    ):
        replace(p, **wrong).save(tmp_path / "p.npz")
        with pytest.raises(UserError, match="do not fit"):
            Predictions.load(tmp_path / "p.npz")


def test_a_file_of_an_earlier_version_with_a_hash_of_each_array_is_read(tmp_path):
    p = predictions(10)
    hashes = {name: array_hash(array) for name, array in p.arrays().items()}
    np.savez(tmp_path / "p.npz", **p.arrays(), hashes=np.array(json.dumps(hashes)))
    again = Predictions.load(tmp_path / "p.npz")
    assert all(np.array_equal(a, again.arrays()[k]) for k, a in p.arrays().items())


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    p = predictions(10)
    np.savez(tmp_path / "p.npz", **p.arrays() | {"labels": p.labels + 30})
    with pytest.raises(UserError, match="do not fit"):
        Predictions.load(tmp_path / "p.npz")


def test_the_order_of_videos_does_not_change_their_hash():
    p = predictions(10)
    assert p.of(np.arange(10)[::-1]).videos_hash() == p.videos_hash()
    assert p.of(np.arange(9)).videos_hash() != p.videos_hash()


def test_an_evaluation_that_gives_no_number_is_said(tmp_path, monkeypatch):
    broken = {"mine": lambda predictions: Scored({"top1": "high"})}
    monkeypatch.setattr(runs, "evaluations_of", lambda options: broken)
    with pytest.raises(UserError, match=r"targets\.own\.mine\.top1='high' cannot be recorded"):
        write_run(tmp_path, predictions(20))
    assert (tmp_path / "predictions" / "own.npz").is_file()
    assert not (tmp_path / "metrics.json").exists()


def test_scores_of_a_head_rank_as_embeddings_against_one_hot_classes():
    """Any matrix of scores can be kept as embeddings whose classes are the axes."""
    scores = np.random.default_rng(2).normal(size=(200, 30)).astype(np.float32)
    p = predictions(200)
    head = replace(p, embeddings=np.zeros((200, 0), np.float32), head_scores=scores)
    axes = replace(p, embeddings=scores, class_vectors=np.eye(30, dtype=np.float32))
    assert np.array_equal(all_ranks(head.scores()), all_ranks(axes.scores()))
    one, other = full(head), full(axes)
    assert np.array_equal(one.ranks, other.ranks)
    assert one.numbers["top1"] == other.numbers["top1"] > 0
