"""A loaded model: the run's own numbers, spans, and models that are none."""

import argparse
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torchvision.models import video

import zsvideo
from helpers.commands import finished, read
from helpers.faults import hang
from helpers.models import CLIPS, NONE, WORDS, trained_run
from helpers.videos import grey_video, smooth, write_video
from zsvideo.errors import UserError
from zsvideo.prediction import model as prediction
from zsvideo.prediction.spans import Windows, cuts, settled
from zsvideo.prediction.videos import list_videos
from zsvideo.resources import ROOT

NAMES = ["pour tea", "climb ladder", "sing"]


@pytest.fixture
def model(tmp_path):
    return zsvideo.load(trained_run(tmp_path / "run"), device="cpu", cache=tmp_path / "cache")


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    for number in range(5):
        write_video(folder / f"{number}.mp4", smooth(20 + 7 * number) + 9 * np.uint8(number))
    return folder


@pytest.mark.slow
def test_a_run_gives_its_own_numbers_again(cli, folders, tmp_path):
    """Embeddings to the bit, and accuracy, of a run that was trained by the command."""
    run = tmp_path / "run"
    finished(cli("train", *folders, "evaluation=[full]", "resamples=0", f"hydra.run.dir={run}"))
    with np.load(run / "predictions" / "folder.npz") as stored:
        ids, embeddings = stored["ids"].tolist(), stored["embeddings"]
        names, labels = stored["class_names"].tolist(), stored["labels"]
    model = zsvideo.load(run, device="cpu", cache=tmp_path / "other")
    answers = list(model.predict(tmp_path / "target", names, top=2))
    assert [os.path.relpath(a.path, tmp_path / "target") for a in answers] == ids
    assert np.array_equal(np.stack([a.embedding for a in answers]), embeddings)
    right = [a.top[0].name == names[label] for a, label in zip(answers, labels, strict=True)]
    assert 100 * np.mean(right) == pytest.approx(
        read(run, "metrics.json")["targets"]["folder"]["full"]["top1"]
    )
    assert all(len(a.top) == 2 and a.none_of_these is None for a in answers)
    assert answers[0].top[0].nearest and answers[0].top[0].probability is None


def test_a_decoder_that_hangs_costs_one_video(model, videos, monkeypatch):
    """It hangs inside C, where no signal of Python reaches it: the process is killed."""
    whole = prediction.read_clips

    def some(video, clips):
        return hang() if video.path.endswith("2.mp4") else whole(video, clips)

    monkeypatch.setattr(prediction, "read_clips", some)
    monkeypatch.setattr(prediction, "LIMIT", 1.0)
    answers = list(model.predict(videos, NAMES))
    assert [answer.reason for answer in answers] == [
        None,
        None,
        "not decoded within 1 s",
        None,
        None,
    ]
    with pytest.raises(UserError, match="cannot be read: not decoded within 1 s"):
        model.embed(videos / "2.mp4")


def test_a_decoder_that_hangs_with_windows_costs_one_video(model, videos, monkeypatch):
    """Also in the middle of a video, whose first parts are there already."""
    whole = prediction.stretches

    def some(source, *how):
        yield from whole(source, *how)
        if source.path.endswith("2.mp4"):
            hang()

    monkeypatch.setattr(prediction, "stretches", some)
    monkeypatch.setattr(prediction, "LIMIT", 1.0)
    places = [videos / f"{number}.mp4" for number in (1, 2, 3)]
    reasons = [answer.reason for answer in model.predict(places, NAMES, window=1)]
    assert reasons == [None, "not decoded within 1 s", None]


def test_windows_do_not_depend_on_the_process_that_reads(model, videos):
    (apart,) = model.predict(videos / "4.mp4", NAMES, window=0.5)
    model.workers = 0
    (here,) = model.predict(videos / "4.mp4", NAMES, window=0.5)
    assert apart.spans == here.spans and np.array_equal(apart.embedding, here.embedding)


def test_a_head_reads_windows_as_long_as_features_are(model, videos, monkeypatch):
    """It was fitted on features of any length; to cosines alone a length is nothing."""
    monkeypatch.setattr(model.network, "head", torch.nn.Identity())
    monkeypatch.setattr(model.network, "scores", lambda own, names: 9 * own.mean[:, :3])
    asked = model.candidates(NAMES)
    (read,) = model.embeddings(list_videos(videos / "4.mp4").videos, (1.92, 0.64))
    rows = 3 * read.windows.embeddings
    long = replace(read, windows=replace(read.windows, embeddings=rows))
    (span,) = model.answer(long, asked, 3).spans
    expected = 9 * np.sort(rows.mean(axis=0)[:3])[::-1]
    assert np.allclose([answer.score for answer in span.top], expected)


