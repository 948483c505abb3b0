"""Predictions of other code: CSV, npz, what mteb saves."""

import csv
import json

import numpy as np
import pytest

from helpers.commands import fails, finished, read
from helpers.runs import predictions
from zsvideo.data.datasets import video_set
from zsvideo.errors import UserError
from zsvideo.evaluation.external import from_mteb, read_external
from zsvideo.evaluation.protocols import full, half

NAMES = ["Tai Chi", "apply eye makeup", "archery", "Haircut"]
SPELLED = ["ApplyEyeMakeup", "Archery", "Haircut", "TaiChi"]


def write_csv(file, header, rows):
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *rows])
    return file


def scores(videos=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(NAMES), videos)
    values = rng.normal(size=(videos, len(NAMES)))
    values[np.arange(videos), labels] += 1
    return labels, values


def ucf101(tmp_path):
    return video_set(
        {"_target_": "zsvideo.data.datasets.ucf101.UCF101", "root": str(tmp_path / "ucf101")},
        "target.ucf101",
    )


@pytest.fixture
def table(tmp_path):
    labels, values = scores()
    rows = [
        [f"v_{i}.avi", NAMES[label], *map(repr, map(float, own))]
        for i, (label, own) in enumerate(zip(labels, values, strict=True))
    ]
    return write_csv(tmp_path / "mine.csv", ["id", "label", *NAMES], rows), labels, values


def test_classes_take_spelling_and_order_of_the_data_set(table, tmp_path):
    file, labels, values = table
    own = read_external(file, ucf101(tmp_path))
    assert own.class_names.tolist() == SPELLED and own.dataset == "ucf101"
    order = [1, 2, 3, 0]
    np.testing.assert_array_equal(own.scores(), values[:, order])
    assert [SPELLED[row] for row in own.labels] == [
        {"Tai Chi": "TaiChi", "apply eye makeup": "ApplyEyeMakeup"}.get(n, n.capitalize())
        for n in np.array(NAMES)[labels]
    ]
    right = 100 * np.mean(values.argmax(1) == labels)
    assert full(own).numbers["top1"] == pytest.approx(right)
    unnamed = read_external(file)
    assert unnamed.class_names.tolist() == sorted(NAMES) and unnamed.dataset is None
    assert full(unnamed).numbers["top1"] == pytest.approx(right)


def test_all_forms_give_the_same_numbers(table, tmp_path):
    file, labels, values = table
    names = np.array(NAMES)
    rows = tmp_path / "rows.npz"
    np.savez(
        rows, ids=[f"v_{i}.avi" for i in range(40)], labels=labels, class_names=names, scores=values
    )
    named = tmp_path / "named.npz"
    np.savez(named, ids=np.arange(40), labels=names[labels], class_names=names, scores=values)
    saved = {"mteb_model_meta": {"model_name": "a/b"}, "default": {"test": values.tolist()}}
    (tmp_path / "Task_predictions.json").write_text(json.dumps(saved))
    from_mteb(tmp_path / "Task_predictions.json", labels.tolist(), NAMES).save(tmp_path / "m.npz")
    expected = half(read_external(file, ucf101(tmp_path)), 10).numbers
    for other in (rows, named, tmp_path / "m.npz"):
        assert half(read_external(other, ucf101(tmp_path)), 10).numbers == expected


def test_embeddings_are_compared_by_cosine(tmp_path):
    own = predictions(videos=50, classes=6, dim=8)
    file = tmp_path / "embeddings.npz"
    np.savez(
        file,
        ids=own.ids,
        labels=own.labels,
        class_names=own.class_names,
        embeddings=own.embeddings * 7,
        class_vectors=own.class_vectors,
    )
    assert full(read_external(file)).numbers == full(own).numbers


def test_official_splits_are_those_of_the_lists(table, tmp_path):
    file, _, _ = table
    (tmp_path / "ucf101").mkdir()
    for number in (1, 2, 3):
        lines = [f"Archery/v_{i}.avi" for i in range(40) if i % 3 == number - 1]
        (tmp_path / "ucf101" / f"testlist0{number}.txt").write_text("\n".join(lines))
    own = read_external(file, ucf101(tmp_path))
    assert own.splits.sum(axis=0).tolist() == [14, 13, 13]
    assert own.splits[4].tolist() == [False, True, False]


