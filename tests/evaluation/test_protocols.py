"""Accuracy by every evaluation protocol, against brute force and closed forms."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, top_k_accuracy_score

from helpers.runs import predictions, trained
from zsvideo.errors import UserError
from zsvideo.evaluation.accuracy import ZeroShotAccuracy, cosines
from zsvideo.evaluation.predictions import Predictions
from zsvideo.evaluation.protocols import (
    NotApplicable,
    check_lists,
    full,
    half,
    half_classes,
    official_splits,
    ordered,
    shuffled,
)
from zsvideo.evaluation.transfer import generalised
from zsvideo.semantics.words import class_names, read_table


def expected_cosines(p):
    unit = p.embeddings / np.linalg.norm(p.embeddings, axis=1, keepdims=True)
    return unit.astype(float) @ p.class_vectors.T.astype(float)


def test_full_equals_sklearn_and_ignores_length():
    p = predictions()
    score = full(p).numbers
    rows = np.arange(30)
    for k in (1, 5):
        expected = 100 * top_k_accuracy_score(p.labels, expected_cosines(p), k=k, labels=rows)
        assert score[f"top{k}"] == pytest.approx(expected) and 5 < expected < 95
    nearest = expected_cosines(p).argmax(1)
    assert score["macro_top1"] == pytest.approx(100 * balanced_accuracy_score(p.labels, nearest))
    longer = Predictions(p.ids, p.labels, p.embeddings * 7, p.class_names, p.class_vectors)
    assert full(longer).numbers == score


def test_order_of_classes_does_not_matter():
    p = predictions()
    order = np.random.default_rng(1).permutation(30)
    moved = Predictions(
        p.ids,
        np.argsort(order)[p.labels],
        p.embeddings,
        p.class_names[order],
        p.class_vectors[order],
    )
    for key in ("top1", "top5", "macro_top1", "ties"):
        assert full(moved).numbers[key] == pytest.approx(full(p).numbers[key])


def test_top5_of_few_classes_and_ties():
    assert full(predictions(classes=4)).numbers["top5"] == 100.0
    vectors = np.array([[1.0, 0], [1.0, 0], [0, 1.0]], np.float32)
    p = Predictions(
        np.array(["a", "b"]),
        np.array([0, 1]),
        np.array([[1.0, 0], [1.0, 0]], np.float32),
        np.array(["x", "y", "z"]),
        vectors,
    )
    score = full(p).numbers
    assert (score["top1"], score["top5"], score["videos"], score["ties"]) == (50, 100, 2, 2)
    metric = ZeroShotAccuracy()
    scores = cosines(torch.from_numpy(p.embeddings), torch.from_numpy(vectors))
    metric.update(scores, torch.from_numpy(p.labels))
    assert metric.compute() == {"top1": 50.0, "top5": 100.0, "videos": 2, "ties": 2}
    assert p.nearest().tolist() == [0, 0]


def test_ties_do_not_depend_on_where_a_class_stands():
    p = predictions(videos=700, classes=40, noise=3)
    vectors = np.concatenate([p.class_vectors, p.class_vectors])  # each class twice
    names = np.array([f"d{i:02d}" for i in range(80)])
    second = Predictions(p.ids, p.labels + 40, p.embeddings, names, vectors)
    first = Predictions(p.ids, p.labels, p.embeddings, names, vectors)
    assert full(first).numbers["top1"] == full(p).numbers["top1"]
    assert full(second).numbers["top1"] == 0 and full(second).numbers["ties"] == 700


def test_the_metric_gives_what_full_gives():
    p = predictions(noise=8)
    metric, classes = ZeroShotAccuracy(), torch.from_numpy(p.class_vectors)
    for rows in np.array_split(np.arange(1000), 7):
        scores = cosines(torch.from_numpy(p.embeddings[rows]), classes)
        metric.update(scores, torch.from_numpy(p.labels[rows]))
    score = full(p).numbers
    assert metric.compute() == {key: score[key] for key in ("top1", "top5", "videos", "ties")}


def test_scores_too_close_for_single_precision_are_told_apart():
    rng = np.random.default_rng(0)
    base = rng.normal(size=300)
    vectors = (base + rng.normal(size=(50, 300)) * 1e-4).astype(np.float32)
    labels = rng.integers(0, 50, 400)
    embeddings = (base + rng.normal(size=(400, 300)) * 1e-3).astype(np.float32)
    names = np.array([f"c{i:02d}" for i in range(50)])
    p = Predictions(np.arange(400).astype(str), labels, embeddings, names, vectors)
    unit = vectors.astype(float) / np.linalg.norm(vectors.astype(float), axis=1, keepdims=True)
    nearest = (embeddings.astype(float) @ unit.T).argmax(1)
    assert full(p).numbers["top1"] == pytest.approx(100 * (nearest == labels).mean())
    assert np.array_equal(p.nearest(), nearest)


@pytest.mark.parametrize(("draws", "size"), [(10, None), (3, 20)])
def test_half_is_the_mean_over_restricted_draws(draws, size):
    p = predictions(classes=31)
    scored = half(p, draws=draws, size=size).numbers
    assert scored["classes"] == (size or 15) and len(scored["splits"]) == draws
    values = []
    for draw in range(draws):
        chosen = np.random.RandomState(draw).permutation(31)[: size or 15]
        inside = np.isin(p.labels, chosen)
        scores = p.embeddings[inside] @ p.class_vectors[chosen].T
        values.append(100 * (chosen[scores.argmax(1)] == p.labels[inside]).mean())
    assert scored["top1_mean"] == pytest.approx(np.mean(values))
    assert scored["top1_std"] == pytest.approx(np.std(values)) and scored["std_ddof"] == 0
    assert [row["top1"] for row in scored["splits"]] == pytest.approx(values)


def test_a_thousand_draws_begin_with_the_ten():
    p = predictions()
    many = half(p, draws=1000).numbers
    assert len(many["splits"]) == 1000
    assert many["splits"][:10] == half(p, draws=10).numbers["splits"]


def test_half_draws_equal_the_published_ones(shared):
    golden = json.loads((shared / "reference" / "ep1_splits.json").read_text())["ucf101"]
    names = np.array(class_names("ucf101"))
    listed = names[ordered(names, "authors")]
    for draw, expected in enumerate(golden):
        assert listed[half_classes(101, draw)].tolist() == expected


@pytest.mark.parametrize(("table", "count"), [("ucf101", 50), ("hmdb51", 25), ("activitynet", 100)])
def test_half_follows_the_authors_sorted_lists(table, count):
    names = sorted(class_names(table))
    p = Predictions(
        np.array(names),
        np.arange(len(names)),
        np.eye(len(names), dtype=np.float32),
        np.array(names),
        np.eye(len(names), dtype=np.float32),
    )
    authors = sorted(name.replace(" ", "_") for name in names)
    drawn = half(p, draws=10)
    assert drawn.numbers["classes"] == count
    for draw in range(10):
        expected = {authors[i] for i in np.random.RandomState(draw).permutation(len(names))[:count]}
        scored = {names[v].replace(" ", "_") for v in np.flatnonzero(drawn.ranks[draw] >= 0)}
        assert scored == expected
    folded = half(p, draws=10, order="casefold").numbers["list_sha256"]
    assert (folded == drawn.numbers["list_sha256"]) == (table == "hmdb51")


def test_the_authors_put_rock_climbing_behind_rock_paper_scissors():
    names = np.array(["Rock climbing", "Rock-paper-scissors", "BMX", "Baking cookies"])
    assert names[ordered(names, "authors")].tolist() == [
        "BMX",
        "Baking cookies",
        "Rock-paper-scissors",
        "Rock climbing",
    ]
    assert names[ordered(names, "casefold")].tolist() == [
        "Baking cookies",
        "BMX",
        "Rock-paper-scissors",
        "Rock climbing",
    ]


def test_a_list_of_classes_restricts_candidates_and_videos(tmp_path):
    p = predictions(classes=10)
    (tmp_path / "list.txt").write_text("c03\nc05\nc07\n")
    scored = full(p, classes=str(tmp_path / "list.txt")).numbers
    rows = np.array([3, 5, 7])
    inside = np.isin(p.labels, rows)
    nearest = rows[expected_cosines(p)[inside][:, rows].argmax(1)]
    assert scored["classes"] == 3 and scored["videos"] == inside.sum()
    assert scored["top1"] == pytest.approx(100 * (nearest == p.labels[inside]).mean())
    with pytest.raises(NotApplicable):
        full(p, classes="truze.tsv")
    with pytest.raises(UserError, match=r"nowhere\.txt"):
        full(p, classes="nowhere.txt")
    with pytest.raises(UserError, match="authors, casefold"):
        half(p, draws=2, order="random")
    with pytest.raises(UserError, match="draws=0"):
        half(p, draws=0)


def of_data_set(dataset, names):
    names = np.array(sorted(names))
    rows = np.eye(len(names), dtype=np.float32)
    return Predictions(names, np.arange(len(names)), rows, names, rows, dataset=dataset)


def test_a_list_is_of_its_data_set_and_not_of_a_class_with_the_same_name(tmp_path):
    """Rafting is a class of UCF101 that TruZe tests; ActivityNet's Rafting is none of them."""
    ucf, activities = (of_data_set(d, class_names(d)) for d in ("ucf101", "activitynet"))
    own = of_data_set("folder", ["Rafting", "red square"])
    assert "Rafting" in activities.class_names
    assert full(ucf, classes="truze.tsv").numbers["classes"] == 31
    for other in (activities, own, replace(own, dataset=None)):
        with pytest.raises(NotApplicable, match=r"truze\.tsv is of ucf101, hmdb51, not of"):
            full(other, classes="truze.tsv")
        with pytest.raises(NotApplicable, match="of kinetics600, not of"):
            half(other, draws=3, size=1, classes="kinetics600_220.tsv")
    kinetics = of_data_set("kinetics700", class_names("kinetics700"))
    with pytest.raises(NotApplicable, match="of kinetics600, not of kinetics700"):
        half(kinetics, draws=3, size=160, classes="kinetics600_220.tsv")
    # a plain list that does not say its data set must fit as a whole
    mine = tmp_path / "mine.txt"
    mine.write_text("Rafting\nYoYo\n")
    assert full(ucf, classes=str(mine)).numbers["classes"] == 2
    for other in (activities, own):
        with pytest.raises(NotApplicable, match=r"1 of the 2 classes .* none of this target .YoYo"):
            full(other, classes=str(mine))
    with pytest.raises(NotApplicable, match=r"mine\.txt is of ucf101, not of activitynet"):
        full(activities, classes=str(mine), dataset="ucf101")
    assert full(own, classes=["Rafting"], dataset="folder").numbers["classes"] == 1
    with pytest.raises(UserError, match="names no class of ucf101: Yodel"):
        full(ucf, classes=["YoYo", "Yodel"], dataset="ucf101")
    table = tmp_path / "mine.tsv"
    table.write_text("dataset\tname\nucf101\tRafting\nfolder\tRafting\nfolder\tred square\n")
    assert full(own, classes=str(table)).numbers["classes"] == 2
    assert full(ucf, classes=str(table)).numbers["classes"] == 1
    with pytest.raises(NotApplicable, match="of ucf101, folder, not of activitynet"):
        full(activities, classes=str(table))