def test_answers(model, videos, tmp_path):
    (tmp_path / "videos" / "3 broken.mp4").write_text("no video")
    answers = list(model.predict(videos, NAMES, top=2))
    assert [a.reason for a in answers if a.reason] == ["not a video file"]
    good = [a for a in answers if a.reason is None]
    assert len(good) == 5 and all(a.embedding.shape == (20,) for a in good)
    for answer in good:
        scores = [one.score for one in answer.top]
        assert len(scores) == 2 and scores == sorted(scores, reverse=True)
        assert answer.none_of_these == (scores[0] < NONE.threshold)
        assert 0 < answer.top[1].probability <= answer.top[0].probability < 1
    again = list(model.predict([a.path for a in answers], model.candidates(NAMES), top=2))
    assert all(a.top == b.top for a, b in zip(answers, again, strict=True))
    z = model.embed(good[0].path)
    assert z.dtype == np.float32 and np.allclose(z, good[0].embedding, atol=1e-6)
    with pytest.raises(UserError, match="cannot be read: missing file"):
        model.embed(tmp_path / "gone.mp4")


def test_a_network_without_finite_numbers_has_a_reason(model, videos):
    model.network.f_s.bias.data[0] = float("nan")
    for options in ({}, {"window": 1}):
        answers = list(model.predict(videos, NAMES, **options))
        assert all("no finite numbers" in a.reason and not a.top for a in answers)
    with pytest.raises(UserError, match="top=0"):
        model.predict(videos, NAMES, top=0)


def test_an_answer_does_not_depend_on_threads_or_working_folder(model, videos, tmp_path):
    plain = list(model.predict(videos, NAMES))
    model.workers = 0
    before = sorted(tmp_path.rglob("*"))
    alone = list(model.predict(videos, NAMES))
    assert [a.top for a in plain] == [a.top for a in alone]
    assert sorted(tmp_path.rglob("*")) == before  # nothing is written


@pytest.mark.parametrize("stop", [0.5, 2.1])
def test_spans_cost_one_pass_and_cover_the_video(model, tmp_path, monkeypatch, stop):
    write_video(tmp_path / "long.mp4", smooth(150), fps=25)
    passes = []
    features = model.network.features
    monkeypatch.setattr(
        model.network, "features", lambda clips: passes.append(len(clips)) or features(clips)
    )
    (answer,) = model.predict(tmp_path / "long.mp4", NAMES, window=2, stride=stop / 2)
    assert answer.spans[0].start == 0 and answer.spans[-1].end == pytest.approx(6, abs=0.05)
    for one, following in zip(answer.spans, answer.spans[1:], strict=False):
        assert one.end == following.start
        assert (one.top[0].name, one.none_of_these) != (
            following.top[0].name,
            following.none_of_these,
        )
    assert sum(passes) <= 150 // CLIPS.get("frames", 16)


def test_times_of_frames_decide_not_their_number():
    seconds = np.concatenate([np.arange(50) / 25, 2 + np.arange(100) / 50])  # 2 s each
    assert cuts(seconds, 1.0, 16).tolist() == [0, 25, 50, 100, 150]
    assert cuts(seconds, 0.1, 16)[1] == 18  # a stretch holds a clip, at the next of its borders
    assert cuts(np.arange(5) / 25, 1.0, 16).tolist() == [0, 5]


def test_windows_and_their_borders():
    times = np.stack([np.arange(6.0), np.arange(6.0) + 1], axis=1)
    windows = Windows.over(times, 2, 1)
    assert windows.starts.tolist() == [0, 1, 2, 3, 4]
    assert [m.tolist() for m in windows.members] == [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]
    merged = list(windows.merged(["a", "a", "b", "b", "b"]))
    assert [(s, e) for s, e, _ in merged] == [(0, 2.5), (2.5, 6)]
    assert Windows.over(times, 60, 5).ends.tolist() == [6]
    assert (windows.least, Windows.over(times, 0.5, 0.25).least) == (2, 4)  # a stretch is 1 s
    assert Windows.over(times, 2, 1.5).starts.tolist() == [0, 1.5, 3, 4]


def test_a_short_none_between_two_names_is_their_border():
    a, b, none = "a", "b", None
    assert settled([a, none, b], 2) == [a, a, b]
    assert settled([a, none, none, b], 4) == [a, a, b, b]
    assert settled([a, none, none, b], 2) == [a, none, none, b]
    assert settled([none, a, none], 2) == [none, a, none]


@pytest.mark.parametrize(
    ("window", "stride", "said"),
    [
        (None, 1, "needs a window"),
        (0, None, "window=0"),
        (1, 2, "at most window"),
        (1, -1, "above"),
        (1e-9, None, "at least 0.01"),
    ],
)
def test_windows_that_cannot_be(model, videos, window, stride, said):
    with pytest.raises(UserError, match=said):
        model.predict(videos, NAMES, window=window, stride=stride)


