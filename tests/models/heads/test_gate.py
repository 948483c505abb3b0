"""Informed Democracy: exact cases, and classes that nobody has trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from helpers.planted import planted
from zsvideo.errors import UserError
from zsvideo.models.heads import Features
from zsvideo.models.heads.gate import InformedDemocracy, of_videos, split

SMALL = {"lr": 1e-2, "batch_size": 64, "held_out": 0.3, "passes": 100}
HARD = planted(seen=40, unseen=10, videos=30, clips=1, noise=1.4)
TRAINED, KNOWN = split(HARD.training(), 1 / 3)
NOVEL = HARD.test()


def fitted(training=TRAINED, **more):
    gate = InformedDemocracy(64, 40, InformedDemocracy.Options(**SMALL | more))
    gate.fit(training)
    return gate


def auroc(score):
    known, novel = (score(next(part.in_order())[0]) for part in (KNOWN, NOVEL))
    return roc_auc_score([0] * len(known) + [1] * len(novel), torch.cat([known, novel]))


def certainty(gate):
    """Without dropout, the baseline: how far the largest probability is from 1."""
    return lambda x: -F.linear(gate.scaling(x.mean), gate.weight, gate.bias).softmax(1).amax(1)


def of_leader(gate):
    def variance(features):
        mean, u = gate.uncertainty(features)
        return u.gather(1, mean.argmax(1)[:, None])[:, 0]

    return variance


def test_novel_classes_are_told_from_known_ones():
    """A problem at which the largest probability has an AUROC of about 0.8."""
    gate = fitted()
    informed, softmax = auroc(gate.novelty), auroc(certainty(gate))
    everyone, leader = auroc(lambda x: gate.uncertainty(x)[1].mean(1)), auroc(of_leader(gate))
    print(
        f"AUROC: informed democracy {informed:.3f}, all classes {everyone:.3f}, leader alone",
        end="",
    )
    print(f" {leader:.3f}, largest probability {softmax:.3f}")
    assert 0.75 < softmax < 0.85
    assert informed > 0.72
    assert informed > everyone + 0.05 and informed > leader


def test_the_threshold_takes_most_known_videos_for_known():
    gate = fitted(accepted=0.9)
    known = gate.novelty(next(KNOWN.in_order())[0]) <= gate.threshold
    assert known.float().mean() == pytest.approx(0.9, abs=0.08)
    assert fitted(accepted=0.5).threshold < gate.threshold


def test_without_dropout_all_passes_are_equal():
    gate = fitted(dropout=0.0, epochs=1)
    features, _ = next(NOVEL.in_order())
    _, variance = gate.uncertainty(features)
    assert not variance.any() and not gate.novelty(features).any()


def test_a_council_of_all_classes_is_the_mean_variance():
    gate, some = fitted(council=1.0, epochs=2), fitted(council=0.2, epochs=2)
    assert gate.council.all() and torch.equal(some.council.sum(1), torch.full((40,), 8))
    features, _ = next(NOVEL.in_order())
    assert torch.allclose(gate.novelty(features), gate.uncertainty(features)[1].mean(1))
    assert not torch.allclose(some.novelty(features), gate.novelty(features))


def test_mean_and_variance_are_those_of_the_passes():
    gate = fitted(epochs=1, passes=5)
    features = Features(next(NOVEL.in_order())[0].mean[:3])
    passes = torch.stack(
        [
            F.linear(gate.scaling(features.mean) * mask, gate.weight, gate.bias).softmax(1)
            for mask in gate.masks
        ]
    )
    mean, variance = gate.uncertainty(features)
    assert torch.allclose(mean, passes.mean(0), atol=1e-6)
    assert torch.allclose(variance, passes.var(0, correction=0), atol=1e-7)
    dropped = (gate.masks == 0).float().mean()
    assert 0.4 < dropped < 0.6 and set(gate.masks.unique().tolist()) == {0.0, 2.0}


def test_a_council_is_reliable_where_its_leader_is_right():
    """Classes whose uncertainty changes least over the right videos of a leader, by hand."""
    gate = fitted(epochs=2, council=0.1)
    _, held_out = split(TRAINED, SMALL["held_out"])
    choosing, _ = split(held_out, 0.5)
    features, labels = next(choosing.in_order())
    mean, variance = gate.uncertainty(features)
    right = mean.argmax(1) == labels
    leader = int(labels[right].mode().values)
    own = variance[right & (labels == leader)].double()
    assert len(own) > 1
    expected = own.var(0, correction=0).topk(4, largest=False).indices
    assert set(gate.council[leader].nonzero().ravel().tolist()) == set(expected.tolist())


def test_a_gate_follows_from_its_seed_and_survives_a_checkpoint(tmp_path):
    torch.manual_seed(8)
    before = torch.get_rng_state()
    gate = fitted(epochs=1)
    assert torch.equal(torch.get_rng_state(), before) and not list(gate.parameters())
    again, other = fitted(epochs=1), fitted(replace(TRAINED, seed=3), epochs=1)
    assert torch.equal(gate.weight, again.weight) and torch.equal(gate.masks, again.masks)
    assert not torch.equal(gate.masks, other.masks)
    torch.save(gate.state_dict(), tmp_path / "gate.ckpt")
    empty = InformedDemocracy(64, 40, gate.options)
    empty.load_state_dict(torch.load(tmp_path / "gate.ckpt", weights_only=True))
    features, _ = next(NOVEL.in_order())
    assert torch.equal(empty.novelty(features), gate.novelty(features))
    assert empty.threshold == gate.threshold
    alone = Features(features.mean[5:6])
    assert torch.allclose(gate.novelty(alone), gate.novelty(features)[5:6], atol=1e-7)


def test_a_gate_reads_means_whatever_its_head_reads():
    problem, gates = planted(seen=6, unseen=2, videos=10, clips=4), []
    for sequence in (False, True):
        gates.append(InformedDemocracy(64, 6, InformedDemocracy.Options(**SMALL, epochs=1)))
        gates[-1].fit(problem.training(sequence))
    one, other = (gate.state_dict() for gate in gates)
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_each_class_keeps_and_holds_out_videos():
    learned, held_out = split(HARD.training(), 0.1)
    assert np.bincount(learned.labels).tolist() == [27] * 40
    assert np.bincount(held_out.labels).tolist() == [3] * 40
    assert not set(learned.chosen) & set(held_out.chosen)
    other, _ = split(replace(HARD.training(), seed=1), 0.1)
    assert other.chosen.tolist() != learned.chosen.tolist()
    few = of_videos(HARD.training(), np.array([0, 30, 31]))
    learned, held_out = split(few, 0.01)
    assert (learned.labels.tolist(), held_out.labels.tolist()) == ([0, 1], [1])
    with pytest.raises(UserError, match="no class has more than one video"):
        fitted(of_videos(HARD.training(), np.array([0, 30])))