def test_a_list_for_no_target_is_an_error_before_anything_slow(tmp_path):
    names = list(class_names("activitynet"))
    sets = {"activitynet": ("activitynet", names), "folder": ("folder", ["Rafting"])}
    truze = partial(full, classes="truze.tsv")
    with pytest.raises(UserError, match=r"truze says nothing of target activitynet.*target folder"):
        check_lists({"truze": truze}, sets)
    check_lists({"truze": truze, "full": full}, sets)
    check_lists({"truze": truze}, sets | {"ucf101": ("ucf101", list(class_names("ucf101")))})
    with pytest.raises(UserError, match=r"nowhere\.txt cannot be read"):
        check_lists({"full": full, "mine": partial(full, classes="nowhere.txt")}, sets)


def test_published_draws_take_the_place_of_random_ones(tmp_path):
    """In the two files of the published form, or as one list of names a draw."""
    new = [row["name"] for row in read_table("kinetics600_220.tsv")]
    p = of_data_set("kinetics600", class_names("kinetics600"))
    words = [{"word": name} for name in (*class_names("kinetics400"), *new)]
    draws = [[400 + i for i in np.random.default_rng(d).permutation(220)[:160]] for d in range(3)]
    (tmp_path / "classes620_label_defn.json").write_text(json.dumps(words))
    (tmp_path / "tst_class_idxs.json").write_text(json.dumps([[int(i) for i in d] for d in draws]))
    how = {"draws": 3, "size": 160, "classes": "kinetics600_220.tsv"}
    scored = half(p, **how, splits=str(tmp_path))
    assert (scored.numbers["draws"], scored.numbers["classes"]) == (3, 160)
    for draw, numbers in enumerate(draws):
        drawn = {str(n) for n in p.class_names[np.flatnonzero(scored.ranks[draw] >= 0)]}
        assert drawn == {words[i]["word"] for i in numbers}
        (tmp_path / f"{draw}.txt").write_text("\n".join(sorted(drawn)))
    files = [str(tmp_path / f"{draw}.txt") for draw in range(3)]
    assert half(p, **how, splits=files).numbers == scored.numbers
    assert half(p, **how).numbers["list_sha256"] != scored.numbers["list_sha256"]
    with pytest.raises(NotApplicable, match="of kinetics600, not of kinetics700"):
        half(replace(p, dataset="kinetics700"), **how, splits=files)
    with pytest.raises(UserError, match="nowhere cannot be read"):
        half(p, **how, splits="nowhere")


