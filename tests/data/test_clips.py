"""Clips are the same for any number of workers; unreadable videos never feed noise."""

import struct
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from helpers.vectors import bank
from helpers.videos import grey_video, length_of, write_video
from zsvideo.data.clips import Clips, Video, assemble, collate, read_clips
from zsvideo.data.datamodule import VideoDataModule
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.decoding.reading import claimed_length
from zsvideo.data.epochs import EpochSampler, class_weights
from zsvideo.data.options import ClipSpec, LoaderSpec
from zsvideo.data.sampling import authors_frames, hold_last
from zsvideo.errors import UserError

SPEC = ClipSpec(16, 25, 40, 32, 0.5, "loop")
BANK = bank({"a": np.array([1.0, 0.0]), "b": np.array([0.0, 1.0])})


@pytest.fixture
def videos(tmp_path):
    for label in "ab":
        for number in range(3):
            grey_video(tmp_path / label / f"{number}.avi", 30)
    files = sorted(tmp_path.glob("*/*.avi"))
    return [Video(f"{f.parent.name}/{f.name}", str(f), f.parent.name) for f in files]


def batches(clips, workers, epoch=0):
    sampler = EpochSampler(len(clips), 7, shuffle=clips.train)
    sampler.set_epoch(epoch)
    loader = DataLoader(clips, 2, sampler=sampler, num_workers=workers, collate_fn=collate)
    return list(loader)


def test_workers_do_not_change_a_pixel_and_epochs_do(videos):
    clips = Clips(videos, BANK, SPEC, 7, train=True)
    for one, two in zip(batches(clips, 0), batches(clips, 2), strict=True):
        assert torch.equal(assemble(one), assemble(two)) and torch.equal(one["label"], two["label"])
    later = batches(clips, 0, epoch=1)
    assert not all(
        torch.equal(assemble(a), assemble(b)) for a, b in zip(batches(clips, 0), later, strict=True)
    )


def test_shapes_labels_and_targets(videos):
    train = Clips(videos, BANK, SPEC, 0, train=True)[(0, 4)]
    clips = assemble(train)
    assert clips.shape == (1, 3, 16, 32, 32) and clips.dtype == torch.uint8
    assert train["label"] == 1 and train["target"].tolist() == [0, 1]
    grey = clips[0, 0].float().mean(dim=(1, 2))
    assert abs(float(grey[-1] - grey[0]) - 75) < 10 and (grey.diff() > 0).all()
    test = Clips(videos, BANK, SPEC, 0, train=False)[(0, 0)]
    assert assemble(test).shape[0] == 25 and len(test["frames"]) == 30


@pytest.mark.parametrize("train", [False, True])
def test_a_batch_is_the_clips_of_its_samples(videos, train):
    clips = Clips(videos, BANK, SPEC, 0, train)
    samples = [clips[(0, i)] for i in (5, 0, 3, 1, 2)]
    if train:
        assert {bool(sample["mirrored"]) for sample in samples} == {False, True}
    together = assemble(collate(samples))
    assert together.shape == (5, 1 if train else 25, 3, 16, 32, 32)
    for sample, made in zip(samples, together, strict=True):
        assert torch.equal(assemble(sample), made)


def test_a_label_keeps_its_vector_when_classes_go(videos):
    only_b = Clips(videos[3:], BANK.of("b"), SPEC, 0, train=True)[(0, 0)]
    assert only_b["label"] == 0 and only_b["target"].tolist() == [0, 1]


def test_unreadable_videos_are_replaced_in_training_and_left_out_in_testing(videos):
    Path(videos[1].path).write_text("broken")
    Path(videos[4].path).unlink()
    train = Clips(videos, BANK, SPEC, 0, train=True)
    sample = train[(0, 1)]
    assert sample["unreadable"][0] == ("a/1.avi", "not a video file")
    assert sample["index"] not in (1, 4)
    clean = assemble(train[(0, sample["index"])]).float().std() < 80
    own = BANK.of([videos[sample["index"]].label]).vectors[0]
    assert clean and sample["target"].tolist() == own.tolist()
    test = batches(Clips(videos, BANK, SPEC, 0, train=False), 0)
    assert torch.cat([b["index"] for b in test if "index" in b]).tolist() == [0, 2, 3, 5]
    assert [pair[0] for b in test for pair in b["unreadable"]] == ["a/1.avi", "b/1.avi"]


def test_a_batch_without_a_readable_video(videos):
    for video in videos:
        Path(video.path).unlink()
    batch = batches(Clips(videos, BANK, SPEC, 0, train=False), 0)[0]
    assert set(batch) == {"unreadable"} and len(batch["unreadable"]) == 2