GOOD = ["v1", "a", "0.5", "0.1"]


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (["video", "label", "a", "b"], [GOOD], "line 1 must be id,label"),
        (["id", "label"], [["v1", "a"]], "line 1 must be id,label"),
        (["id", "label", "a", "b"], [], "holds no videos"),
        (["id", "label", "a", "b"], [GOOD, GOOD[:3]], "line 3 has 3 cells"),
        (["id", "label", "a", "b"], [["v1", "c", "1", "2"]], "'c' is no column"),
        (["id", "label", "a", "b"], [["v1", "a", "one", "2"]], "no number"),
        (["id", "label", "a", "b"], [["v1", "a", "nan", "2"]], "v1 are not finite"),
        (["id", "label", "a", "b"], [GOOD, GOOD], "'v1' 2 times"),
        (["id", "label", "a", "a"], [GOOD], "'a' 2 times"),
        (["id", "label", "a", ""], [GOOD], "without a name"),
    ],
)
def test_a_wrong_table_is_told_in_one_line(header, rows, words, tmp_path):
    with pytest.raises(UserError, match=words):
        read_external(write_csv(tmp_path / "wrong.csv", header, rows))


ARRAYS = {"ids": ["v1"], "labels": [0], "class_names": ["a", "b"], "scores": [[1.0, 0.0]]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": None}, "lacks embeddings, class_vectors"),
        ({"ids": None}, "lacks ids"),
        ({"labels": [2]}, "do not fit"),
        ({"labels": [0.5]}, "cannot be used"),
        ({"labels": ["c"]}, "'c'"),
        ({"scores": [1.0, 0.0]}, "do not fit"),
        ({"scores": [[1.0, np.inf]]}, "v1 are not finite"),
        ({"scores": [["x", "y"]]}, "cannot be used"),
        ({"more": [1]}, "cannot be used"),
        ({"class_names": [["a", "b"]]}, "cannot be used|do not fit"),
    ],
)
def test_wrong_arrays_are_told_in_one_line(change, words, tmp_path):
    arrays = {k: np.array(v) for k, v in {**ARRAYS, **change}.items() if v is not None}
    np.savez(tmp_path / "wrong.npz", **arrays)
    with pytest.raises(UserError, match=words) as said:
        read_external(tmp_path / "wrong.npz")
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no predictions of mteb"),
        ("[1]", "no predictions of mteb"),
        ('{"default": {}}', "no predictions of mteb"),
        ('{"default": {"test": [[1, 0]], "train": [[1, 0]]}}', "default/test, default/train"),
        ('{"default": {"test": [[1, 0, 3]]}}', "shape"),
        ('{"default": {"test": [["a", "b"]]}}', "no predictions of mteb"),
    ],
)
def test_another_file_is_no_predictions_of_mteb(content, words, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(UserError, match=words):
        from_mteb(tmp_path / "x.json", [0], ["a", "b"])


def test_the_command_scores_a_table(table, cli, tmp_path):
    file, labels, values = table
    out = tmp_path / "scored"
    options = ["evaluation=[half,full]", "resamples=50", f"hydra.run.dir={out}"]
    said = finished(
        cli("evaluate", f"predictions={file}", "target=[ucf101]", "track=vision-language", *options)
    )
    record = read(out, "metrics.json")
    target = record["targets"]["ucf101"]
    assert target["full"]["top1"] == pytest.approx(100 * np.mean(values.argmax(1) == labels))
    assert target["used"] == 40 and target["expected"] == 13320
    assert record["track"] == "vision-language" and record["scored"]["from"] == "mine.csv"
    for warning in ("UNKNOWN: training classes", "INCOMPLETE: videos", "INCOMPLETE: classes"):
        assert warning in said
    assert f"{target['full']['top1']:.1f}" in finished(cli("report", f"run={out}"))
    two = cli("evaluate", f"predictions={file}", "target=[ucf101,hmdb51]", *options)
    fails(two, "is of one data set")
    fails(
        cli("evaluate", "predictions=nope.csv", *options), "nope.csv is not there", ".csv or .npz"
    )
    other = cli("evaluate", f"predictions={file}", "target=[hmdb51]", *options)
    fails(other, "none of hmdb51")
    alone = cli("evaluate", f"predictions={file}", "evaluation=[full]", f"hydra.run.dir={out}2")
    assert "mine" in finished(alone)
