"""Heads learned by mini-batches: what follows exactly, and planted problems."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers.planted import Rows, ordered, padded, permuted, planted, top1
from zsvideo.models.aurl import aurl_loss, contrast
from zsvideo.models.heads import HEADS, Features, Training
from zsvideo.models.heads.bilinear import by_rank, largest, summed, violations
from zsvideo.models.heads.descent import Scaling, descend, without_repeats

SMALL = {
    "devise": {"lr": 1e-2, "margin": 0.5, "batch_size": 64},
    "ale": {"lr": 1e-2, "margin": 0.5, "batch_size": 64},
    "sje": {"lr": 1e-2, "margin": 0.5, "batch_size": 64},
    "aurl": {"lr": 1e-3, "width": 512, "epochs": 10, "batch_size": 128},
    "tarn": {"lr": 5e-3, "hidden": 64, "epochs": 12, "batch_size": 64},
    "action2vec": {"lr": 3e-3, "hidden": 32, "epochs": 10, "batch_size": 64, "window": 4},
}
SEQUENCE = ["tarn", "action2vec"]
LEARNED = [pytest.param(n, marks=pytest.mark.slow) if n == "tarn" else n for n in SMALL]
PLANTED = planted(seen=40, unseen=10, videos=20)
ORDERED = ordered(videos=20)


def make(name, problem, **more):
    kind = HEADS[name]
    sizes = problem.rows.array.shape[2], problem.vectors.shape[1]
    return kind(*sizes, kind.Options(**SMALL[name] | more))


def fitted(name, problem, **more):
    head = make(name, problem, **more)
    head.fit(problem.training(head.needs == "sequence"))
    return head


def everything(problem):
    clips, mask = problem.rows.array, problem.rows.mask
    return Features(clips.mean(dim=1), clips, mask)


def tiny(name, problem=PLANTED):
    """A head after one step or a few: what it computes, not how well."""
    return fitted(name, problem, epochs=1)


@pytest.mark.parametrize("name", LEARNED)
def test_a_planted_problem_is_learned_and_needs_its_class_vectors(name):
    head = fitted(name, PLANTED)
    test = PLANTED.test(head.needs == "sequence")
    accuracy, control = top1(head, test), permuted(head, test)
    print(f"{name}: top-1 {accuracy:.1f} %, {control:.1f} % with class vectors permuted")
    assert accuracy >= 50  # five times chance
    assert 7 < control < 15  # chance is 10


@pytest.mark.parametrize("name", LEARNED)
def test_classes_that_differ_in_order_alone_need_the_sequence(name):
    head = fitted(name, ORDERED)
    accuracy = top1(head, ORDERED.test(head.needs == "sequence"))
    print(f"{name}: top-1 {accuracy:.1f} % of ordered pairs")
    assert accuracy >= 90 if name in SEQUENCE else 30 < accuracy < 60


@pytest.mark.parametrize("name", SMALL)
def test_a_fit_follows_from_its_seed_alone(name):
    def weights(seed, globally):
        torch.manual_seed(globally)
        head = make(name, PLANTED, epochs=1)
        before = torch.get_rng_state()
        head.fit(replace(PLANTED.training(head.needs == "sequence"), seed=seed))
        assert torch.equal(torch.get_rng_state(), before)
        assert not head.training
        return torch.cat([value.flatten().float() for value in head.state_dict().values()])

    first, again, other = weights(1, 5), weights(1, 6), weights(2, 5)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("name", SMALL)
def test_a_second_fit_begins_anew(name):
    head = tiny(name)
    first = {key: value.clone() for key, value in head.state_dict().items()}
    head.fit(PLANTED.training(head.needs == "sequence"))
    assert all(torch.equal(value, first[key]) for key, value in head.state_dict().items())


@pytest.mark.parametrize("name", SMALL)
def test_scores_survive_a_checkpoint(name, tmp_path):
    head = tiny(name)
    torch.save(head.state_dict(), tmp_path / "head.ckpt")
    other = make(name, PLANTED)
    other.load_state_dict(torch.load(tmp_path / "head.ckpt", weights_only=True))
    features = everything(PLANTED)
    with torch.no_grad():
        scores = [h.eval().scores(features, PLANTED.vectors) for h in (head, other)]
    assert torch.equal(*scores) and scores[0].shape == (1000, 50)


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_learns(name):
    head = make(name, PLANTED, epochs=1)
    head.fit(PLANTED.training(head.needs == "sequence"))
    after = {key: value.clone() for key, value in head.named_parameters()}
    head = make(name, PLANTED, epochs=2)
    head.fit(PLANTED.training(head.needs == "sequence"))
    moved = {key: (value - after[key]).abs().max() for key, value in head.named_parameters()}
    # A bias before batch normalisation, or the same in a softmax's every place, has no effect.
    free = {"attention.bias"} if name == "action2vec" else set()
    assert all(change > 0 for key, change in moved.items() if key not in free)


def test_the_order_of_batches_is_drawn_and_a_lone_video_left_out():
    rows = Rows(torch.randn(9, 1, 3), torch.ones(9, 1, dtype=torch.bool))
    training = Training(rows, np.arange(9) % 2, torch.eye(2), seed=4)
    layer, seen = torch.nn.Linear(3, 2), []

    def loss(features, labels, epoch):
        seen.append((epoch, features.mean))
        return F.cross_entropy(layer(features.mean), labels)

    how = HEADS["devise"].Options(lr=0.1, epochs=2, batch_size=4)
    descend([layer], training, loss, how)
    assert [(epoch, len(batch)) for epoch, batch in seen] == [(0, 4), (0, 4), (1, 4), (1, 4)]
    assert not torch.equal(seen[0][1], seen[2][1])


def test_features_are_scaled_by_the_clips_that_are_no_repeats():
    array = torch.randn(50, 3, 4) * torch.tensor([1.0, 9.0, 0.1, 0.0]) + 5
    mask = torch.ones(50, 3, dtype=torch.bool)
    mask[::2, 2] = False
    scaling = Scaling(4)
    labels = np.zeros(50, np.int64)
    scaling.fit(Training(Rows(array, mask), labels, torch.eye(4)[:1], sequence=True))
    scaled = scaling(array[mask])
    assert torch.allclose(scaled.mean(dim=0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(scaled.std(dim=0, correction=0)[:3], torch.ones(3), atol=1e-4)
    assert scaled[:, 3].abs().max() < 1e-5  # constant


def test_repeats_are_left_out_wherever_they_are():
    clips = torch.arange(1.0, 9).view(2, 4, 1)
    mask = torch.tensor([[True, False, True, False], [False, False, False, True]])
    left, lengths = without_repeats(Features(clips.mean(1), clips, mask))
    assert left.squeeze(2).tolist() == [[1, 3], [8, 0]] and lengths.tolist() == [2, 1]


@pytest.mark.parametrize("name", SEQUENCE)
def test_masked_clips_change_nothing(name):
    head = tiny(name)
    some, more = PLANTED.rows, padded(PLANTED.rows, 3)
    noisy = Rows(more.array.where(more.mask[:, :, None], 1e4), more.mask)
    with torch.no_grad():
        plain, *others = (
            head.scores(Features(rows.array.mean(1), rows.array, rows.mask), PLANTED.vectors)
            for rows in (some, more, noisy)
        )
    assert all(torch.equal(plain, other) for other in others)


@pytest.mark.parametrize("name", SEQUENCE)
def test_the_order_of_clips_counts(name):
    head, features = tiny(name), everything(PLANTED)
    backwards = replace(features, clips=features.clips.flip(1))
    with torch.no_grad():
        plain, other = (head.scores(f, PLANTED.vectors) for f in (features, backwards))
    assert not torch.allclose(plain, other, atol=1e-3)


@pytest.mark.parametrize("name", SMALL)
def test_a_score_does_not_depend_on_which_other_classes_are_asked(name):
    head, features = tiny(name), everything(PLANTED)
    with torch.no_grad():
        whole = head.scores(features, PLANTED.vectors)
        some = head.scores(features, PLANTED.vectors[[3, 40, 41]])
    assert torch.allclose(whole[:, [3, 40, 41]], some, atol=1e-4)


@pytest.mark.parametrize("name", SEQUENCE)
def test_videos_are_scored_alike_in_parts(name):
    head, features = tiny(name), everything(PLANTED)
    one = Features(features.mean[700:701], features.clips[700:701], features.mask[700:701])
    with torch.no_grad():
        whole, alone = (head.scores(f, PLANTED.vectors) for f in (features, one))
    assert torch.allclose(whole[700:701], alone, atol=1e-5)


def test_two_classes_make_the_three_ranking_losses_one():
    scores, labels = torch.randn(40, 2), torch.randint(2, (40,))
    excess = violations(scores, labels, 0.3)
    assert torch.equal(summed(excess), by_rank(excess))
    assert torch.equal(summed(excess), largest(excess))
    right, wrong = scores.gather(1, labels[:, None]), scores.gather(1, 1 - labels[:, None])
    assert torch.allclose(summed(excess), (0.3 + wrong - right).clamp(min=0)[:, 0])


def test_ranking_losses_by_hand():
    excess = violations(torch.tensor([[1.0, 0.9, 0.2, 1.4]]), torch.tensor([0]), 0.5)
    assert torch.allclose(excess, torch.tensor([[0, 0.4, 0, 0.9]]))
    assert summed(excess).item() == pytest.approx(1.3)
    assert by_rank(excess).item() == pytest.approx(1.5 * 1.3 / 2)
    assert largest(excess).item() == pytest.approx(0.9)
    nothing = violations(torch.tensor([[9.0, 0.0, 0.0]]), torch.tensor([0]), 0.5)
    assert all(kind(nothing).item() == 0 for kind in (summed, by_rank, largest))


def test_ale_and_sje_are_never_above_devise():
    for seed in range(20):
        torch.manual_seed(seed)
        scores, labels = torch.randn(64, 11), torch.randint(11, (64,))
        devise, ale, sje = (
            HEADS[name](3, 5, HEADS[name].Options(margin=0.7)).loss(scores, labels)
            for name in ("devise", "ale", "sje")
        )
        assert ale < devise and sje < devise


def test_lambda_goes_on_a_line():
    head = make("action2vec", PLANTED, lam=0.02, last_lam=0.82, epochs=5)
    assert [head.lam(n) for n in range(5)] == pytest.approx([0.02, 0.22, 0.42, 0.62, 0.82])
    assert make("action2vec", PLANTED, lam=0.02, epochs=1).lam(0) == 0.02


def test_one_window_with_even_attention_is_the_mean_of_one_lstm():
    head = make("action2vec", PLANTED, window=8).eval()
    with torch.no_grad():
        head.attention.weight.zero_()
        features = everything(PLANTED)
        steps, _ = head.local(features.clips)
        states, _ = head.whole(steps.mean(dim=1, keepdim=True))
        expected = head.embedding(states[:, 0])
        assert torch.allclose(head.embed(features), expected, atol=1e-6)


def test_contrast_by_hand():
    rows, classes = torch.tensor([[2.0, 0.0]]), torch.tensor([[3.0, 0.0], [0.0, 0.5]])
    expected = np.log(1 + np.exp(-10))  # cosines 1 and 0, times 10
    assert contrast(rows, classes, torch.tensor([0])).item() == pytest.approx(expected, rel=1e-3)


def test_aurl_wants_alignment_and_uniformity():
    labels, names = torch.arange(4), torch.eye(4)
    close = F.normalize(names + 3, dim=1)  # aligned, all in one place

    def value(embeddings, classes, centres):
        torch.manual_seed(0)
        return aurl_loss(embeddings, classes, centres, labels).item()

    best = value(names, names, names)
    assert best < value(names.roll(1, 0), names, names)  # not aligned
    assert best < value(close, close, close)  # not uniform
    assert best < value(names, names, names.roll(1, 0))  # centres are others'


def test_the_classes_that_aurl_makes_up_are_drawn():
    labels, names = torch.arange(4), F.normalize(torch.randn(4, 6), dim=1)
    centres = torch.randn(4, 6)
    seen = contrast(names, names, labels) + contrast(names, centres, labels)
    made_up = [aurl_loss(names, names, centres, labels) - seen for _ in range(2)]
    assert made_up[0] > 0 and made_up[0] != made_up[1]


@pytest.mark.parametrize("name", SMALL)
def test_what_is_chosen_is_an_option_without_a_value(name):
    kind = HEADS[name]
    options = kind.Options()
    assert kind.choices and all(getattr(options, key) is None for key in kind.choices)
    assert kind.substituted and kind(4, 3, options).uses == frozenset()
