"""Generated videos are real files, the same every time; only their motion tells some apart."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import av
import decord
import numpy as np
import pytest

from zsvideo.data import synthetic
from zsvideo.data.synthetic import COLOURS, DOMAINS, MOTIONS, SHAPES, class_split, generate
from zsvideo.errors import UserError

CLASSES = ["green square falling", "white bar spinning"]


def files(root):
    return {str(f.relative_to(root)): f.read_bytes() for f in sorted(root.glob("*/*"))}


@pytest.mark.parametrize("seed", range(5))
def test_split_holds_out_groups_of_motions_and_keeps_every_word(seed):
    source, target = class_split(24, 0, seed)
    assert len(target) == 24 and not set(source) & set(target)
    assert len(source) + len(target) == len(COLOURS) * len(SHAPES) * len(MOTIONS)
    assert set(" ".join(source).split()) == {*COLOURS, *SHAPES, *MOTIONS}
    looks = [name.rsplit(" ", 1)[0] for name in target]
    assert all(looks.count(look) == 3 for look in looks)


def test_split_plants_targets_in_the_source_and_follows_the_seed():
    source, target = class_split(24, 2, 0)
    assert len(set(source) & set(target)) == 2
    assert class_split(24, 2, 0) == (source, target)
    assert class_split(24, 2, 1)[1] != target


@pytest.mark.parametrize(("targets", "planted"), [(72, 0), (24, 25), (24, -1)])
def test_split_rejects_impossible_numbers(targets, planted):
    with pytest.raises(UserError, match="cannot hold out"):
        class_split(targets, planted, 0)


@pytest.mark.parametrize("domain", ["source", "target"])
def test_decord_reads_every_frame_that_was_drawn(tmp_path, domain):
    generate(tmp_path / "set", CLASSES, 2, domain, 0)
    found = sorted((tmp_path / "set").glob("*/*.*"))
    assert [f.parent.name for f in found] == [c for c in CLASSES for _ in range(2)]
    width, height = DOMAINS[domain].size
    for file in found:
        with av.open(str(file)) as container:
            assert container.streams.video[0].codec_context.name in ("h264", "mpeg4")
            expected = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        reader = decord.VideoReader(str(file), num_threads=1)
        frames = reader.get_batch(range(len(reader))).asnumpy()
        assert 24 <= len(expected) <= 40 and frames.shape == (len(expected), height, width, 3)
        assert np.abs(frames.astype(int) - np.stack(expected)).mean() < 3
        assert round(reader.get_avg_fps()) == DOMAINS[domain].fps


def test_a_video_depends_on_seed_domain_class_and_number_only(tmp_path):
    generate(tmp_path / "both", CLASSES, 6, "source", 0)
    generate(tmp_path / "one", CLASSES[1:], 5, "source", 0)
    generate(tmp_path / "other", CLASSES, 2, "source", 1)
    both = files(tmp_path / "both")
    assert files(tmp_path / "one").items() <= both.items()
    assert len(set(both.values())) == 12
    assert not set(both.values()) & set(files(tmp_path / "other").values())


def test_a_finished_set_is_kept_and_a_different_one_refused(tmp_path, monkeypatch):
    root = tmp_path / "set"
    generate(root, CLASSES, 1, "target", 0)
    monkeypatch.setattr(synthetic, "encode", lambda *_: pytest.fail("drew a finished set again"))
    generate(root, CLASSES, 1, "target", 0)
    with pytest.raises(UserError, match="another set"):
        generate(root, CLASSES, 2, "target", 0)


def test_a_killed_run_leaves_nothing_that_looks_finished(tmp_path, monkeypatch):
    root = tmp_path / "set"
    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "encode", lambda file, *_: file.write_bytes(b"half") and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            generate(root, CLASSES, 1, "source", 0)
    assert not root.exists()
    generate(root, CLASSES, 1, "source", 0)
    generate(tmp_path / "clean", CLASSES, 1, "source", 0)
    assert files(root) == files(tmp_path / "clean")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["clean", "set"]


@pytest.mark.parametrize("name", ["green square", "green square sinking", "square green falling"])
def test_unknown_classes_and_domains_are_refused(tmp_path, name):
    with pytest.raises(UserError, match="no class"):
        generate(tmp_path / "set", [name], 1, "source", 0)
    with pytest.raises(UserError, match="allowed: source, target"):
        generate(tmp_path / "set", CLASSES, 1, "moon", 0)


def test_single_frames_do_not_tell_the_motion():
    rng, now = np.random.default_rng(0), np.zeros(1)
    deciles = [
        np.quantile(
            [np.ravel(synthetic.trajectory(motion, now, 4 / 3, rng)) for _ in range(800)],
            [0.1, 0.5, 0.9],
            axis=0,
        )[:, :3]  # the angle of a spin is not wrapped
        for motion in MOTIONS
    ]
    assert (np.ptp(deciles, axis=0) < 0.15 * np.array([0.6, 0.6, 0.19])).all()


@pytest.mark.parametrize(
    ("motion", "row", "sign"),
    [
        ("falling", 1, 1),
        ("floating", 1, -1),
        ("expanding", 2, 1),
        ("contracting", 2, -1),
    ],
)
def test_directed_motions_go_their_way_between_jumps(motion, row, sign):
    seconds = np.arange(40) / 25
    moved = synthetic.trajectory(motion, seconds, 4 / 3, np.random.default_rng(3))
    steps = np.diff(moved[row])
    assert (np.sign(steps) == sign).sum() >= 36
    assert all(np.ptp(moved[other]) == 0 for other in range(4) if other != row)


def test_two_processes_may_generate_at_once(tmp_path):
    names = class_split(4, 0, 0)[1]
    root = tmp_path / "set"
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(generate, [root] * 2, [names] * 2, [2] * 2, ["source"] * 2, [0] * 2))
    assert sorted(f.name for f in tmp_path.iterdir()) == ["set"]
    assert len(list(root.glob("*/*.mp4"))) == 8
