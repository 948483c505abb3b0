"""The bidirectional head: its projection, the mapping of classes, self-training."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.linalg import eigh, subspace_angles
from scipy.optimize import check_grad
from scipy.spatial.distance import cdist

from helpers.planted import planted, top1
from zsvideo.models.heads import HEADS, Features
from zsvideo.models.heads.bidirectional import discriminants, nearest_mean
from zsvideo.models.heads.moments import moments
from zsvideo.models.heads.sammon import place, stress

PLANTED = planted(videos=10)


def fitted(problem=PLANTED, aware=False, **options):
    kind = HEADS["bidirectional"]
    sizes = problem.rows.array.shape[2], problem.vectors.shape[1]
    head = kind(*sizes, kind.Options(**{"dimensions": 32, "alpha": 0.1} | options))
    head.fit(problem.aware() if aware else problem.training())
    return head


def test_the_projection_is_that_of_the_graph_of_all_videos_of_a_class():
    """SLPP: max tr P^T X D X^T P with P^T (X L X^T + a I) P = I, by its n x n graph."""
    training = PLANTED.training()
    sums = moments(training)
    x = PLANTED.rows.means(training.chosen).double().numpy()
    x -= x.mean(axis=0)
    same = training.labels[:, None] == training.labels
    graph = same / same.sum(axis=1)
    degree = np.diag(graph.sum(axis=1))
    penalty = 0.01 * np.trace(x.T @ x) / 64 * np.eye(64)
    _, expected = eigh(x.T @ degree @ x, x.T @ (degree - graph) @ x + penalty)
    own = discriminants(sums.scatter, sums.within, 0.01).numpy()
    for size in (1, 5, 20):
        angles = subspace_angles(own[:, :size], expected[:, ::-1][:, :size])
        assert np.degrees(angles.max()) < 1e-5


def problem(seed=0):
    """Points whose distances are known."""
    rng = np.random.default_rng(seed)
    landmarks, points = rng.normal(size=(40, 6)), rng.normal(size=(12, 6))
    return landmarks, points, cdist(points, landmarks), cdist(points, points), rng


@pytest.mark.parametrize("seed", [0, 1])
def test_points_are_recovered_from_their_distances(seed):
    landmarks, points, to_landmarks, among, rng = problem(seed)
    start = 0.1 * rng.normal(size=points.shape)
    own, history = place(landmarks, to_landmarks, among, start)
    print(f"largest error {np.abs(own - points).max():.1e}, stress {history[-1]:.1e}")
    assert np.abs(own - points).max() < 1e-4
    assert history[-1] < 1e-8


def test_the_stress_never_rises():
    landmarks, points, to_landmarks, among, rng = problem()
    noisy = to_landmarks * rng.uniform(0.7, 1.3, to_landmarks.shape)
    start = 0.1 * rng.normal(size=points.shape)
    _, history = place(landmarks, noisy, among, start)
    assert len(history) > 5
    assert all(after <= before for before, after in pairwise(history))


def test_the_stress_is_that_of_its_definition_and_so_is_its_gradient():
    landmarks, points, to_landmarks, among, rng = problem()
    goals = 1.3 * to_landmarks, 0.8 * among
    pairs = [(u, v) for u in range(12) for v in range(u)]
    expected = ((to_landmarks - goals[0]) ** 2 / goals[0]).sum()
    expected += sum((among[p] - goals[1][p]) ** 2 / goals[1][p] for p in pairs)
    expected /= goals[0].sum() + sum(goals[1][p] for p in pairs)
    assert stress(points, landmarks, *goals)[0] == pytest.approx(expected)

    def both(flat):
        value, gradient = stress(flat.reshape(12, 6), landmarks, *goals)
        return value, gradient.ravel()

    error = check_grad(lambda x: both(x)[0], lambda x: both(x)[1], rng.normal(size=72))
    assert error < 1e-5


def test_equal_and_known_classes_are_placed_too():
    """Distances of 0: a class asked for was trained on, or is asked for twice."""
    head = fitted()
    known = head.class_vectors[:3]
    vectors = torch.cat([known, PLANTED.test().vectors[[0, 0]]])
    points = head.points(vectors).double()
    scale = torch.pdist(head.landmarks).mean()
    assert ((points[:3] - head.landmarks[:3]).norm(dim=1) < 0.01 * scale).all()
    assert (points[3] - points[4]).norm() < 0.01 * scale


def test_classes_are_placed_once_for_all_batches(monkeypatch):
    head, test = fitted(), PLANTED.test()
    calls = []
    monkeypatch.setattr(
        "zsvideo.models.heads.bidirectional.place", lambda *a: calls.append(1) or place(*a)
    )
    x = Features(PLANTED.rows.means(test.chosen))
    first = head.scores(x, test.vectors)
    assert torch.equal(head.scores(x, test.vectors), first)
    assert len(calls) == 1
    head.scores(x, test.vectors[:5])
    head.load_state_dict(fitted(alpha=1.0).state_dict())
    assert not torch.equal(head.scores(x, test.vectors), first)


def test_self_training_moves_a_class_to_the_videos_nearest_to_it():
    points, videos = torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0], [0, 3], [9, 9]])
    assert nearest_mean(points, videos, 2).tolist() == [[0.5, 1.5]]
    assert torch.allclose(nearest_mean(points, videos, 5), videos.mean(dim=0))
    head = fitted(aware=True, self_training=5)
    assert head.uses == {"videos"} and len(head.videos) == len(PLANTED.test())
    plain = fitted()
    test = PLANTED.test()
    assert not plain.uses and not plain.videos.numel()
    centres = torch.stack(
        [plain.latent(PLANTED.rows.means(test.chosen[test.labels == c])).mean(0) for c in range(20)]
    )
    error = [(h.points(test.vectors) - centres).norm(dim=1).mean() for h in (head, plain)]
    assert error[0] < error[1]
    assert top1(head, test) >= 95


def test_there_are_no_more_dimensions_than_classes_tell_apart():
    assert fitted(dimensions=500).projection.shape == (64, 59)
    assert fitted(planted(features=16, videos=5), dimensions=500).projection.shape == (16, 16)