def test_kinetics600_220_are_new_beside_kinetics400():
    listed = [row["name"] for row in read_table("kinetics600_220.tsv")]
    assert len(set(listed)) == 220
    assert set(listed) <= set(class_names("kinetics600")) - set(class_names("kinetics400"))


def test_official_splits_are_averaged():
    splits = np.random.default_rng(5).random((1000, 3)) < 0.3
    p = predictions(splits=splits)
    right = expected_cosines(p).argmax(1) == p.labels
    values = [100 * right[splits[:, n]].mean() for n in range(3)]
    scored = official_splits(p).numbers
    assert scored["top1_mean"] == pytest.approx(np.mean(values))
    assert [row["videos"] for row in scored["splits"]] == splits.sum(0).tolist()
    with pytest.raises(NotApplicable, match="split lists"):
        official_splits(predictions())


def test_shuffled_vectors_score_like_chance():
    scored = shuffled(predictions(noise=0.5), permutations=100).numbers
    assert full(predictions(noise=0.5)).numbers["top1"] > 95
    assert scored["top1_low"] <= scored["chance_top1"] <= scored["top1_high"]


def test_shuffled_is_the_mean_over_vectors_dealt_out_anew():
    p = predictions(noise=6)
    rng = np.random.default_rng(0)
    values = []
    for _ in range(3):
        moved = replace(p, class_vectors=p.class_vectors[rng.permutation(30)])
        values.append(full(moved).numbers["top1"])
    assert shuffled(p, permutations=3).numbers["top1_mean"] == pytest.approx(np.mean(values))


