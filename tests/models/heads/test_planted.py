"""The planted problems have the answers that tests of heads rely on."""

import numpy as np
import torch

from helpers.planted import ordered, padded, planted


def test_classes_trained_on_and_tested_are_apart():
    problem = planted()
    training, test = problem.training(), problem.test()
    assert (len(training.vectors), len(test.vectors)) == (60, 20)
    assert (len(training), len(test)) == (60 * 40, 20 * 40)
    assert not set(training.chosen) & set(test.chosen)
    assert torch.equal(training.vectors[training.labels[0]], problem.vectors[problem.labels[0]])
    assert len(problem.aware().target_rows) == len(test)
    assert torch.equal(planted().rows.array, problem.rows.array)


def test_two_classes_of_the_order_problem_differ_in_order_alone():
    problem = ordered(noise=0)
    first, second = (problem.rows.array[problem.labels == c] for c in (0, 1))
    assert torch.allclose(first.mean(dim=1), second.mean(dim=1), atol=1e-6)
    assert torch.equal(first[:, :4], second[:, 4:])
    assert np.array_equal(problem.unseen[::2] + 1, problem.unseen[1::2])


def test_repeated_clips_are_masked():
    rows = padded(planted(videos=1).rows, 2)
    clips, mask = rows.clips(np.arange(3))
    assert clips.shape[:2] == mask.shape == (3, 10)
    assert not mask[:, 8:].any()
    assert mask[:, :8].all()