def test_unlabelled_videos_are_read_as_labelled_ones(videos):
    Path(videos[1].path).write_text("broken")
    unlabelled = [Video(video.id, video.path) for video in videos]
    for train in (False, True):
        labelled = Clips(videos, BANK, SPEC, 0, train, replace=False)
        clips = Clips(unlabelled, None, SPEC, 0, train, replace=False)
        samples = [clips[(0, i)] for i in range(4)]
        assert [sample["ok"] for sample in samples] == [True, False, True, True]
        batch = collate(samples)
        assert batch["index"].tolist() == [0, 2, 3] and not {"label", "target"} & set(batch)
        assert batch["unreadable"] == [("a/1.avi", "not a video file")]
        theirs = collate([labelled[(0, i)] for i in range(4)])
        assert torch.equal(assemble(batch), assemble(theirs))
    assert torch.equal(assemble(read_clips(unlabelled[2], SPEC)), assemble(clips_of(videos[2])))


def clips_of(video):
    return Clips([video], BANK, SPEC, 0, train=False)[(0, 0)]


def test_bad_specs():
    for name, value in (
        ("test_rule", "tsn"),
        ("single_clip", "last"),
        ("resize", "round"),
        ("segment_cap", 3),
        ("train_last", "no"),
        ("length", "guessed"),
        ("antialias", "no"),
    ):
        with pytest.raises(UserError, match=f"clips.{name}={value}"):
            ClipSpec(16, 25, 128, 112, 0.5, "loop", **{name: value})
    with pytest.raises(UserError, match=r"clips\.crop=128"):
        ClipSpec(16, 25, 128, 128, 0.5, "loop", resize="floor")
    with pytest.raises(UserError, match="short_videos"):
        ClipSpec(16, 25, 128, 112, 0.5, "noise")
    with pytest.raises(UserError, match="crop"):
        ClipSpec(16, 25, 100, 112, 0.5, "loop")


def grey_frames(clips):
    """Tell frame numbers (N, T) from the grey values of `grey_video`."""
    return ((clips.float().mean(dim=(1, 3, 4)) - 10) / 5).round().int()


def test_clips_of_a_video_file_in_the_authors_code(tmp_path):
    grey_video(tmp_path / "a" / "0.mkv", 40, codec="ffv1")
    video = Video("a/0.mkv", str(tmp_path / "a" / "0.mkv"), "a")
    spec = ClipSpec(16, 25, 40, 32, 0.0, "repeat_last", test_rule="authors_code")
    clips = assemble(Clips([video], BANK, spec, 0, train=False)[(0, 0)])
    assert np.array_equal(grey_frames(clips).numpy(), authors_frames(40, 16, 25, None))
    segment = replace(video, window=(0.0, 1.0))  # frames 0..24
    capped = Clips([segment], BANK, replace(spec, segment_cap=16), 0, train=False)
    length = len(np.unique(grey_frames(assemble(capped[(0, 0)]))))
    assert length == 25  # starts 0..15, each of 16 frames, as far as the segment goes
    single = Clips([video], BANK, replace(spec, test_clips=1, single_clip="first"), 0, False)
    assert grey_frames(assemble(single[(0, 0)]))[0].tolist() == list(range(16))


def test_a_flipped_clip_is_the_mirror_of_itself(tmp_path):
    ramp = np.tile(np.arange(0, 240, 5, np.uint8)[None, None, :, None], (20, 40, 1, 3))
    write_video(tmp_path / "a" / "0.avi", ramp)
    video = [Video("a/0.avi", str(tmp_path / "a" / "0.avi"), "a")]
    pictures = {}
    for flip in (0.0, 1.0):
        spec = ClipSpec(16, 25, 40, 40, flip, "loop")
        pictures[flip] = assemble(Clips(video, BANK, spec, 0, train=True)[(0, 0)])
    assert (pictures[0.0][..., 0].float() < pictures[0.0][..., -1].float()).all()
    spec = ClipSpec(16, 25, 40, 32, 1.0, "loop")
    mirrored = assemble(Clips(video, BANK, spec, 0, train=True)[(0, 0)]).float()
    assert (mirrored[..., 0] > mirrored[..., -1]).all()


def epoch(sampler, number):
    sampler.set_epoch(number)
    return list(sampler)


def test_an_epoch_is_shared_without_double_and_can_be_continued():
    whole = epoch(EpochSampler(10, 3, True, length=8), 2)
    shares = [epoch(EpochSampler(10, 3, True, length=8, rank=r, world_size=2), 2) for r in (0, 1)]
    assert sorted(shares[0] + shares[1]) == sorted(whole) and len(set(whole)) == 8
    continued = EpochSampler(10, 3, True, length=8)
    continued.start_at(2, 5)
    assert list(continued) == whole[5:]
    assert epoch(continued, 3) == epoch(EpochSampler(10, 3, True, length=8), 3)
    tested = [epoch(EpochSampler(7, 3, False, rank=r, world_size=2), 0) for r in (0, 1)]
    assert sorted(tested[0] + tested[1]) == [(0, i) for i in range(7)]


