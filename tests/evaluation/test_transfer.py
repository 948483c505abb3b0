"""Accuracy by distance to the training classes, and generalised scoring, on hand-made cases."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.runs import predictions, trained
from zsvideo.evaluation.protocols import NotApplicable, full
from zsvideo.evaluation.transfer import class_distances, distance, generalised
from zsvideo.semantics.protocol import Protocol, separate
from zsvideo.semantics.vectors import WordVectors
from zsvideo.semantics.words import class_names


def test_distances_are_means_over_the_ten_nearest():
    p = trained(predictions())
    for name, found in distance(p).numbers["distances"].items():
        vector = p.class_vectors[int(name[1:])]
        all_distances = sorted(1 - float(vector @ t) for t in p.trained_vectors)
        assert found == pytest.approx(np.mean(all_distances[:10]), abs=1e-6)


def test_the_curve_ends_at_zero_where_far_classes_are_always_wrong():
    p = trained(predictions(noise=0.1))
    apart = class_distances(p, 10)
    far = np.argsort(apart)[-8:]
    p.embeddings[np.isin(p.labels, far)] = p.class_vectors[np.argmin(apart)]
    scored = distance(p).numbers
    curve = scored["curve"]
    assert scored["candidates"] == 30 and len(curve) == 30
    assert curve[0]["top1"] == full(p).numbers["top1"] and curve[0]["classes"] == 30
    assert [row["classes"] for row in curve] == list(range(30, 0, -1))
    assert all(row["top1"] == 0 for row in curve[-8:]) and curve[-9]["top1"] > 0
    kept = apart[p.labels] > curve[10]["threshold"]
    assert curve[10]["videos"] == kept.sum()
    assert curve[10]["top1"] == pytest.approx(100 * (p.nearest() == p.labels)[kept].mean())


def test_generalised_by_brute_force():
    p = trained(predictions(noise=6))
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 25, 400)
    shaken = p.trained_vectors[labels] + rng.normal(size=(400, 300)) * 0.4
    seen = replace(
        predictions(400),
        labels=labels,
        embeddings=shaken.astype(np.float32),
        class_names=p.trained_names,
        class_vectors=p.trained_vectors,
    )
    scored = generalised(replace(p, seen=seen)).numbers

    def accuracies(constant):
        both = np.concatenate([p.class_vectors, p.trained_vectors])
        means = []
        for held, own in ((p, p.labels), (seen, labels + 30)):
            unit = held.embeddings / np.linalg.norm(held.embeddings, axis=1, keepdims=True)
            scores = unit @ both.T
            scores[:, 30:] -= constant
            right = scores.argmax(1) == own
            means.append(100 * np.mean([right[own == c].mean() for c in np.unique(own)]))
        return means

    unseen, seen_accuracy = accuracies(0)
    assert scored["unseen"] == pytest.approx(unseen)
    assert scored["seen"] == pytest.approx(seen_accuracy)
    expected = 2 * unseen * seen_accuracy / (unseen + seen_accuracy)
    assert scored["harmonic"] == pytest.approx(expected)
    grid = [accuracies(c) for c in np.linspace(-1, 1, 801)]
    area = np.trapezoid([s for _, s in grid], [u for u, _ in grid]) / 100**2
    assert scored["ausuc"] == pytest.approx(area, abs=2e-3) and 0 < area < 1
    best = max(2 * u * s / (u + s) for u, s in grid if u + s)
    assert scored["best_harmonic"] == pytest.approx(best, abs=0.5)
    unseen, seen_accuracy = accuracies(scored["constant"])
    expected = 2 * unseen * seen_accuracy / (unseen + seen_accuracy)
    assert scored["best_harmonic"] == pytest.approx(expected)


def test_generalised_without_seen_videos_or_training_classes():
    p = trained(predictions())
    scored = generalised(p).numbers
    assert scored["seen"] is None and scored["harmonic"] is None and scored["unseen"] > 0
    for protocol in (generalised, distance):
        with pytest.raises(NotApplicable, match="trained on are unknown"):
            protocol(predictions())


def test_distances_of_real_classes(shared, tmp_path):
    """The range noted for the 81 classes of UCF101 that the public vectors cover."""
    file = shared / "reference" / "googlenews_subset.bin"
    vectors = WordVectors(str(file), str(tmp_path), True, "legacy", "drop")
    source = vectors.of(class_names("kinetics700"), "kinetics700", "kinetics700")
    kept_out = [vectors.of(class_names(t), t, t) for t in ("ucf101", "hmdb51")]
    protocol = Protocol("664_identical", "identical", 0.05, False, ["ucf101", "hmdb51"])
    kept = [d.name for d in separate(protocol, source, kept_out) if d.kept]
    rows = vectors.pick(source, kept)
    known = vectors.pick(kept_out[0], class_names("ucf101"))
    p = replace(
        predictions(81, 81),
        class_vectors=known.vectors,
        trained_vectors=rows.vectors,
    )
    apart = class_distances(p, 10)
    assert len(apart) == 81
    assert apart.min() == pytest.approx(0.134, abs=0.001)
    assert np.median(apart) == pytest.approx(0.474, abs=0.001)
    assert apart.max() == pytest.approx(0.735, abs=0.001)
    assert (apart > 0.57).sum() == 18
