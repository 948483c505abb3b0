"""The same video on both sides, by id, bytes and content."""

import shutil
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from helpers.videos import write_video
from zsvideo.data import fingerprints
from zsvideo.data.content import BANDS, HINTS, NEAR, common, likely_pairs
from zsvideo.data.decoding.forms import FormSpec
from zsvideo.data.fingerprints import compare_videos, video_id
from zsvideo.data.preparation import prepare
from zsvideo.data.synthetic import domain_classes, generate
from zsvideo.data.videos import Video
from zsvideo.errors import UserError


def copied(source, file, size, fps, start=0.0, end=1.0, **how):
    """Encode a part of a video again, at another size and frame rate."""
    with av.open(str(source), metadata_errors="ignore") as container:
        rate = float(container.streams.video[0].average_rate)
        frames = [f.reformat(*size, "rgb24").to_ndarray() for f in container.decode(video=0)]
    first, last = int(start * len(frames)), int(end * len(frames))
    times = np.arange(first / rate, last / rate, 1 / fps)
    chosen = np.clip(np.round(times * rate).astype(int), first, last - 1)
    write_video(file, np.stack([frames[i] for i in chosen]), fps=fps, **how)


@pytest.fixture
def generated(tmp_path):
    for domain, count, videos in (("source", 12, 3), ("target", 6, 3)):
        classes = domain_classes(domain, 24, 0, 0)[:count]
        generate(tmp_path / domain, classes, videos, domain, 3)
    return tmp_path


def pairs(found):
    return {(Path(p["source"]).name, Path(p["target"]).name) for p in found["pairs"]}


def compare(root, **more):
    return compare_videos(
        {"source.root": str(root / "source")},
        {"target.x.root": str(root / "target")},
        root / "cache",
        **more,
    )


@pytest.mark.slow
def test_planted_copies_are_found_and_nothing_else(generated, shared):
    files = sorted((generated / "source").glob("*/*.mp4"))
    for number, clip in enumerate(sorted((shared / "clips").glob("*/*/*"))):
        shutil.copy(clip, generated / "source" / f"real{number}{clip.suffix}")
    real = sorted((generated / "source").glob("real*"))
    expected = set()

    def plant(source, name):
        unique = source.with_name(f"src_{name}{source.suffix}")
        source.rename(unique)
        expected.add((unique.name, name))
        return unique, generated / "target" / "planted" / name

    (generated / "target" / "planted").mkdir()
    shutil.copy(*plant(files[0], "bytes.mp4"))
    copied(*plant(files[5], "size.mp4"), (96, 72), 25, codec="libx264")
    copied(*plant(files[12], "rate.avi"), (64, 48), 15)
    copied(*plant(files[20], "trim.mp4"), (64, 48), 25, 0.25, 0.85, codec="libx264")
    for number, clip in enumerate(real):
        part = (0.3, 0.9) if number % 2 else (0.0, 1.0)
        copied(*plant(clip, f"real{number}.mp4"), (200, 152), 20, *part, codec="libx264")
    found = compare(generated)
    assert pairs(found) == expected and len(expected) == 14
    assert found["compared"]["source"] == 36 + 10 and not found["unreadable"]
    evidence = {Path(p["target"]).name: p["evidence"] for p in found["pairs"]}
    assert "same bytes" in evidence["bytes.mp4"]
    assert evidence["trim.mp4"][0].startswith("same content")


def test_generated_videos_alone_make_no_pair_and_the_cache_is_used(generated, monkeypatch):
    assert compare(generated)["pairs"] == []
    monkeypatch.setattr(fingerprints, "fingerprint", None)  # would fail if called again
    assert compare(generated)["compared"] == {"source": 36, "targets": 18}


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("R6llTwEh07w_000010_000020", "R6llTwEh07w"),
        ("v_R6llTwEh07w", "R6llTwEh07w"),
        ("R6llTwEh07w", "R6llTwEh07w"),
        ("-5qy9Y_Y3jA_000010_000020", "-5qy9Y_Y3jA"),
        ("v_Archery_g01_c01", "v_Archery_g01_c01"),
        ("RATRACE_wave_f_nm_np1_fr_goo_37", "RATRACE_wave_f_nm_np1_fr_goo_37"),
        ("000", ""),
        ("running_001", ""),
        ("Running_001", ""),
        ("IMG_1234567", ""),
        ("Class01_002", ""),
        ("my holiday", ""),
    ],
)
def test_ids_of_published_sets(name, id):
    assert video_id(f"/somewhere/{name}.mp4", "") == id
    assert video_id("/somewhere/0001.mp4", f"class/{name}") == id
    assert video_id("/somewhere/0001.mp4", f"class/{name}.avi") == id


def test_the_same_id_in_other_bytes_and_in_manifests(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (2, 12, 48, 64, 3), dtype=np.uint8)
    write_video(tmp_path / "source" / "R6llTwEh07w_000010_000020.mp4", noise[0], codec="libx264")
    write_video(tmp_path / "target" / "v_R6llTwEh07w.mp4", noise[1], codec="libx264")
    assert [p["evidence"] for p in compare(tmp_path)["pairs"]] == [["same id R6llTwEh07w"]]
    shutil.move(tmp_path / "target" / "v_R6llTwEh07w.mp4", tmp_path / "target" / "1.mp4")
    (tmp_path / "target" / "manifest.csv").write_text(
        "id,path\nx/v_R6llTwEh07w,1.mp4\ny,gone.mp4\n"
    )
    found = compare_videos(
        {"source.root": str(tmp_path / "source")},
        {"target.x.root": str(tmp_path / "target" / "manifest.csv")},
        tmp_path / "cache",
    )
    assert [p["evidence"] for p in found["pairs"]] == [["same id R6llTwEh07w"]]
    assert list(found["unreadable"]) == [str(tmp_path / "target" / "gone.mp4")]


