"""None of these: the threshold keeps what it promises on classes that were not fitted."""

from collections import Counter

import numpy as np
import pytest

import zsvideo
from helpers.commands import finished, read
from helpers.videos import grey_video
from zsvideo.data.videos import Video, Videos
from zsvideo.evaluation.predictions import Predictions
from zsvideo.experiment.rejection import MOST, evenly, none_of_these
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_training_fits_it_on_classes_that_it_keeps_out(cli, folders, tmp_path):
    """The target's classes lie in the source too, and are not trained on."""
    for number, name in enumerate(["read", "write", "sing", "dance"]):
        for video in range(5):
            grey_video(tmp_path / "source" / name / f"{video}.avi", 18 + 3 * number + video)
    run = tmp_path / "run"
    options = ["evaluation=[full]", "resamples=0", "trainer.max_epochs=1", f"hydra.run.dir={run}"]
    finished(cli("train", *folders, *options))
    entry = read(run, "metrics.json")["none_of_these"]
    assert entry["videos"] == 20 and entry["classes"] == 4
    assert not {"read", "write"} & set(read(run, "protocol.json")["trained_classes"])
    model = zsvideo.load(run, device="cpu", cache=tmp_path / "cache")
    assert model.facts.none_of_these.threshold == entry["threshold"]
    first = next(iter(model.predict(tmp_path / "target", ["read", "sing"])))
    assert first.none_of_these == (first.top[0].score < entry["threshold"])
    assert first.top[0].probability is not None


def test_videos_to_fit_on_are_spread_over_the_classes():
    counts = {"a": 300, "b": 200, "c": 200, "d": 200}
    videos = (Video(f"{c}/{i:03}", "", c) for c, count in counts.items() for i in range(count))
    chosen = [*evenly(Videos.of(videos))]
    assert len(chosen) == MOST and chosen == sorted(chosen, key=lambda v: v.id)
    assert Counter(video.label for video in chosen) == dict.fromkeys("abcd", 128)


def test_names_near_a_held_out_class_are_no_strangers():
    """A target that is the held-out class itself would make its own videos strangers."""
    embeddings, labels, vectors = made(8, 10, 0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    names = np.array(list("abcdefgh"))
    own = Predictions(labels.astype(str), labels, embeddings, names, vectors)
    other = made(20, 5, 1)
    target = Predictions(
        other[1].astype(str), other[1], other[0], np.arange(20).astype(str), other[2]
    )
    plain = none_of_these(own, {"t": target})
    twins = none_of_these(own, {"t": target, "same": own})
    assert plain["let_through"] == pytest.approx(twins["let_through"])
    assert set(twins["targets"]) == {"t", "same"} and none_of_these(None, {"t": target}) is None
