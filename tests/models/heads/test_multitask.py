"""The multi-task head: its factors, and the weights of what it is trained on."""

from dataclasses import replace

import numpy as np
import torch

from helpers.planted import in_memory, planted
from zsvideo.models.heads import HEADS, Training
from zsvideo.models.heads.kliep import em_step, kliep
from zsvideo.models.heads.moments import moments, regression
from zsvideo.models.heads.multitask import factorise

PLANTED = planted(videos=10)
TRAINING = PLANTED.training()
VECTORS = TRAINING.vectors.double()


def objective(sums, encoder, decoder, lam):
    """Of features with mean variance 1, a video."""
    variance = sums.scatter.diagonal().mean() / sums.count
    x = PLANTED.rows.means(TRAINING.chosen).double() - sums.mean
    s = (VECTORS - sums.goal(VECTORS))[TRAINING.labels]
    error = (s - x @ encoder @ decoder).square().sum() / sums.count
    return error + lam * (variance * encoder.square().sum() + decoder.square().sum())


def test_all_tasks_without_penalty_are_ridge_regression():
    sums = moments(TRAINING)
    encoder, decoder = factorise(sums, VECTORS, 32, 1e-12)
    assert torch.allclose(encoder @ decoder, regression(sums, VECTORS, 0.0), atol=1e-6)


def test_few_tasks_are_a_map_of_that_rank():
    encoder, decoder = factorise(moments(TRAINING), VECTORS, 5, 1e-4)
    assert encoder.shape == (64, 5) and decoder.shape == (5, 32)
    assert torch.linalg.matrix_rank(encoder @ decoder) == 5


def test_each_round_lowers_the_objective_to_a_minimum(monkeypatch):
    values, sums = [], moments(TRAINING)
    for rounds in (1, 2, 4, 2000):
        monkeypatch.setattr("zsvideo.models.heads.multitask.ROUNDS", rounds)
        factors = [factor.requires_grad_() for factor in factorise(sums, VECTORS, 10, 0.01)]
        value = objective(sums, *factors, 0.01)
        by_encoder, by_decoder = torch.autograd.grad(value, factors)
        assert by_decoder.abs().max() < 1e-12
        values.append(float(value.detach()))
    assert values == sorted(values, reverse=True)
    assert by_encoder.abs().max() < 1e-8


def four_clusters(per=100):
    """Source in four clusters; targets in the first two of them."""
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(4)
    source = np.concatenate([c + 0.5 * rng.normal(size=(per, 4)) for c in centres])
    targets = np.concatenate([c + 0.5 * rng.normal(size=(per, 4)) for c in centres[:2]])
    return torch.as_tensor(source), torch.as_tensor(targets)


def test_what_is_like_the_target_weighs_more():
    source, targets = four_clusters()
    weights = kliep(lambda: source.split(64), targets, 0)
    inside, outside = weights[:200].mean(), weights[200:].mean()
    print(f"weights {inside:.2f} inside, {outside:.2f} outside")
    assert abs(weights.mean() - 1) < 1e-12 and (weights >= 0).all()
    assert 1.8 < inside <= 2 and outside < 0.2


def test_a_target_like_the_source_leaves_the_weights_near_one():
    rng = np.random.default_rng(1)
    source, targets = (torch.as_tensor(rng.normal(size=(n, 5))) for n in (400, 300))
    assert kliep(lambda: [source], targets, 0).std() < 0.3


def test_no_step_lowers_the_likelihood():
    ratios = torch.rand(30, 8).double() * torch.tensor([1.0, 5, 1, 1, 1, 1, 1, 0.1])
    share, last = torch.full((8,), 1 / 8).double(), -np.inf
    for _ in range(50):
        share = em_step(ratios, share)
        value = float((ratios @ share).log().sum())
        assert value >= last - 1e-12 and abs(share.sum() - 1) < 1e-12
        last = value


def test_one_target_is_enough():
    source, targets = four_clusters(20)
    assert torch.isfinite(kliep(lambda: [source], targets[:1], 0)).all()


def weights(kind, training):
    head = HEADS["multitask"]
    return head(4, 4, head.Options(tasks=2, lam=1e-4, weight=kind)).weights(training)


def test_names_weight_classes_and_videos_weight_videos():
    """Of four clusters of classes, three videos each, those tested are like the first two."""
    source, targets = (x.float() for x in four_clusters(30))
    labels = np.repeat(np.arange(120), 3)
    videos = source[labels] + 0.1 * torch.randn(360, 4)
    unit = torch.nn.functional.normalize
    training = Training(in_memory(videos[:, None]), labels, unit(source))
    like = labels < 60

    by_name = weights("names", replace(training, target_vectors=unit(targets)))
    assert torch.equal(by_name[::3], by_name[1::3])
    assert by_name[like].mean() > 1.7 and by_name[~like].mean() < 0.3

    aware = replace(training, target_rows=in_memory(targets[:, None]))
    by_video = weights("videos", aware)
    assert len(by_video.unique()) > 300
    assert by_video[like].mean() > 1.7 and by_video[~like].mean() < 0.3
    assert weights("none", aware) is None


def test_weights_change_what_is_learned():
    problem, head = planted(videos=10), HEADS["multitask"]
    one, other = (
        head(64, 32, head.Options(tasks=10, lam=1e-4, weight=kind)) for kind in ("none", "videos")
    )
    for each in (one, other):
        each.fit(problem.aware())
    assert not torch.allclose(one.encoder, other.encoder, atol=1e-4)