@pytest.mark.parametrize(("balance", "shares"), [(0.5, [2 / 3, 1 / 3]), (1, [0.5, 0.5])])
def test_classes_of_few_videos_are_drawn_more_often(balance, shares):
    labels = np.array([0] * 80 + [1] * 20)
    weights = class_weights(labels, balance)
    whole = EpochSampler(100, 3, True, length=20_000, weights=weights)
    pairs = epoch(whole, 2)
    assert len(pairs) == len(whole) == len(set(pairs)) == 20_000  # no clip comes twice
    counts = np.bincount(labels[[index for _, index in pairs]]) / len(pairs)
    assert np.allclose(counts, shares, atol=0.01)  # 3 standard deviations
    videos = np.bincount([index for _, index in pairs])
    expected = 20_000 * np.array(shares)[labels] / np.array([80, 20])[labels]
    assert np.abs(videos - expected).max() < 4.5 * np.sqrt(expected).max()
    assert not set(pairs) & set(epoch(whole, 3)) and epoch(whole, 2) == pairs

    more = {"length": 20_000, "weights": weights}
    ranks = [epoch(EpochSampler(100, 3, True, rank=r, world_size=3, **more), 2) for r in range(3)]
    assert sorted(ranks[0] + ranks[1] + ranks[2]) == sorted(pairs)
    continued = EpochSampler(100, 3, True, rank=1, world_size=3, **more)
    continued.start_at(2, 555)
    assert list(continued) == ranks[1][555:]


def test_a_small_set_taken_again_gives_other_clips():
    pairs = epoch(EpochSampler(3, 0, True, length=7), 4)
    assert len(set(pairs)) == 7 and {p for p, _ in pairs} == {12, 13, 14}
    assert [sorted(i for _, i in pairs[k : k + 3]) for k in (0, 3)] == [[0, 1, 2]] * 2
    assert not set(pairs) & set(epoch(EpochSampler(3, 0, True, length=7), 5))


@pytest.mark.parametrize(
    ("videos", "world", "batches"),
    [(600_000, 1, 4547), (600_000, 2, 2274), (1000, 1, 45), (45, 2, 1), (5, 1, 1)],
)
def test_batches_of_an_epoch(videos, world, batches):
    spec = LoaderSpec(22, 4, 0, 0)
    assert spec.epoch_batches(videos, world) == batches
    equal = LoaderSpec(22, 4, 0, 0, equal_updates=True)
    assert equal.epoch_batches(videos, world) == 100_000 // (22 * world) + 2


def claim(file, frames):
    """Let an AVI file say that it has so many frames."""
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, content.index(b"strh") + 8 + 32, frames)
    file.write_bytes(content)


