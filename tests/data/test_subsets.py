"""Subsets of the training set: sizes, seeds, clusters, and the link from label to vector."""

import itertools
from collections import Counter
from functools import partial

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from helpers.vectors import bank, toy_vectors
from helpers.videos import grey_video
from zsvideo.data import subsets
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.data.videos import Video, Videos
from zsvideo.data.zeroshot import ZeroShotDataModule
from zsvideo.errors import UserError
from zsvideo.semantics.class_texts import ClassVectorSpec
from zsvideo.semantics.protocol import Protocol
from zsvideo.semantics.text_vectors import TextEncoder, TextVectors
from zsvideo.semantics.vectors import WordVectors, embedded
from zsvideo.semantics.words import class_names

NAMES = [f"c{n:02d}" for n in range(40)]
VIDEOS = Videos.of(
    Video(f"{name}/{i}", "", name) for name in [*NAMES, "kept out"] for i in range(5)
)


def unit_rows(seed=0, groups=4):
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(groups, 30))
    rows = centres[np.arange(len(NAMES)) % groups] + rng.normal(size=(len(NAMES), 30))
    return dict(zip(NAMES, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))


BANK = bank(unit_rows())


def labels(subset):
    return {video.label for video in subset.videos}


def by_class(count, seed=0, nested=False, legacy=False):
    return subsets.classes(VIDEOS, BANK, count, seed, nested, legacy)


def by_sample(count, seed=0, nested=False, legacy=False):
    return subsets.samples(VIDEOS, BANK, count, seed, nested, legacy)


def by_cluster(clusters, classes=8, seed=0, cluster=None):
    return subsets.clusters(VIDEOS, BANK, clusters, classes, seed, cluster, 0)


def test_classes_come_with_all_their_videos_and_by_seed():
    for count in (1, 2, 25, 40):
        drawn = by_class(count)
        assert len(labels(drawn)) == count and len(drawn.videos) == 5 * count
        assert labels(drawn) <= set(NAMES)
    assert by_class(10) == by_class(10) and labels(by_class(10)) != labels(by_class(10, seed=1))
    assert labels(by_class(None)) == set(NAMES)
    drawn = [tuple(sorted(labels(by_class(4, seed=s)))) for s in range(300)]
    counts = np.array([sum(n in d for d in drawn) for n in NAMES])
    assert counts.min() > 10 and counts.max() < 55  # 30 each if all are equally likely


def test_nested_draws_grow_and_others_are_apart():
    grow = [labels(by_class(n, nested=True)) for n in (2, 4, 10, 25)]
    assert all(a < b for a, b in itertools.pairwise(grow))
    assert not labels(by_class(4)) <= labels(by_class(10))
    videos = [{v.id for v in by_sample(n, nested=True).videos} for n in (10, 50)]
    assert videos[0] < videos[1]


def test_legacy_spaces_classes_after_overlap_removal_and_videos_before_it():
    """D-23: the authors' code filters samples, then overlaps, then classes."""
    left = BANK.of(n for n in NAMES[:20] if n not in ("c00", "c01", "c02", "c05"))
    videos = VIDEOS.within(NAMES[:20])
    drawn = subsets.classes(videos, left, 6, 0, False, True)
    assert sorted(labels(drawn)) == ["c03", "c07", "c10", "c13", "c16", "c19"]
    assert len(drawn.videos) == 30
    assert labels(by_class(2, legacy=True)) == {"c00", "c39"}
    assert [v.id for v in by_sample(2, legacy=True).videos] == ["c00/0"]  # the other is kept out
    spaced = subsets.samples(videos, left, 6, 0, False, True)  # 0, 19, 39, 59, 79, 99 of 100
    assert [v.id for v in spaced.videos] == ["c03/4", "c07/4", "c11/4", "c15/4", "c19/4"]


def test_samples_over_all_classes():
    drawn = by_sample(60)
    assert len(drawn.videos) == 60 and len(labels(drawn)) > 25
    assert len(by_sample(0.25).videos) == 50 and len(by_sample(None).videos) == 200
    assert "kept out" not in labels(by_sample(200))


