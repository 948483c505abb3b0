"""Weizmann and UT-Interaction: classes by file name, actors apart, words that differ."""

import zipfile
from collections import Counter

import numpy as np
import pytest
from omegaconf import OmegaConf

from helpers.datasets import module, touch
from zsvideo.data.datasets.ut_interaction import UTInteraction
from zsvideo.data.datasets.weizmann import ACTORS, Weizmann
from zsvideo.data.downloads import download
from zsvideo.errors import UserError
from zsvideo.resources import EXPERIMENTS
from zsvideo.semantics.class_vectors import cosine_distances
from zsvideo.semantics.vectors import embedded
from zsvideo.semantics.words import class_names

CODES = list(Weizmann.codes)
FILES = [f"{actor}_{code}.avi" for actor in ACTORS for code in CODES]


def weizmann(root, **more):
    return module(Weizmann, root, **more)


def ids(data):
    return [video.id for video in data.videos]


@pytest.mark.parametrize("layout", ["{name}", "{code}/{name}", "x/{code}/Any name/{name}"])
def test_classes_come_from_file_names_in_any_layout(tmp_path, layout):
    touch(tmp_path, *(layout.format(name=n, code=n.split("_")[1][:-4]) for n in FILES))
    touch(tmp_path, "archives/bend.zip", "notes/daria_bend.txt", "daria_dance.avi", "bend.avi")
    data = weizmann(tmp_path)
    assert data.classes == sorted(class_names("weizmann"))
    assert len(data.videos) == 90 == data.published
    labels = {video.id.split("/")[1]: video.label for video in data.videos}
    assert labels["ira_pjump.avi"] == "jump in place" and labels["ido_jump.avi"] == "jump forward"
    assert labels["eli_wave1.avi"] == "wave one hand" and labels["eli_side.avi"][:6] == "gallop"


def test_second_takes_count_and_absent_videos_are_expected(tmp_path):
    touch(tmp_path, *(f for f in FILES if f not in ("lena_walk.avi", "ido_bend.avi")))
    touch(tmp_path, "lena_walk1.avi", "lena_walk2.avi")
    data = weizmann(tmp_path)
    walks = [v.id for v in data.videos if v.label == "walk" and "lena" in v.id]
    assert walks == ["walk/lena_walk1.avi", "walk/lena_walk2.avi"]
    assert (len(data.videos), data.published) == (90, 91)


def test_the_folds_of_the_experiment_cover_all_actors_once_and_share_none(tmp_path):
    touch(tmp_path, *FILES)
    preset = OmegaConf.load(EXPERIMENTS / "weizmann.yaml")
    sweep = OmegaConf.to_container(preset, resolve=False)["hydra"]["sweeper"]["params"]
    text = sweep["target.weizmann.actors"].strip("[]").split("],[")
    folds = [part.split(",") for part in text]
    assert sorted(a for fold in folds for a in fold) == sorted(ACTORS)
    tested = Counter()
    for fold in folds:
        test, train = weizmann(tmp_path, actors=fold), weizmann(tmp_path, leave_out=fold)
        assert not set(ids(test)) & set(ids(train))
        assert sorted(ids(test) + ids(train)) == sorted(ids(weizmann(tmp_path)))
        assert {v.id.split("/")[1].split("_")[0] for v in test.videos} == set(fold)
        assert (test.published, train.published) == (30, 60)
        tested.update(ids(test))
    assert set(tested.values()) == {1} and len(tested) == 90
    both = weizmann(tmp_path, actors=["ido", "ira"], leave_out=["ira"])
    assert len(both.videos) == 10 and ids(both) == ids(weizmann(tmp_path, actors=["ido"]))


def test_the_sources_actors_follow_the_targets(config):
    composed = config("experiments=weizmann", "target.weizmann.actors=[ido,ira]", "source.root=x")
    assert composed.source.leave_out == ["ido", "ira"]
    assert composed.target.weizmann.root == "x"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"actors": ["ido", "nobody"]}, r"target\.x\.actors.*nobody is unknown.*daria, denis"),
        ({"leave_out": "ido"}, r"target\.x\.leave_out=ido must be a list"),
        ({"actors": ["ido"], "leave_out": ["ido"]}, r"no videos of any actor.*target\.x\.actors"),
        ({"actors": ["ira"]}, "no videos of ira"),
    ],
)
def test_actors_that_cannot_be_chosen(tmp_path, choice, words):
    touch(tmp_path, "ido_walk.avi")
    with pytest.raises(UserError, match=words):
        weizmann(tmp_path, **choice)