def read_as_the_authors(file, frames=16, clips=25):
    """Number the frames (N, T) that their loop gives, which reads on with OpenCV to the last."""
    video = cv2.VideoCapture(str(file))
    claimed = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    period = max(claimed // clips, 1)
    starts = range(0, claimed, period)[: min(clips, claimed // period)]
    selection = {start + t for start in starts for t in range(frames)}
    kept = []
    for number in range(max(selection) + 1):
        decodes, _ = video.read()
        if number in selection:
            kept.append(number if decodes else kept[-1])
    while len(kept) < clips * frames:
        kept += kept[: clips * frames - len(kept)]
    return np.array(kept).reshape(clips, frames)


@pytest.mark.parametrize("claimed", [40, 41, 47, 450])
def test_clips_of_the_length_that_a_container_claims(tmp_path, claimed):
    (tmp_path / "a").mkdir()
    grey_video(tmp_path / "a" / "0.avi", 40, codec="ffv1")
    claim(tmp_path / "a" / "0.avi", claimed)
    video = Video("a/0.avi", str(tmp_path / "a" / "0.avi"), "a")
    spec = ClipSpec(16, 25, 40, 32, 0.0, "repeat_last", test_rule="authors_code", length="claimed")
    clips = grey_frames(assemble(Clips([video], BANK, spec, 0, train=False)[(0, 0)])).numpy()
    assert np.array_equal(clips, read_as_the_authors(video.path))
    known = replace(video, claimed=claimed)
    claim(tmp_path / "a" / "0.avi", 40)
    again = grey_frames(assemble(Clips([known], BANK, spec, 0, train=False)[(0, 0)])).numpy()
    assert np.array_equal(clips, again)
    plain = Clips([known], BANK, replace(spec, length="decoded"), 0, train=False)[(0, 0)]
    assert np.array_equal(grey_frames(assemble(plain)).numpy(), authors_frames(40, 16, 25, None))
    training = Clips([known], BANK, replace(spec, train_last=False), 0, train=True)
    starts = {int(grey_frames(assemble(training[(e, 0)]))[0, 0]) for e in range(200)}
    assert max(starts) == min(claimed - 17, 39)  # beyond the 40th frame the 40th is held
    assert claimed > 60 or starts == set(range(claimed - 16))
    segment = replace(known, window=(0.0, 1.0))  # frames 0..24: its array has no container
    cut = assemble(Clips([segment], BANK, spec, 0, train=False)[(0, 0)])
    assert int(grey_frames(cut).max()) == 24


def test_real_clips_are_cut_as_the_authors_read_them(shared):
    """One of HMDB51 claims 75 frames of which 74 decode: 336 of its 400 frames are others."""
    spec = ClipSpec(16, 25, 128, 112, 0.0, "repeat_last", test_rule="authors_code")
    moved = {}
    for file in sorted((shared / "clips").glob("[hku]*/*/*")):
        length = length_of(file)
        claimed = hold_last(authors_frames(claimed_length(file), 16, 25, None), length)
        assert np.array_equal(claimed, read_as_the_authors(file)), file.name
        moved[file.name] = (claimed != authors_frames(length, 16, 25, None)).sum()
        if moved[file.name]:
            video = [Video("a", str(file), "a")]
            theirs = Clips(video, BANK, replace(spec, length="claimed"), 0, train=False)[(0, 0)]
            numbers, places = np.unique(claimed, return_inverse=True)
            assert np.array_equal(theirs["frame_indices"].numpy(), places.reshape(25, 16))
            assert len(theirs["frames"]) == len(numbers)
    assert sorted(moved.values())[-2:] == [0, 336]


def test_the_last_batch_of_a_small_epoch_may_be_small():
    kept = LoaderSpec(22, 4, 0, 0, partial_batch=True)
    found = {n: kept.epoch_batches(n) for n in (1000, 990, 23, 22, 21, 1, 100_030, 600_000)}
    assert found == {
        1000: 46,
        990: 45,
        23: 2,
        22: 1,
        21: 1,
        1: 1,
        100_030: 4547,
        600_000: 4547,
    }
    assert kept.epoch_batches(1000, 2) == 23 and kept.epoch_batches(45, 2) == 1
    assert replace(kept, equal_updates=True).epoch_batches(1000) == 4547


@pytest.mark.parametrize(("partial", "sizes"), [(True, [4, 4, 2]), (False, [4, 4])])
def test_batches_of_a_small_set(tmp_path, partial, sizes):
    for label in "ab":
        for number in range(5):
            grey_video(tmp_path / label / f"{number}.avi", 20)
    loader = LoaderSpec(4, 4, 0, 0, partial_batch=partial)
    data = VideoDataModule(VideoSet(root=str(tmp_path)), SPEC, loader, 0)
    data.use(BANK)
    for done in range(len(sizes)):
        batches = list(data.train_dataloader(batches_done=3 * len(sizes) + done))
        assert [len(batch["label"]) for batch in batches] == sizes[done:]
    if partial:
        assert sorted(torch.cat([b["index"] for b in data.train_dataloader()])) == list(range(10))
        shares = [len(b["label"]) for rank in (0, 1) for b in data.train_dataloader(rank, 2)]
        assert shares == [4, 1, 4, 1]
    assert data.train_dataloader().sampler.weights is None
    labels = [data.bank.rows[video.label] for video in data.chosen]
    data.loader = replace(loader, balance=1.0)
    sampler = data.train_dataloader(rank=1, world_size=2, batches_done=3).sampler
    assert np.array_equal(sampler.weights, class_weights(np.array(labels), 1.0))


@pytest.mark.parametrize("claimed", ["", "41"])
def test_what_prepared_videos_no_longer_know_is_told(tmp_path, caplog, claimed):
    rows = f"path,class,frames,claimed,prepared\na.avi,a,40,{claimed},a.frames\n"
    (tmp_path / "manifest.csv").write_text(rows)
    spec = replace(SPEC, length="claimed", antialias=True)
    loader = LoaderSpec(4, 4, 0, 0)
    (video,) = VideoDataModule(VideoSet(root=str(tmp_path)), spec, loader, 0).videos
    assert (video.frames, video.claimed) == (40, int(claimed or 0) or None)
    assert ("prepare again" in caplog.text) == (not claimed)
    assert "needs the originals" in caplog.text
    caplog.clear()
    VideoDataModule(VideoSet(root=str(tmp_path)), SPEC, loader, 0)
    assert not caplog.text
