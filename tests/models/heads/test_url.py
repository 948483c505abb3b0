"""The universal representation: its blocks, relations, codes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from helpers.planted import padded, planted
from zsvideo.models.heads import HEADS, Features
from zsvideo.models.heads.url import factorise, fold_in, parts

PLANTED = planted(videos=10)


def make(**options):
    kind = HEADS["url"]
    values = {"components": 32, "width": 0.5, "balance": 1.0} | options
    return kind(64, 32, kind.Options(**values))


@pytest.fixture(scope="module")
def head():
    head = make()
    head.fit(PLANTED.training(sequence=True))
    return head


def of(rows):
    return Features(rows.array.mean(dim=1), rows.array, rows.mask)


def test_each_class_has_its_blocks_which_are_near_its_clips(head):
    assert head.blocks.shape == (60 * 5, 64)
    training = PLANTED.training(sequence=True)
    features, labels = training.read(np.arange(len(training)))
    nearest = torch.cdist(features.mean, head.blocks).argmin(dim=1) // 5
    assert (nearest == labels).float().mean() > 0.9


def test_a_relation_is_the_mean_kernel_of_clips(head):
    clips, mask = PLANTED.rows.array[:3], PLANTED.rows.mask[:3].clone()
    mask[1, 4:] = False
    relations = head.relations(Features(clips.mean(dim=1), clips, mask))
    for video in range(3):
        x = clips[video][mask[video]]
        kernel = torch.exp(-torch.cdist(x, head.blocks).square() / head.width)
        assert torch.allclose(relations[video], kernel.mean(dim=0), atol=1e-5)
    assert (relations >= 0).all() and (relations <= 1).all()


def test_factors_are_not_negative_and_more_steps_fit_better(head):
    assert (head.visual >= 0).all() and (head.semantic >= 0).all()
    relations = head.class_relations(PLANTED.training(sequence=True))
    names = parts(PLANTED.training().vectors.double().numpy())
    scale = np.sqrt(len(relations)) / np.linalg.norm(relations)
    joint = np.concatenate([scale * relations, names], axis=1)
    errors = []
    for steps in (1, 3, 10, 100):
        codes, visual, semantic = factorise(relations, names, 20, 0, steps)
        assert min(part.min() for part in (codes, visual, semantic)) >= 0
        basis = np.concatenate([scale * visual, semantic], axis=1)
        errors.append(np.linalg.norm(joint - codes @ basis))
    assert errors == sorted(errors, reverse=True)


def test_positive_and_negative_part_make_up_a_vector():
    vectors = np.random.default_rng(0).normal(size=(4, 6))
    both = parts(vectors)
    assert (both >= 0).all()
    assert np.array_equal(both[:, :6] - both[:, 6:], vectors)


def test_folding_in_finds_the_codes_that_made_a_row():
    rng = np.random.default_rng(0)
    codes, basis = (
        rng.uniform(size=(10, 6)) * (rng.uniform(size=(10, 6)) > 0.5),
        rng.random((6, 40)),
    )
    assert np.allclose(fold_in(codes @ basis, basis), codes, atol=1e-4)


def test_the_relation_of_a_class_folds_in_as_its_own_code(head):
    relations = head.class_relations(PLANTED.training(sequence=True))
    own = fold_in(relations, head.visual.numpy())
    names = parts(PLANTED.training().vectors.double().numpy())
    codes, _, _ = factorise(relations, names, 32, 0)
    distances = np.array([[jensenshannon(a, b) for b in codes] for a in own])
    share = np.mean(distances.argmin(axis=1) == np.arange(60))
    print(f"{100 * share:.0f} % of the classes are nearest to themselves")
    assert share >= 0.95


def test_the_order_of_clips_and_repeats_do_not_matter(head):
    rows, vectors = PLANTED.rows, PLANTED.test().vectors
    scores = head.scores(of(rows), vectors)
    order = torch.randperm(8)
    turned = type(rows)(rows.array[:, order], rows.mask[:, order])
    assert torch.allclose(head.scores(of(turned), vectors), scores, atol=1e-5)
    assert torch.allclose(head.scores(of(padded(rows, 3)), vectors), scores, atol=1e-5)


def test_the_score_is_the_distance_of_distributions(head):
    vectors = PLANTED.test().vectors[:4]
    features = of(type(PLANTED.rows)(PLANTED.rows.array[:2], PLANTED.rows.mask[:2]))
    codes, names = head.video_codes(features), head.name_codes(vectors)
    expected = [[-jensenshannon(a, b) for b in names] for a in codes]
    assert np.allclose(head.scores(features, vectors), expected, atol=1e-6)


def test_adapted_codes_of_the_names_tested_have_the_mean_and_spread_of_others():
    plain, head, training = make(), make(adapt=True), PLANTED.aware(sequence=True)
    for one in (plain, head):
        one.fit(training)
    own = plain.name_codes(training.target_vectors)
    relations = plain.class_relations(training)
    codes, _, _ = factorise(relations, parts(training.vectors.double().numpy()), 32, 0)
    moved = own * head.spread.numpy() + head.shift.numpy()
    assert np.allclose(moved.mean(axis=0), codes.mean(axis=0))
    assert np.allclose(moved.std(axis=0), codes.std(axis=0))
    assert np.array_equal(head.name_codes(training.target_vectors), np.maximum(moved, 0))
    head.fit(replace(training, target_vectors=training.vectors))
    assert not np.allclose(head.shift, 0)