def test_actors_of_a_prepared_set(tmp_path):
    rows = [("walk/ido_walk.avi", "ok"), ("walk/ira_walk.avi", "ok"), ("run/ira_run.avi", "bad")]
    lines = [f"{name},videos/{n}.frames,walk,{s}" for n, (name, s) in enumerate(rows)]
    (tmp_path / "manifest.csv").write_text("\n".join(["id,path,class,status", *lines]))
    data = weizmann(tmp_path, actors=["ira"])
    assert ids(data) == ["walk/ira_walk.avi"] and list(data.quarantined) == ["run/ira_run.avi"]
    assert weizmann(tmp_path, leave_out=["ira"]).quarantined == {}


def test_the_archives_are_unpacked_where_the_videos_are_found(tmp_path):
    """They lie in `archives` as if fetched by hand, so that nothing is asked of a server."""
    (tmp_path / "archives").mkdir()
    items = Weizmann.archives
    assert [item.name for item in items] == [f"{code}.zip" for code in CODES]
    for code in CODES:
        with zipfile.ZipFile(tmp_path / "archives" / f"{code}.zip", "w") as archive:
            for actor in ACTORS:
                archive.writestr(f"{actor}_{code}.avi", f"{actor} {code}")
    download(items, tmp_path)
    assert len(weizmann(tmp_path).videos) == 90
    names = [item.name for item in UTInteraction.archives]
    assert names == [f"ut-interaction_segmented_set{n}.zip" for n in (1, 2)]


def test_ut_interaction_as_published(tmp_path):
    touch(tmp_path, *(f"segmented_set1/{n}_{1 + n // 6}_{n % 6}.avi" for n in range(60)))
    touch(tmp_path, *(f"segmented_set2/{n}_{11 + n // 6}_{n % 6}.avi" for n in range(60)))
    touch(tmp_path, "segmented_set2/readme.avi", "hug/set1_60_10_1.avi", "1_2_9.avi")
    data = module(UTInteraction, tmp_path)
    assert data.classes == sorted(class_names("ut_interaction"))
    assert len(data.videos) == 121 and data.published == 120
    label = {video.id.split("/")[1]: video.label for video in data.videos}
    assert label["4_1_4.avi"] == "punch" and label["set1_60_10_1.avi"] == "hug"


def test_nothing_there_says_what_to_fetch_and_where_to_put_it(tmp_path):
    with pytest.raises(UserError, match=r"weizmann is not at .*dataset=weizmann.*bend\.zip"):
        weizmann(tmp_path / "none")
    with pytest.raises(UserError, match=r"dataset=ut_interaction.*segmented_set1"):
        module(UTInteraction, tmp_path)


@pytest.mark.parametrize("rules", ["legacy", "fixed"])
def test_the_embedded_vectors_tell_all_classes_apart(tmp_path, rules):
    vectors = embedded(cache=str(tmp_path), word_rules=rules)
    trained = vectors.of(class_names("weizmann"), "weizmann", "weizmann")
    tested = vectors.of(class_names("ut_interaction"), "ut_interaction", "ut_interaction")
    assert not trained.unknown and not tested.unknown
    assert not trained.equal() and not tested.equal()
    own = cosine_distances(trained.matrix, trained.matrix)
    assert own[~np.eye(10, dtype=bool)].min() > 0.1  # one hand, two hands
    assert cosine_distances(trained.matrix, tested.matrix).min() > 0.05  # no class of both


def test_the_real_sets(shared):
    root = shared / "datasets"
    data = weizmann(root / "weizmann")
    assert Counter(v.label for v in data.videos) == dict.fromkeys(class_names("weizmann"), 9)
    assert len(data.videos) == data.published
    data = module(UTInteraction, root / "ut_interaction")
    assert set(Counter(v.label for v in data.videos).values()) == {20}
    assert all(v.label in v.path for v in data.videos)
