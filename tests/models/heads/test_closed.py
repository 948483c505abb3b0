"""Heads in closed form: what holds for all of them, and the exact equations of the linear ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.planted import Rows, permuted, planted, top1
from zsvideo.errors import UserError
from zsvideo.models.heads import HEADS, Features
from zsvideo.models.heads.base import BLOCK
from zsvideo.models.heads.conse import combine
from zsvideo.models.heads.eszsl import aims, solve
from zsvideo.models.heads.moments import moments, regression
from zsvideo.models.heads.sae import autoencoder
from zsvideo.models.heads.similarity import squared_distances

GIVEN = {
    "ridge": {"lam": 0.01},
    "kernel_ridge": {"lam": 0.1, "width": 2.0, "landmarks": 500},
    "eszsl": {"gamma": 0.1, "lam": 1.0},
    "sae": {"lam": 1.0},
    "conse": {"lr": 0.01, "decay": 0.01},
    "bidirectional": {"dimensions": 32, "alpha": 0.1},
    "multitask": {"tasks": 20, "lam": 1e-4},
    "url": {"components": 32, "width": 0.5, "balance": 1.0},
}
VARIANTS = [
    *((name, {}) for name in GIVEN),
    ("kernel_ridge", {"kernel": "linear"}),
    ("sae", {"direction": "visual"}),
    ("sae", {"direction": "both"}),
    ("bidirectional", {"self_training": 20}),
    ("multitask", {"weight": "names"}),
    ("multitask", {"weight": "videos"}),
    ("url", {"adapt": True}),
]
PLANTED = planted(videos=20)


def make(name, problem, **more):
    kind = HEADS[name]
    sizes = problem.rows.array.shape[2], problem.vectors.shape[1]
    return kind(*sizes, kind.Options(**GIVEN[name] | more))


def fitted(name, problem, **more):
    head = make(name, problem, **more)
    sequence = head.needs == "sequence"
    head.fit(problem.aware(sequence) if head.uses else problem.training(sequence))
    return head


def everything(problem):
    clips, mask = problem.rows.array, problem.rows.mask
    return Features(clips.mean(dim=1), clips, mask)


@pytest.mark.parametrize(("name", "more"), VARIANTS, ids=str)
def test_a_planted_problem_is_solved_by_the_class_vectors(name, more):
    head = fitted(name, PLANTED, **more)
    test = PLANTED.test(head.needs == "sequence")
    accuracy, control = top1(head, test), permuted(head, test)
    print(f"{name} {more}: top-1 {accuracy:.1f} %, {control:.1f} % with class vectors permuted")
    assert accuracy >= 25  # five times chance
    assert 2 < control < 9  # chance is 5


@pytest.mark.parametrize(("name", "more"), VARIANTS, ids=str)
def test_scores_survive_a_checkpoint(name, more, tmp_path):
    head = fitted(name, PLANTED, **more)
    torch.save(head.state_dict(), tmp_path / "head.ckpt")
    other = make(name, PLANTED, **more)
    other.load_state_dict(torch.load(tmp_path / "head.ckpt", weights_only=True))
    features = everything(PLANTED)
    with torch.no_grad():
        scores = [h.eval().scores(features, PLANTED.vectors[:7]) for h in (head, other)]
    assert torch.equal(*scores)
    assert scores[0].shape == (len(PLANTED.labels), 7)


@pytest.mark.parametrize("name", GIVEN)
def test_a_fit_is_repeatable_and_a_second_one_begins_anew(name):
    head, again = fitted(name, PLANTED), make(name, PLANTED)
    training = PLANTED.training(head.needs == "sequence")
    few = training.of_classes(np.arange(50))
    again.fit(few)
    again.fit(training)
    one, other = head.state_dict(), again.state_dict()
    assert all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize("name", GIVEN)
def test_a_score_does_not_depend_on_the_batch(name):
    head = fitted(name, PLANTED)
    whole = everything(PLANTED)
    part = Features(whole.mean[5:9], whole.clips[5:9], whole.mask[5:9])
    with torch.no_grad():
        scores = head.scores(whole, PLANTED.vectors[:9])
        assert torch.allclose(scores[5:9], head.scores(part, PLANTED.vectors[:9]), atol=1e-5)


@pytest.mark.parametrize(("name", "more"), VARIANTS, ids=str)
def test_what_is_seen_of_the_targets_is_said(name, more):
    seen = {"self_training": {"videos"}, "adapt": {"names"}, "weight": {more.get("weight")}}
    head = make(name, PLANTED, **more)
    assert head.uses == next((seen[option] for option in more if option in seen), frozenset())
    if head.uses:
        with pytest.raises(UserError, match=rf"head\.\w+.* needs the {next(iter(head.uses))}"):
            head.fit(PLANTED.training(head.needs == "sequence"))


class OneBlock(Rows):
    """Rows of which no more than a block may be read at a time."""

    def clips(self, rows):
        assert len(rows) <= BLOCK
        return super().clips(rows)

    def means(self, rows):
        assert len(rows) <= BLOCK
        return super().means(rows)


@pytest.mark.parametrize(("name", "more"), VARIANTS, ids=str)
def test_no_more_than_a_block_of_videos_is_read_at_a_time(name, more):
    problem = planted(seen=43, unseen=43, videos=100, clips=2, features=16, embedding=8)
    problem = replace(problem, rows=OneBlock(problem.rows.array, problem.rows.mask))
    head = make(name, problem, **more)
    training = problem.aware(head.needs == "sequence")
    assert len(training) > BLOCK < len(training.target_rows)
    head.fit(replace(training, target_rows=OneBlock(*vars(training.target_rows).values())))


@pytest.mark.parametrize("name", GIVEN)
def test_open_options_have_choices(name):
    kind = HEADS[name]
    options = kind.Options()
    is_open = {key for key, value in vars(options).items() if value is None}
    assert is_open == set(kind.choices)
    for key, values in kind.choices.items():
        for value in values:
            kind.Options(**{key: value})


def test_moments_are_those_of_all_videos_at_once():
    training = PLANTED.training()
    x = PLANTED.rows.means(training.chosen).double()
    s, vectors = training.vectors.double()[training.labels], training.vectors.double()
    weights = torch.rand(len(x)).double()
    sums = moments(training, weights)
    centred = x - weights @ x / weights.sum()
    aim = s - weights @ s / weights.sum()
    assert torch.allclose(sums.scatter, centred.T @ (weights[:, None] * centred))
    assert torch.allclose(sums.cross(vectors), centred.T @ (weights[:, None] * aim))
    means = moments(training).class_means
    own = x - means[training.labels]
    assert torch.allclose(means[3], x[training.labels == 3].mean(dim=0))
    assert torch.allclose(moments(training).within, own.T @ own, atol=1e-8)


def test_distances_by_a_product_of_matrices_are_distances():
    points, others = torch.randn(5, 3).double(), torch.randn(4, 3).double()
    expected = torch.cdist(points, others).square()
    assert torch.allclose(squared_distances(points, others), expected)


def test_a_singular_regression_says_what_to_change():
    problem = planted(seen=4, unseen=2, videos=20, features=8)
    dead = torch.cat([problem.rows.array, torch.zeros_like(problem.rows.array)], dim=2)
    problem = replace(problem, rows=Rows(dead, problem.rows.mask))
    with pytest.raises(UserError, match=r"head\.lam=0 is too small"):
        fitted("ridge", problem, lam=0.0)
    assert torch.isfinite(fitted("ridge", problem, lam=1e-6).weight).all()


def test_a_linear_kernel_is_ridge_regression():
    kernel = fitted("kernel_ridge", PLANTED, kernel="linear", lam=0.05)
    ridge = fitted("ridge", PLANTED, lam=0.05)
    test = everything(PLANTED)
    own, other = (head.scores(test, PLANTED.vectors) for head in (kernel, ridge))
    assert torch.allclose(own, other, atol=1e-6)
    training = PLANTED.training()
    expected = regression(moments(training), training.vectors.double(), 0.05)
    x = torch.randn(20, 64).double()
    mapped = (kernel.kernel(x) - kernel.kernel(0 * x)) @ kernel.weight
    assert torch.allclose(mapped, x @ expected, atol=1e-10)


def test_a_kernel_of_all_videos_is_kernel_ridge_regression():
    problem = planted(seen=20, unseen=5, videos=5)
    head = fitted("kernel_ridge", problem, lam=0.1, width=1.0, landmarks=1000)
    training = problem.training()
    x = problem.rows.means(training.chosen).double()
    k = torch.exp(-torch.cdist(x, x).square() / head.width)
    centre = torch.eye(len(x)).double() - 1 / len(x)
    inner = centre @ k @ centre
    penalty = 0.1 * inner.trace() / len(x)
    s = training.vectors.double()[training.labels]
    dual = torch.linalg.solve(inner + penalty * torch.eye(len(x)), centre @ s)
    expected = inner @ dual + s.mean(dim=0)
    assert torch.allclose(head.kernel(x) @ head.weight + head.bias, expected, atol=1e-8)


@pytest.mark.parametrize("labels", ["zero_one", "signed"])
def test_eszsl_is_the_minimum_of_its_objective(labels):
    training = PLANTED.training()
    x = PLANTED.rows.means(training.chosen).double()
    s, sums = training.vectors.double(), moments(training)
    y = torch.nn.functional.one_hot(torch.as_tensor(training.labels)).double()
    y = y if labels == "zero_one" else 2 * y - 1
    assert torch.allclose(aims(sums.totals, labels), x.T @ y)
    weight = solve(sums.square, x.T @ y @ s, s.T @ s, 0.1, 2.0).requires_grad_()
    gamma = 0.1 * sums.square.diagonal().mean()
    lam = 2.0 * (s.T @ s).diagonal().mean()
    value = (x @ weight @ s.T - y).square().sum() + gamma * (weight @ s.T).square().sum()
    value = value + lam * (x @ weight).square().sum() + gamma * lam * weight.square().sum()
    (gradient,) = torch.autograd.grad(value, weight)
    assert gradient.abs().max() < 1e-9 * (x.T @ y @ s).abs().max()


def test_eszsl_fits_that_minimum():
    training, head = PLANTED.training(), fitted("eszsl", PLANTED, labels="signed")
    s, sums = training.vectors.double(), moments(training)
    expected = solve(sums.square, aims(sums.totals, "signed") @ s, s.T @ s, 0.1, 1.0)
    assert torch.allclose(head.weight.double(), expected, rtol=1e-5, atol=1e-7)


def test_sae_solves_its_equation_and_is_the_minimum():
    torch.manual_seed(3)
    x, s = torch.randn(200, 12).double(), torch.randn(200, 5).double()
    weight = autoencoder(x.T @ x, x.T @ s, s.T @ s, 0.7).requires_grad_()
    left = s.T @ s @ weight + 0.7 * weight @ x.T @ x
    assert torch.allclose(left, 1.7 * s.T @ x, atol=1e-10)
    value = (x - s @ weight).square().sum() + 0.7 * (x @ weight.T - s).square().sum()
    (gradient,) = torch.autograd.grad(value, weight)
    assert gradient.abs().max() < 1e-9


def test_sae_fits_centred_features_of_unit_length():
    training, head = PLANTED.training(), fitted("sae", PLANTED)
    x = PLANTED.rows.means(training.chosen).double()
    s = training.vectors.double()[training.labels]
    x, s = x - x.mean(dim=0), s - s.mean(dim=0)
    x = x / x.square().sum(dim=1).mean().sqrt()
    expected = autoencoder(x.T @ x, x.T @ s, s.T @ s, 1.0)
    assert torch.allclose(head.weight.double(), expected, atol=1e-6)


def test_conse_of_a_certain_classifier_is_the_vector_of_the_class():
    vectors = torch.randn(6, 4)
    assert torch.equal(combine(torch.eye(6), vectors, 1), vectors)
    assert torch.allclose(combine(torch.eye(6), vectors, 10), vectors)


def test_conse_of_an_ignorant_classifier_is_the_mean_vector():
    vectors = torch.randn(6, 4)
    uniform = torch.full((2, 6), 1 / 6)
    assert torch.allclose(combine(uniform, vectors, 6), vectors.mean(dim=0).expand(2, 4))


def test_conse_weighs_the_most_probable_classes():
    probabilities = torch.tensor([[0.5, 0.1, 0.3, 0.1]])
    expected = torch.tensor([[5 / 8, 0, 3 / 8, 0]])
    assert torch.allclose(combine(probabilities, torch.eye(4), 2), expected)


def test_the_classifier_of_conse_knows_the_classes_trained_on():
    head, training = fitted("conse", PLANTED, decay=0.0), PLANTED.training()
    features, labels = training.read(np.arange(len(training)))
    probabilities = head.probabilities(features)
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(len(labels)))
    assert (probabilities.argmax(dim=1) == labels).float().mean() > 0.9


def test_a_class_without_videos_does_no_harm():
    problem = planted(seen=40, unseen=10, videos=8)
    extra = torch.nn.functional.normalize(torch.ones(1, 32), dim=1)
    for name in GIVEN:
        head = make(name, problem)
        training = problem.training(head.needs == "sequence")
        head.fit(replace(training, vectors=torch.cat([training.vectors, extra])))
        assert top1(head, problem.test(head.needs == "sequence")) >= 50, name


def test_fewer_videos_than_features_are_enough():
    problem = planted(seen=15, unseen=5, videos=1, features=64)
    for name in GIVEN:
        head = fitted(name, problem)
        with torch.no_grad():
            assert torch.isfinite(head.scores(everything(problem), problem.vectors)).all(), name