def test_embeddings_that_are_not_finite_are_wrong():
    p = predictions(noise=0.1)
    p.embeddings[::2] = np.nan
    assert full(p).numbers["top1"] == 50.0 and full(p).numbers["top5"] == 50.0


def test_a_class_without_videos_does_not_count_in_the_mean_over_classes():
    p = predictions(noise=0.1)
    p = p.of(p.labels != 3)
    assert full(p).numbers["macro_top1"] == 100.0


def test_scores_of_another_head_are_scored_as_they_are(tmp_path):
    """A head that does not compare by cosine saves its scores; no embedding is needed."""
    cosine = predictions(noise=3)
    scores = np.exp(5 * expected_cosines(cosine))  # the same order
    p = replace(cosine, embeddings=np.zeros((1000, 0), np.float32), head_scores=scores)
    p.save(tmp_path / "t.npz")
    loaded = Predictions.load(tmp_path / "t.npz")
    for evaluation in (full, partial(half, draws=3), partial(shuffled, permutations=3)):
        assert evaluation(loaded).numbers == evaluation(cosine).numbers
    assert (loaded.nearest() == cosine.nearest()).all()
    half_of_them = loaded.of(np.arange(0, 1000, 2))
    assert (half_of_them.scores() == loaded.scores()[::2]).all()
    with pytest.raises(NotApplicable, match="no scores"):
        generalised(trained(loaded))
    replace(p, head_scores=scores[:, :-1]).save(tmp_path / "short.npz")
    with pytest.raises(UserError, match="do not fit"):
        Predictions.load(tmp_path / "short.npz")