def test_clusters_lose_diversity_and_small_ones_are_left_out():
    spread = []
    for clusters in (1, 2, 4):
        values = []
        for seed in range(10):
            drawn = by_cluster(clusters, seed=seed)
            assert len(labels(drawn)) == 8
            rows = BANK.of(sorted(labels(drawn))).vectors
            values.append(subsets.diversity(rows))
            assert values[-1] == pytest.approx(pdist(rows, "cosine").mean())
        spread.append(np.mean(values))
    assert spread[0] > spread[1] > spread[2]
    group = [{name for name in NAMES if NAMES.index(name) % 4 == k} for k in range(4)]
    assert any(labels(by_cluster(4)) <= g for g in group)
    assert len({frozenset(labels(by_cluster(4, seed=s))) for s in range(10)}) > 5
    assert by_cluster(4).notes["cluster_sizes"] == [10, 10, 10, 10]
    uneven = by_cluster(7, classes=9)
    assert uneven.notes["skipped_clusters"]
    assert uneven.notes["cluster"] not in uneven.notes["skipped_clusters"]


@pytest.mark.parametrize(("clusters", "classes"), [(1, 8), (2, 8), (3, 8), (4, 8), (6, 5), (7, 9)])
def test_ten_draws_take_the_clusters_evenly(clusters, classes):
    draws = [by_cluster(clusters, classes, seed) for seed in range(10)]
    large = set(range(clusters)) - set(draws[0].notes["skipped_clusters"])
    counts = Counter(draw.notes["cluster"] for draw in draws)
    assert counts.keys() == large and max(counts.values()) - min(counts.values()) <= 1
    assert draws == [by_cluster(clusters, classes, seed) for seed in range(10)]
    assert len({frozenset(labels(draw)) for draw in draws}) > len(large)  # other classes, too


def test_diversity_with_real_class_vectors(tmp_path):
    """Fig. 5 on the classes of Kinetics-700 that the embedded vectors cover.

    Draws of one cluster are less diverse than those of all classes, and as diverse on average as
    the clusters are, which a draw of clusters by chance is not.
    """
    listed = embedded(cache=str(tmp_path), oov="drop").of(
        class_names("kinetics700"), "k", "kinetics700"
    )
    rows = zip(listed.names, listed.matrix, strict=True)
    known = bank({name: row for name, row in rows if not np.isnan(row).any()})
    videos = Videos.of(Video(name, "", name) for name in known.names)

    def drawn(clusters, seed, cluster=None):
        subset = subsets.clusters(videos, known, clusters, 50, seed, cluster, 0)
        assert len(labels(subset)) == 50
        rows = known.of(labels(subset)).vectors
        return subset.notes, subsets.diversity(rows)

    diversities = {n: np.mean([drawn(n, seed)[1] for seed in range(6)]) for n in (1, 2, 3, 6)}
    assert diversities[1] > 0.79 and all(diversities[n] < diversities[1] - 0.05 for n in (2, 3, 6))
    skipped = drawn(3, 0)[0]["skipped_clusters"]
    each = [drawn(3, 9, cluster)[1] for cluster in range(3) if cluster not in skipped]
    assert diversities[3] == pytest.approx(np.mean(each), abs=0.03)


def test_a_cluster_can_be_named():
    assert by_cluster(4, cluster=2, seed=1).notes["cluster"] == 2
    assert by_cluster(4, cluster=1, seed=1) == by_cluster(4, seed=1)
    with pytest.raises(UserError, match=r"subset\.cluster"):
        by_cluster(4, cluster=9)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: by_class(41), "subset.classes=41"),
        (lambda: by_class(0), "1 to 40"),
        (lambda: by_sample(201), "subset.samples=201"),
        (lambda: by_sample(1.5), "subset.samples=1.5"),
        (lambda: by_cluster(0), "subset.clusters=0"),
        (lambda: by_cluster(4, classes=11), "subset.classes=11"),
    ],
)
def test_impossible_subsets(draw, words):
    with pytest.raises(UserError, match=words):
        draw()