def test_a_checkpoint_alone_and_a_model_that_is_none(tmp_path, videos):
    run = trained_run(tmp_path / "run")
    file = run / "checkpoints" / "last.ckpt"
    alone = tmp_path / "some" / "where"
    alone.mkdir(parents=True)
    (alone / "w.ckpt").write_bytes(file.read_bytes())
    model = zsvideo.load(alone / "w.ckpt", device="cpu", cache=tmp_path / "cache")
    assert model.facts.trained is None and model.facts.none_of_these is None
    (answer, *_) = model.predict(videos, NAMES)
    whole = zsvideo.load(run, device="cpu", cache=tmp_path / "cache")
    assert np.array_equal(answer.embedding, next(iter(whole.predict(videos, NAMES))).embedding)
    (alone / "no.ckpt").write_text("no model")
    for place, said in (("no.ckpt", "cannot be read as weights"), ("gone", "no checkpoint at")):
        with pytest.raises(UserError, match=said):
            zsvideo.load(alone / place)
    with pytest.raises(UserError, match="device=nope"):
        zsvideo.load(run, device="nope")
    with pytest.raises(UserError, match="batch=0"):
        zsvideo.load(run, batch=0)


def test_the_authors_checkpoint(tmp_path):
    state = video.r3d_18(weights=None).state_dict()
    state = {f"module.model.{k}": v for k, v in state.items() if not k.startswith("fc.")}
    state |= {"module.regressor.weight": torch.zeros(300, 512)}
    state |= {"module.regressor.bias": torch.arange(300.0)}
    options = argparse.Namespace(network="r3d", fixconvs=False)
    torch.save({"state_dict": state, "opt": options}, tmp_path / "authors.pth.tar")
    model = zsvideo.load(tmp_path / "authors.pth.tar", device="cpu", cache=tmp_path / "cache")
    assert model.facts.network["backbone"] == "r3d" and model.facts.clips.test_clips == 25
    assert model.facts.trained is None and model.facts.none_of_these is None
    assert torch.equal(model.network.f_s.bias, torch.arange(300.0))
    with pytest.raises(UserError, match="--vectors FILE"):
        model.candidates(NAMES)


class Evil:
    def __reduce__(self):
        return os.system, ("touch owned",)


def test_code_in_a_model_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, write in (
        ("a.ckpt", torch.save),
        ("b.pkl", lambda x, f: f.write_bytes(pickle.dumps(x, 2))),
    ):
        write({"state_dict": Evil()}, tmp_path / name)
        with pytest.raises(UserError, match="asks to run code, which is refused"):
            zsvideo.load(tmp_path / name)
    assert not (tmp_path / "owned").exists()


def test_other_word_vectors_are_refused(tmp_path):
    run = trained_run(tmp_path / "run")
    content = (tmp_path / "toy.bin").read_bytes()
    (tmp_path / "toy.bin").unlink()
    model = zsvideo.load(run, device="cpu", cache=tmp_path / "cache2")
    with pytest.raises(UserError, match=r"toy\.bin, which are not there.*--vectors FILE"):
        model.candidates(NAMES)
    (tmp_path / "moved.bin").write_bytes(content)
    moved = zsvideo.load(run, vectors=tmp_path / "moved.bin", cache=tmp_path / "cache2")
    assert moved.candidates(NAMES).bank.names == tuple(NAMES)
    (tmp_path / "moved.bin").write_bytes(content[:-4] + b"\x00\x00\x00\x3f")
    with pytest.raises(UserError, match="other word vectors"):
        moved.candidates(["dance"])


@pytest.mark.slow
def test_what_is_heavy_is_not_imported(tmp_path):
    """Lightning, torchvision and Hydra take seconds; an answer needs none of them."""
    run = trained_run(tmp_path / "run")
    grey_video(tmp_path / "a.mp4", 20)
    code = f"""if True:
        import sys, zsvideo
        model = zsvideo.load({str(run)!r}, device="cpu", cache={str(tmp_path / "cache")!r})
        assert next(iter(model.predict({str(tmp_path / "a.mp4")!r}, ["read", "write"]))).top
        heavy = {{"pytorch_lightning", "torchvision", "hydra", "sklearn", "matplotlib"}}
        sys.exit(", ".join(heavy & set(sys.modules)) or 0)
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert told.returncode == 0, told.stderr.decode()[-2000:]


def test_words_are_known():
    assert {w for name in NAMES for w in name.split()} <= set(WORDS)
    assert replace(NONE, threshold=0.5).says(0.4) and not NONE.says(0.4)


def test_a_damaged_record_is_said_and_a_checkpoint_alone_needs_none(tmp_path):
    run = trained_run(tmp_path / "run")
    alone = tmp_path / "alone" / "last.ckpt"
    alone.parent.mkdir()
    shutil.copy(run / "checkpoints" / "last.ckpt", alone)
    (tmp_path / "metrics.json").write_text("[1]")  # of something else
    assert zsvideo.load(alone, device="cpu").facts.none_of_these is None
    (run / "metrics.json").write_text("{")
    with pytest.raises(UserError, match=r"metrics\.json is not there or damaged"):
        zsvideo.load(run, device="cpu")
