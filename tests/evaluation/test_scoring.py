"""Accuracy, the half-class draws, and saved predictions."""

import json

import numpy as np
import pytest
import torch

from src.errors import UserError
from src.evaluation.accuracy import ZeroShotAccuracy
from src.evaluation.predictions import Predictions
from src.evaluation.protocols import full, half, half_classes, shuffled
from src.semantics.words import class_names


def predictions(videos=1000, classes=30, dim=300, noise=10.0, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(classes, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = rng.integers(0, classes, videos)
    shaken = rng.normal(size=(videos, dim)) * noise / np.sqrt(dim)
    embeddings = (vectors[labels] + shaken).astype(np.float32)
    names = np.array([f"c{i:02d}" for i in range(classes)])
    return Predictions(np.arange(videos).astype(str), labels, embeddings, names, vectors)


def brute(p, k):
    scores = p.embeddings.astype(float) @ p.class_vectors.T.astype(float)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return 100 * float((order == p.labels[:, None]).any(1).mean())


def test_full_equals_brute_force_and_ignores_length():
    p = predictions()
    score = full(p)
    assert score["top1"] == pytest.approx(brute(p, 1)) and 5 < score["top1"] < 95
    assert score["top5"] == pytest.approx(brute(p, 5)) and score["top5"] > score["top1"]
    longer = Predictions(p.ids, p.labels, p.embeddings * 7, p.class_names, p.class_vectors)
    assert full(longer) == score


def test_order_of_classes_does_not_matter():
    p = predictions()
    order = np.random.default_rng(1).permutation(30)
    moved = Predictions(
        p.ids, np.argsort(order)[p.labels], p.embeddings, p.class_names[order],
        p.class_vectors[order],
    )  # fmt: skip
    assert full(moved) == full(p)


def test_top5_of_few_classes_and_ties():
    assert full(predictions(classes=4))["top5"] == 100.0
    metric = ZeroShotAccuracy(torch.tensor([[1.0, 0], [1.0, 0], [0, 1.0]]))
    metric.update(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    assert metric.compute() == {"top1": 50.0, "top5": 100.0, "videos": 2, "ties": 2}


def test_half_is_the_mean_over_restricted_draws():
    p = predictions(classes=31)
    scored = half(p, draws=10)
    assert scored["classes"] == 15 and len(scored["splits"]) == 10
    values = []
    for draw in range(10):
        chosen = np.random.RandomState(draw).permutation(31)[:15]
        inside = np.isin(p.labels, chosen)
        scores = p.embeddings[inside] @ p.class_vectors[chosen].T
        values.append(100 * (chosen[scores.argmax(1)] == p.labels[inside]).mean())
    assert scored["top1_mean"] == pytest.approx(np.mean(values))
    assert scored["top1_std"] == pytest.approx(np.std(values))


def test_half_draws_equal_the_published_ones(shared):
    golden = json.loads((shared / "reference" / "ep1_splits.json").read_text())["ucf101"]
    names = sorted(class_names("ucf101"))
    for draw, expected in enumerate(golden):
        assert [names[i] for i in half_classes(101, draw)] == expected


def test_shuffled_vectors_score_like_chance():
    scored = shuffled(predictions(noise=0.5), permutations=100)
    assert full(predictions(noise=0.5))["top1"] > 95
    assert scored["top1_low"] <= scored["chance_top1"] <= scored["top1_high"]


def test_embeddings_that_are_not_finite_are_wrong():
    p = predictions(noise=0.1)
    p.embeddings[::2] = np.nan
    assert full(p)["top1"] == 50.0 and full(p)["top5"] == 50.0


def test_predictions_survive_a_file(tmp_path):
    p = predictions(10)
    p.save(tmp_path / "p.npz")
    again = Predictions.load(tmp_path / "p.npz")
    assert all(np.array_equal(getattr(p, k), getattr(again, k)) for k in vars(p))
    for content in (b"x", (tmp_path / "p.npz").read_bytes()[:500], b""):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(UserError, match="predictions"):
            Predictions.load(tmp_path / "bad.npz")
