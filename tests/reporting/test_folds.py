"""A study of folds: parts of one set together, networks on the same videos, words about both."""

import csv
import json

import numpy as np
import pytest

from helpers.runs import finished_run, listed, renew_sums
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.scoring import content
from zsvideo.experiment.scoring import evaluations_of, score_run
from zsvideo.reporting.studies.report import report

SEEN, OTHER = ["run", "walk", "wave"], ["hug", "kick"]
FOLDS = (["ann", "bob"], ["cyd"], ["dan"])
EVALUATION = {"full": {"_target_": "zsvideo.evaluation.protocols.full", "_partial_": True}}


def predict(ids, labels, taken_for, names, rng):
    """Make predictions that take each video for the class named."""
    vectors = np.eye(9, dtype=np.float32)[: len(names)]
    if names == OTHER:
        vectors = np.eye(9, dtype=np.float32)[4 : 4 + len(names)]
    noise = rng.normal(size=(len(ids), 9)) / 100
    embeddings = (vectors[taken_for] + noise).astype(np.float32)
    trained = np.eye(9, dtype=np.float32)[: len(SEEN)]
    return Predictions(
        np.array(ids),
        np.array(labels),
        embeddings,
        np.array(names),
        vectors,
        trained_names=np.array(SEEN),
        trained_vectors=trained,
    )


@pytest.fixture
def study(tmp_path):
    """Three folds; of the last fold's walks all but one are taken for run; others by chance."""
    rng, jobs = np.random.default_rng(0), []
    for number, actors in enumerate(FOLDS):
        folder = tmp_path / "full" / "jobs" / str(number)
        ids = [f"{n}/{a}_{n}_{k}.avi" for n in SEEN for a in actors for k in range(4)]
        labels = [k for k in range(3) for _ in range(4 * len(actors))]
        taken = list(labels)
        if number == 2:
            taken[5:8] = [0, 0, 0]
        others = [f"{n}/{k}.avi" for n in OTHER for k in range(20)]
        rightly = [k for k in range(2) for _ in range(20)]
        held = {
            "acted": predict(ids, labels, taken, SEEN, rng),
            "others": predict(others, rightly, rng.permutation(rightly), OTHER, rng),
        }
        counts = {}
        for name, predictions in held.items():
            order = rng.permutation(len(predictions.ids))
            held[name] = predictions.of(order)
            held[name].save(folder / "predictions" / f"{name}.npz")
            used = len(order)
            counts[name] = {"used": used, "found": used, "expected": used, "unreadable": {}}
        made = finished_run(tmp_path / "model", held["acted"])
        about = json.loads((made / "metrics.json").read_text())
        protocol = json.loads((made / "protocol.json").read_text())
        lists = {"acted": SEEN, "others": OTHER}
        protocol |= {
            "trained_classes": SEEN,
            "leaks": [{"name": n, "nearest": f"acted/{n}", "distance": 0.0} for n in SEEN],
            "targets": {n: {**listed(n, c), "classes": c} for n, c in lists.items()},
        }
        for key in ("targets", "seen", "protocol"):
            about.pop(key)
        score_run(evaluations_of(EVALUATION), 100, folder, protocol, held, counts, about)
        axes = {"target.weizmann.actors": actors, "seed": 0}
        jobs.append({"axes": axes, "folder": f"../jobs/{number}", "sha256": "x", "options": []})
    (tmp_path / "full" / "weizmann").mkdir()
    (tmp_path / "full" / "weizmann" / "jobs.json").write_text(
        json.dumps({"study": {"name": "weizmann"}, "jobs": jobs})
    )
    return tmp_path / "full"


def rows(folder):
    with (folder / "weizmann.csv").open(newline="") as lines:
        return {(r["target"], r["row"]): r for r in csv.DictReader(lines)}


def test_folds_alone_together_and_by_class(study):
    found = rows(report("weizmann", study))
    acted = {row: r for (target, row), r in found.items() if target == "acted, seen classes"}
    alone = [float(acted[f"seed 0, {', '.join(fold)}"]["top-1"]) for fold in FOLDS]
    assert alone == [100.0, 100.0, 75.0]
    whole = acted["seed 0, all folds, 3 networks"]
    assert float(whole["top-1"]) == pytest.approx(100 * 45 / 48) and whole["videos"] == "48"
    low, high = map(float, whole["95 % over videos"].split(" to "))
    assert 85 < low < 100 * 45 / 48 < high <= 100
    mean, *ends = (float(n) for n in whole["shuffled"].strip(")").replace("to", "(").split("("))
    assert ends[0] <= mean <= ends[1] and abs(mean - 100 / 3) < 8
    walk = acted["seed 0, class walk"]
    assert (walk["top-1"], walk["videos"], walk["taken for"]) == ("81.25", "16", "run 3")
    assert acted["seed 0, class run"]["taken for"] == ""


def test_networks_on_the_same_videos_are_averaged_not_pooled(study):
    found = rows(report("weizmann", study))
    others = {row: r for (target, row), r in found.items() if target == "others, zero-shot"}
    alone = [float(others[f"seed 0, {', '.join(fold)}"]["top-1"]) for fold in FOLDS]
    whole = others["seed 0, mean of the 3 networks"]
    assert float(whole["top-1"]) == pytest.approx(np.mean(alone), abs=1e-4)
    assert whole["videos"] == "40" and len(others) == 4


def test_words_say_what_is_seen_and_what_is_zero_shot(study):
    folder = report("weizmann", study)
    text = (folder / "weizmann.md").read_text()
    assert "acted, seed 0: top-1 93.8 %" in text
    assert "recognition of seen classes through their word vectors, no claim of zero-shot" in text
    assert "none of its 2 classes is nearer than 0.05 to a class trained on" in text
    assert "zero-shot, no better than chance: 3 classes teach no new action" in text
    assert "3 of 3 runs finished" in text and "Student" not in text
    assert ">wave<" in (folder / "weizmann.svg").read_text()
    card = json.loads((study / "jobs" / "0" / "card.json").read_text())
    assert "NOT ZERO-SHOT: the classes of acted were trained on" in card["warnings"]
    assert not any("others" in text for text in card["warnings"])
    said = (study / "jobs" / "0" / "results.md").read_text()
    assert "all 3 classes tested were trained on: this is recognition of seen classes" in said


def test_a_class_near_one_trained_on_is_no_zero_shot(study):
    for number in range(3):
        file = study / "jobs" / str(number) / "predictions" / "others.npz"
        held = Predictions.load(file)
        held.trained_vectors[0] = held.class_vectors[1]
        held.save(file)
        metrics = json.loads((study / "jobs" / str(number) / "metrics.json").read_text())
        entry = metrics["targets"]["others"]
        entry["hashes"] = content(held)
        (study / "jobs" / str(number) / "metrics.json").write_text(json.dumps(metrics))
        renew_sums(study / "jobs" / str(number))
    folder = report("weizmann", study)
    assert "others, not zero-shot" in {target for target, _ in rows(folder)}
    text = (folder / "weizmann.md").read_text()
    assert "1 of its 2 classes is nearer than 0.05 to a class trained on" in text


def test_a_missing_fold_is_named(study):
    (study / "jobs" / "1" / "metrics.json").unlink()
    text = (report("weizmann", study) / "weizmann.md").read_text()
    assert "2 of 3 runs finished" in text and "missing: 1 (stopped or running)" in text
    assert "all folds, 2 networks" in text