def test_flat_videos_and_damaged_files_make_no_pair(tmp_path):
    for side in ("source", "target"):
        write_video(tmp_path / side / "black.mp4", np.zeros((20, 48, 64, 3), np.uint8))
        (tmp_path / side / "text.mp4").write_text(f"no video, {side}")
    found = compare(tmp_path)
    assert [p["evidence"] for p in found["pairs"]] == [["same bytes"]]
    assert {Path(p).name for p in found["unreadable"]} == {"text.mp4"}


def test_many_videos_of_one_camera_are_compared_fast(tmp_path):
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 5, dtype=np.uint64)
    side = [rng.choice(hashes, 100) for _ in range(150)]
    found = list(likely_pairs(side, side))
    assert len(found) == 150 * 150


def near(left, right):
    """Tell whether two frames count as one: two bands are equal, few bits differ in all."""
    bits = format(int(left) ^ int(right), "064b")
    ends = [*accumulate(reversed(BANDS), initial=0)]
    equal = sum("1" not in bits[start:end] for start, end in pairwise(ends))
    return equal >= 2 and bits.count("1") <= NEAR


def test_the_index_finds_the_pairs_that_all_comparisons_find():
    rng = np.random.default_rng(0)
    for _ in range(3):
        seeds = rng.integers(0, 2**64, 12, dtype=np.uint64)
        flips = np.bitwise_or.reduce(
            np.uint64(1) << rng.integers(0, 64, (2, 15, 4, 4)).astype("u8"), 3
        )
        sides = [[rng.choice(seeds, 4) ^ flip for flip in side] for side in flips]
        sides[0][3] = sides[0][3][[0, 0, 1, 1]]  # a frame that stays
        expected = [
            (a, b)
            for a, left in enumerate(sides[0])
            for b, right in enumerate(sides[1])
            if sum(any(near(x, y) for y in right) for x in left) >= HINTS
        ]
        assert list(likely_pairs(*sides)) == expected and 5 < len(expected) < 220


def test_order_of_moments_counts():
    rng = np.random.default_rng(0)
    long = rng.uniform(0, 255, (9, 768)).astype(np.float32)
    assert common(long[2:6], long) == 4
    assert common(long[5:1:-1], long) == 1
    assert common(np.repeat(long[3:4], 5, axis=0), long) == 1  # a still is one moment
    assert common(long[:0], long) == 0


def test_a_file_that_is_no_manifest(tmp_path):
    (tmp_path / "list.csv").write_text("name\nx\n")
    for place in (str(tmp_path / "list.csv"), str(tmp_path / "nowhere")):
        with pytest.raises(UserError, match=r"source\.root"):
            compare_videos({"source.root": place}, {}, tmp_path)
    (tmp_path / "short.csv").write_text("id,path\na,b.mp4\nx\n")
    with pytest.raises(UserError, match="line 3 names no path"):
        compare_videos({"source.root": str(tmp_path / "short.csv")}, {}, tmp_path)


@pytest.mark.parametrize("form", ["pack", "h264", "check"])
def test_prepared_folders_stand_for_their_videos(tmp_path, form):
    """As `src.prepare` promises: `use it as source.root=...`, with the originals and without."""
    coarse = np.random.default_rng(0).integers(0, 255, (2, 8, 3, 4, 3), dtype=np.uint8)
    scene, other = (np.repeat(s, 6, 0).repeat(16, 1).repeat(16, 2) for s in coarse)
    write_video(tmp_path / "source" / "run" / "a.mp4", scene, codec="libx264")
    write_video(tmp_path / "source" / "run" / "caf\udce9.mp4", other, codec="libx264")
    write_video(tmp_path / "target" / "jump" / "c.avi", scene)
    for side in ("source", "target"):
        files = sorted((tmp_path / side).glob("*/*"))
        videos = [Video(f"{f.parent.name}/{f.name}", str(f), f.parent.name) for f in files]
        spec = FormSpec(form, 128, 90, 18, 16)
        prepare(videos, tmp_path / side, tmp_path / f"out-{side}", spec, 1, 60, "folder")
    sides = {"source.root": str(tmp_path / "out-source")}, {"t": str(tmp_path / "out-target")}
    found = compare_videos(*sides, tmp_path / "cache")
    assert pairs(found) == {("a.mp4", "c.avi")} and not found["unreadable"]
    shutil.rmtree(tmp_path / "source")
    shutil.rmtree(tmp_path / "target")
    found = compare_videos(*sides, tmp_path / "other")
    assert found["compared"] == {"source": 2, "targets": 1}
    if form == "check":
        assert len(found["unreadable"]) == 3
    else:
        assert len(found["pairs"]) == 1 and not found["unreadable"]
        assert found["pairs"][0]["evidence"] == ["same content, 100 % of the shorter one"]


def test_a_cache_without_room_ends_no_comparison(tmp_path, monkeypatch, caplog):
    scene = np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), dtype=np.uint8)
    for side in ("source", "target"):
        write_video(tmp_path / side / f"{side}.mp4", scene, codec="libx264", fps=10)
    opened = fingerprints.read_prints

    def full(file):
        store, known = opened(file)
        store.execute("pragma query_only=1")  # as on a full disk no row can be added
        return store, known

    monkeypatch.setattr(fingerprints, "read_prints", full)
    fingerprints.warn_once.cache_clear()
    for _ in range(2):
        assert pairs(compare(tmp_path)) == {("source.mp4", "target.mp4")}
    assert caplog.text.count("videos are compared all the same") == 1
