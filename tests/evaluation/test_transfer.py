"""Accuracy by distance to the training classes, and generalised scoring, on hand-made cases."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.runs import predictions, trained
from zsvideo.evaluation.protocols import NotApplicable, full
from zsvideo.evaluation.ranking import cosine_scores
from zsvideo.evaluation.record import TargetRecord
from zsvideo.evaluation.transfer import class_distances, distance, generalised
from zsvideo.reporting.table import beyond_the_table, gate_line
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


def with_seen(noise=6, count=400):
    p = trained(predictions(noise=noise))
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 25, count)
    shaken = p.trained_vectors[labels] + rng.normal(size=(count, 300)) * 0.4
    seen = trained(
        replace(
            predictions(count),
            labels=labels,
            embeddings=shaken.astype(np.float32),
            class_names=p.trained_names,
            class_vectors=p.trained_vectors,
        )
    )
    return replace(p, seen=seen)


def of_a_head(p):
    """The same predictions as scores alone, each file with the classes that a run scores."""

    def scored(own, names, vectors):
        return replace(
            own,
            embeddings=np.zeros((len(own.labels), 0), np.float32),
            class_names=names,
            class_vectors=vectors,
            head_scores=cosine_scores(own.embeddings, vectors),
            trained_scores=cosine_scores(own.embeddings, p.trained_vectors),
        )

    both = np.concatenate([p.trained_names, p.class_names[::-1]])
    vectors = np.concatenate([p.trained_vectors, p.class_vectors[::-1]])
    seen = scored(p.seen, both, vectors)
    return replace(scored(p, p.class_names, p.class_vectors), seen=seen)


def test_generalised_takes_the_scores_of_a_head():
    p = with_seen()
    expected, numbers = generalised(p).numbers, generalised(of_a_head(p)).numbers
    assert numbers == expected
    q = of_a_head(p)
    q.trained_scores[:] += 10  # the trained classes come first everywhere
    assert generalised(q).numbers["unseen"] == 0


def test_generalised_says_which_scores_a_head_did_not_give():
    p = of_a_head(with_seen())
    with pytest.raises(NotApplicable, match="no scores of the classes trained on"):
        generalised(replace(p, trained_scores=None))
    lone = replace(p.seen, class_names=np.array([f"{name}x" for name in p.seen.class_names]))
    lone.class_names[:25] = p.trained_names
    with pytest.raises(NotApplicable, match="of the test classes for seen videos"):
        generalised(replace(p, seen=lone))


def gated(p, novelty, seen_novelty, threshold=0.5):
    def own(predictions, values):
        values = np.asarray(values, np.float32)
        return replace(predictions, novelty=values, novelty_threshold=threshold)

    return replace(own(p, novelty), seen=own(p.seen, seen_novelty))


@pytest.mark.parametrize("make", [lambda p: p, of_a_head])
def test_a_gate_at_infinite_thresholds_asks_one_side_alone(make):
    p = make(with_seen())
    rng = np.random.default_rng(1)
    both = rng.random(1000), rng.random(400)
    unseen_only = full(p).numbers["macro_top1"]
    own = p.seen.trained_scores if p.head_scores is not None else None
    if own is None:
        own = cosine_scores(p.seen.embeddings, p.trained_vectors)
    hits = own.argmax(1) == p.seen.labels
    seen_only = 100 * np.mean([hits[p.seen.labels == c].mean() for c in range(25)])
    everything = generalised(gated(p, *both, -np.inf)).numbers["gate"]
    nothing = generalised(gated(p, *both, np.inf)).numbers["gate"]
    assert (everything["unseen"], everything["seen"]) == (pytest.approx(unseen_only), 0)
    assert (nothing["unseen"], nothing["seen"]) == (0, pytest.approx(seen_only))
    for numbers in (everything, nothing):
        assert numbers["harmonic"] == 0 and numbers["threshold"] is None
    perfect = generalised(gated(p, np.ones(1000), np.zeros(400))).numbers["gate"]
    assert perfect["unseen"] == pytest.approx(unseen_only)
    assert perfect["seen"] == pytest.approx(seen_only)
    expected = 2 * unseen_only * seen_only / (unseen_only + seen_only)
    assert perfect["harmonic"] == pytest.approx(expected)
    assert (perfect["auroc"], perfect["threshold"]) == (1, 0.5)


def test_a_gate_by_brute_force():
    p = with_seen()
    rng = np.random.default_rng(1)
    novel, known = rng.random(1000) + 0.2, rng.random(400)
    numbers = generalised(gated(p, novel, known)).numbers["gate"]
    right = (cosine_scores(p.embeddings, p.class_vectors).argmax(1) == p.labels) & (novel > 0.5)
    assert numbers["unseen"] == pytest.approx(
        100 * np.mean([right[p.labels == c].mean() for c in range(30)])
    )
    pairs = (novel[:, None] > known).mean() + (novel[:, None] == known).mean() / 2
    assert numbers["auroc"] == pytest.approx(pairs, abs=1e-6)
    without = generalised(p).numbers
    assert "gate" not in without
    assert {
        k: v for k, v in generalised(gated(p, novel, known)).numbers.items() if k != "gate"
    } == (without)


def test_equal_novelty_tells_nothing_apart():
    p = with_seen()
    numbers = generalised(gated(p, np.zeros(1000), np.zeros(400), 0.0)).numbers["gate"]
    assert numbers["auroc"] is None and numbers["unseen"] == 0 < numbers["seen"]


def test_a_gate_is_recorded_and_shown(tmp_path):
    p = with_seen()
    p = gated(p, np.linspace(0.4, 1, 1000), np.linspace(0, 0.6, 400))
    entry = TargetRecord.model_validate({"generalised": generalised(p).numbers})
    (line,) = beyond_the_table("own", entry)
    gate = entry.evaluations["generalised"].gate
    assert f"novelty gate: unseen {gate.unseen:.1f} %, seen {gate.seen:.1f} %" in line
    assert line.endswith(f"harmonic mean {gate.harmonic:.1f} %, AUROC of novelty {gate.auroc:.3f}")
    assert "undefined" in gate_line(gate.model_copy(update={"auroc": None}))


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