@pytest.fixture
def module(tmp_path):
    words = ["climb", "dance", "jump", "read", "run", "sing", "swim", "write"]
    toy_vectors(words).save_word2vec_format(str(tmp_path / "toy.bin"), binary=True)
    for name in words[:6]:
        for number in range(3):
            grey_video(tmp_path / "source" / name / f"{number}.avi", 18)
    for name in words[6:]:
        grey_video(tmp_path / "target" / name / "0.avi", 18)
    vectors = WordVectors(str(tmp_path / "toy.bin"), str(tmp_path / "cache"))
    clips, loader = ClipSpec(16, 1, 40, 32, 0.0, "loop"), LoaderSpec(2, 2, 0, 0)

    def make(subset, texts=None, hold_out_share=0):
        source, target = (
            VideoDataModule(VideoSet(root=str(tmp_path / place)), clips, loader, 0)
            for place in ("source", "target")
        )
        protocol = Protocol("p", "tau", 0.05, False, ["targets"])
        data = ZeroShotDataModule(
            source, {"t": target}, protocol, vectors, subset, hold_out_share, texts=texts
        )
        return data, vectors

    return make


@pytest.mark.parametrize(
    "subset",
    [
        partial(subsets.samples, samples=4, seed=3, nested=False, legacy=False),
        partial(subsets.classes, classes=2, seed=1, nested=False, legacy=False),
        subsets.everything,
    ],
)
def test_each_label_keeps_its_own_vector(module, subset):
    """D-20: a class that loses all its videos must not shift the vectors of later ones."""
    data, vectors = module(subset)
    clips = data.source.samples(train=True)
    names = list(data.source.bank.names)
    for index, video in enumerate(data.source.chosen):
        sample = clips[(0, index)]
        own = vectors.of([video.label], "own", None).matrix[0]
        assert np.allclose(sample["target"].numpy(), own, atol=1e-6)
        assert names[sample["label"]] == video.label
    assert set(names) == {video.label for video in data.source.chosen}


def test_the_record_says_what_was_drawn(module):
    draw = partial(subsets.samples, samples=4, seed=3, nested=False, legacy=False)
    data, _ = module(draw)
    written = data.protocol["subset"]
    assert (written["kind"], written["seed"], written["videos"], written["left_out"]) == (
        "samples",
        3,
        4,
        14,
    )
    assert sum(written["classes"].values()) == 4 and len(written["classes"]) < 6
    assert data.protocol["trained_classes"] == list(written["classes"])
    assert written["videos_sha256"] == module(draw)[0].protocol["subset"]["videos_sha256"]
    assert data.protocol["counts"]["kept"] == 6  # of the protocol, before the subset


@pytest.mark.parametrize(
    ("subset", "share"),
    [
        (
            partial(subsets.clusters, clusters=2, classes=2, seed=0, cluster=None, cluster_seed=0),
            0,
        ),
        (partial(subsets.classes, classes=2, seed=1, nested=False, legacy=False), 0),
        (subsets.everything, 0.3),
    ],
)
def test_class_vectors_from_texts_change_nothing_but_what_is_learned(
    module, tmp_path, subset, share
):
    spec = ClassVectorSpec(kind="text", prompts="one")
    letters = "abcdefghijklmnopqrstuvwxyz"

    def encode(texts):
        return np.array([[1 + text.count(letter) for letter in letters] for text in texts])

    texts = TextVectors.of(spec, TextEncoder(encode, {"sha256": "0"}), tmp_path / "cache")
    (plain, _), (other, _) = module(subset, None, share), module(subset, texts, share)
    assert plain.dimension == 20 and other.dimension == 26
    assert plain.source.bank.names == other.source.bank.names
    assert list(plain.source.chosen.ids) == list(other.source.chosen.ids)
    added = {"class_vectors", "class_texts"}
    assert {k: v for k, v in other.protocol.items() if k not in added} == plain.protocol
    for videos in (other.source, *other.targets.values(), *other.validation.values()):
        assert np.array_equal(videos.bank.vectors, texts.bank(videos.bank.names).vectors)
    with pytest.raises(UserError, match="trained with class_vectors=words, tested here with"):
        other.check_texts(None, "the checkpoint")
