"""Per-class table, confusions, hubs and calibration."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.runs import predictions
from zsvideo.evaluation.diagnosis import calibration, confusion_matrix, diagnose
from zsvideo.evaluation.protocols import full
from zsvideo.reporting.figures import most_confused


def test_tables_agree_with_the_accuracy():
    p = predictions(noise=9)
    found = diagnose(p)
    rows = found["per_class"]
    assert sum(row["videos"] for row in rows) == sum(row["predicted"] for row in rows) == 1000
    micro = sum(row["top1"] * row["videos"] for row in rows) / 1000
    assert micro == pytest.approx(full(p).numbers["top1"])
    assert np.mean([r["top5"] for r in rows]) == pytest.approx(full(p).numbers["macro_top5"])


def test_a_hub_and_its_confusions():
    p = predictions(noise=0.1)
    embeddings = p.embeddings.copy()
    embeddings[p.labels == 7] = p.class_vectors[4]
    some = np.flatnonzero(p.labels == 9)[:3]
    embeddings[some] = p.class_vectors[4]
    found = diagnose(replace(p, embeddings=embeddings))
    sevens = int((p.labels == 7).sum())
    assert found["confused"] == [
        {"class": "c07", "taken_for": "c04", "videos": sevens, "percent": 100.0},
        {
            "class": "c09",
            "taken_for": "c04",
            "videos": 3,
            "percent": pytest.approx(300 / (p.labels == 9).sum()),
        },
    ]
    hubness = found["hubness"]
    assert hubness["hubs"][0] == ["c04", int((p.labels == 4).sum()) + sevens + 3]
    assert hubness["never"] == ["c07"] and hubness["skewness"] > 0.5


def test_calibration_of_known_scores():
    cosine = np.repeat([0.2, 0.4, 0.6, 0.8], 250)
    right = np.concatenate([np.arange(250) < 250 * c for c in (0.2, 0.4, 0.6, 0.8)])
    found = calibration(cosine, right)
    assert found["ece"] == pytest.approx(0, abs=1e-9) and found["auroc"] > 0.7
    assert found["bins"] == [[pytest.approx(c)] * 2 for c in (0.2, 0.4, 0.6, 0.8)]
    assert calibration(np.minimum(cosine + 0.1, 1), right)["ece"] == pytest.approx(0.1)
    assert calibration(cosine, np.ones(1000, bool))["auroc"] is None


@pytest.mark.filterwarnings("error")
def test_one_class_is_looked_into_without_a_warning():
    found = diagnose(predictions(20, classes=1))
    assert found["per_class"] == [
        {"class": "c00", "videos": 20, "top1": 100.0, "top5": 100.0, "predicted": 20}
    ]
    assert found["confused"] == [] and found["hubness"]["skewness"] == 0
    assert found["calibration"]["auroc"] is None


def test_the_classes_with_most_mistakes_are_drawn():
    p = predictions(videos=2000, classes=40, noise=20)
    counts = confusion_matrix(p)
    wrong = counts.sum(axis=1) - counts.diagonal()
    drawn, names = most_confused(counts, [str(name) for name in p.class_names])
    rows = [list(p.class_names).index(name) for name in names]
    assert drawn.shape == (30, 31) and rows == sorted(rows)
    assert wrong[rows].min() >= np.delete(wrong, rows).max()
    assert np.array_equal(drawn.sum(axis=1), np.bincount(p.labels)[rows])  # with all others
    assert drawn[:, :-1].diagonal().sum() == counts.diagonal()[rows].sum()
    few = most_confused(counts[:30, :30], names)
    assert few[0].shape == (30, 30) and few[1] == names
