"""None of these: the threshold keeps what it promises on classes that were not fitted."""

import numpy as np
import pytest

from zsvideo.prediction.rejection import (
    TURNED_AWAY,
    auroc,
    calibration_error,
    fit_none_of_these,
    judge,
)


def made(classes, videos, seed, noise=0.8, size=64):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(classes, size)) / np.sqrt(size)
    labels = np.repeat(np.arange(classes), videos)
    shaken = vectors[labels] + noise * rng.normal(size=(len(labels), size)) / np.sqrt(size)
    return shaken, labels, vectors


def test_errors_are_as_promised_on_other_classes():
    fitted = fit_none_of_these(*made(40, 20, 0), "made")
    judged = judge(fitted, *made(40, 20, 1))
    assert fitted.turned_away == pytest.approx(TURNED_AWAY, abs=0.03)
    assert judged["turned_away"] == pytest.approx(fitted.turned_away, abs=0.03)
    assert judged["let_through"] == pytest.approx(fitted.let_through, abs=0.03)
    assert judged["auroc"] == pytest.approx(fitted.auroc, abs=0.02) and fitted.auroc > 0.9
    assert judged["calibration_error"] < 0.06
    worse = fit_none_of_these(*made(40, 20, 0, noise=2.0), "made")
    assert worse.auroc < fitted.auroc and worse.let_through > fitted.let_through


def test_too_few_give_none():
    assert fit_none_of_these(*made(3, 20, 0), "made") is None
    assert fit_none_of_these(*made(10, 1, 0), "made") is None


def test_measures_by_hand():
    scores, positive = np.array([3.0, 2, 2, 1]), np.array([True, True, False, False])
    assert auroc(scores, positive) == (1 + 1 + 0.5 + 1) / 4
    chances, right = np.array([0.95, 0.95, 0.55, 0.55]), np.array([True, True, True, False])
    assert calibration_error(chances, right) == pytest.approx(0.05 / 2 + 0.05 / 2)
