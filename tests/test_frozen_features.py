"""Features of a frozen f_v in an experiment: kept for any set and number of clips, and reduced."""

import json
import os
import re
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.decomposition import IncrementalPCA

import zsvideo
from helpers.commands import finished, read
from zsvideo.data.clips import assemble, read_clips
from zsvideo.data.features import FeatureStore
from zsvideo.data.sampling import test_starts as starts_of
from zsvideo.errors import UserError
from zsvideo.experiment import features
from zsvideo.experiment.build import build_data, build_model
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.environment import settings
from zsvideo.experiment.features import feature_rows, fit_reduction
from zsvideo.experiment.jobs import first_stage, job_hash, training_hash
from zsvideo.models.checkpoints import LAST as NAME

LAST = f"checkpoints/{NAME}"
WORDS = ["jump", "run", "swim", "climb", "read", "write", "sing", "dance"]
LENGTHS = dict(zip(WORDS, [18, 21, 24, 27] * 2, strict=True))  # frames, by class
DONE = ["00000.mask.npy", "00000.npy", "00001.mask.npy", "00001.npy"]
FROZEN = ["method=baseline", "loader.workers=0"]


@pytest.fixture
def built(config, folders, tmp_path):
    """Build data and network of options; gives them with the experiment."""

    def build(*options):
        own = [*FROZEN, "pretrain.ckpt=none", f"paths.cache={tmp_path}/cache", *options]
        experiment = Experiment.of(config(*folders, *own))
        data = build_data(experiment)
        model = build_model(experiment.model, 0, data, pca=experiment.features.pca)
        return experiment, data, model

    return build


def rows(built, videos, clips, dtype="float32"):
    experiment, _, model = built
    return feature_rows(experiment.trainer, experiment.cache, model, videos, clips, dtype)


def live(model, video, spec):
    """Run f_v over the test clips of a video: (N, F)."""
    clips = assemble(read_clips(video, spec))[None]
    with torch.inference_mode():
        return model.eval().clip_features(clips)[0]


@pytest.mark.parametrize("count", [1, 3, 7])
def test_any_set_with_any_number_of_test_clips(built, count):
    parts = built()
    _, data, model = parts
    for videos in (data.source, data.targets["folder"]):
        table = rows(parts, videos, count)
        assert len(table) == len(videos.chosen) == 8 and not table.reasons
        clips, mask = table.clips(np.arange(8))
        spec = replace(videos.clips, test_clips=count)
        for row, video in enumerate(videos.chosen):
            assert torch.allclose(clips[row], live(model, video, spec), atol=1e-5)
        assert torch.allclose(table.means(np.arange(8)), clips.mean(dim=1), atol=1e-6)
        starts = [starts_of(LENGTHS[video.label], 16, count) for video in videos.chosen]
        assert [own.tolist() for own in mask] == [  # 18 frames have 3 places for a clip
            [True, *(np.diff(own) > 0).tolist()] for own in starts
        ]


def test_a_video_without_features_is_named(built, tmp_path):
    parts = built()
    _, data, _ = parts
    file = tmp_path / "source" / "jump" / "0.avi"
    content = file.read_bytes()
    file.write_bytes(b"no video")
    table = rows(parts, data.source, 2)
    row = [video.path for video in data.source.chosen].index(str(file))
    assert list(table.reasons) == [row] and table.readable.tolist() == [
        n for n in range(8) if n != row
    ]
    before = sorted((tmp_path / "cache" / "features").rglob("*.npy"))
    assert list(rows(parts, data.source, 2).reasons) == [row]  # tried again, in vain
    assert sorted((tmp_path / "cache" / "features").rglob("*.npy")) == before
    file.write_bytes(content)
    table = rows(parts, data.source, 2)
    assert not table.reasons and table.clips(np.array([row]))[0].abs().sum() > 0


def test_half_precision_takes_half_the_disk(built, tmp_path):
    parts = built()
    _, data, _ = parts
    whole, half = (rows(parts, data.source, 3, dtype) for dtype in ("float32", "float16"))
    one, other = (table.clips(np.arange(8))[0] for table in (whole, half))
    assert one.dtype == other.dtype == torch.float32
    assert not torch.equal(one, other) and torch.allclose(one, other, rtol=1e-3, atol=1e-4)
    assert torch.equal(half.means(np.arange(8)), other.mean(dim=1))  # the mean in single precision
    kept = [np.load(file) for file in (tmp_path / "cache").rglob("00000.npy")]
    assert sorted(array.dtype.itemsize for array in kept) == [2, 4]


def test_nothing_is_kept_of_an_extraction_that_ended_early(built, tmp_path, monkeypatch):
    parts = built("++trainer.limit_predict_batches=1")  # limits what is tested, not what is kept
    with monkeypatch.context() as patch:
        make = features.make_trainer
        early = {"limit_predict_batches": 1}
        patch.setattr(features, "make_trainer", lambda *a, **parts: make(*a, **parts | early))
        with pytest.raises(UserError, match=r"features of 4 videos were not computed"):
            rows(parts, parts[1].source, 2)
    assert not [*tmp_path.rglob("00000*")]
    rows(parts, parts[1].source, 2)
    parts[2].f_v.register_forward_hook(lambda net, args, output: output * 1e9)
    with pytest.raises(UserError, match=r"features\.dtype=float16 cannot hold them"):
        rows(parts, parts[1].source, 2, "float16")


@pytest.mark.parametrize("end", [ZeroDivisionError, SystemExit])
def test_an_extraction_goes_on_where_it_ended(built, tmp_path, monkeypatch, end):
    monkeypatch.setattr(FeatureStore, "VIDEOS", 3)
    parts = built()
    _, data, _ = parts
    folder = tmp_path / "cache" / "features"

    def contents():
        return {f.name: f.read_bytes() for f in folder.rglob("*") if f.is_file()}

    rows(parts, data.source, 2)
    undisturbed = contents()
    assert {"00000.npy", "00001.npy", "00002.npy"} < undisturbed.keys()
    shutil.rmtree(folder)
    predict, calls = features.Extractor.predict_step, []

    def dying(self, *args):
        calls.append(args)
        if len(calls) == 3:
            if end is ZeroDivisionError:
                raise end
            os.kill(os.getpid(), signal.SIGTERM)
        return predict(self, *args)

    monkeypatch.setattr(features.Extractor, "predict_step", dying)
    with pytest.raises(end):
        rows(parts, data.source, 2)
    assert sorted(name for name in contents() if name.endswith(".npy")) == DONE
    monkeypatch.setattr(features.Extractor, "predict_step", predict)
    rows(parts, data.source, 2)
    assert contents() == undisturbed


def test_pca_is_that_of_sklearn_on_clips_of_the_source_alone(built, tmp_path):
    experiment, data, model = built("features.pca=4")
    source, cache = data.source, experiment.cache
    fit_reduction(experiment.trainer, cache, source, model)
    stores = [json.loads(f.read_text()) for f in (cache / "features").rglob("made_by.json")]
    assert [store["videos"][1] for store in stores] == [str(tmp_path / "source")]

    plain = build_model(experiment.model, 0, data)
    plain.f_v.load_state_dict(model.f_v.state_dict())
    kept = sorted((cache / "features").rglob("*.npy"))
    sample = rows((experiment, data, plain), source, 1).means(np.arange(8)).double().numpy()
    assert sorted((cache / "features").rglob("*.npy")) == kept  # it was fitted on these
    theirs = IncrementalPCA(4).fit(sample)
    reduced, features = (live(net, source.chosen[0], source.clips) for net in (model, plain))
    assert reduced.shape == (3, 4) and model.f_s.in_features == model.feature_dim == 4
    assert np.allclose(reduced, theirs.transform(features.double().numpy()), atol=1e-4)
    assert not any(weight.requires_grad for weight in model.reduce.parameters())

    # it is a part of the weights: other components are other features on disk
    before = rows((experiment, data, model), source, 1).means(np.arange(8))
    again = build_model(experiment.model, 1, data, pca=4)
    again.f_v.load_state_dict(model.f_v.state_dict())
    fit_reduction(experiment.trainer, cache, source, again)
    assert torch.equal(again.reduce.weight, model.reduce.weight)
    again.reduce.weight *= 2
    after = rows((experiment, data, again), source, 1).means(np.arange(8))
    bias = model.reduce.bias
    assert torch.allclose(after - bias, 2 * (before - bias), atol=1e-5)


def test_pca_needs_as_many_videos_as_components(built):
    experiment, data, model = built("features.pca=9")
    with pytest.raises(UserError, match=r"features\.pca=9 is more than the 8 videos of folder"):
        fit_reduction(experiment.trainer, experiment.cache, data.source, model)
    with pytest.raises(UserError, match=r"features\.pca=9000 is more than the .* features of tiny"):
        built("features.pca=9000")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["method=e2e", "features.pca=4"], "features.pca=4 needs an f_v that does not change"),
        (["method=e2e", "features.ckpt=x"], "features.ckpt=x needs an f_v that does not change"),
        (["method.legacy_bn=true", "features.pca=4"], "with method.legacy_bn=false"),
        (["features.clips=4"], "features.clips=4 has no effect"),
        (["features.dtype=float16"], "features.dtype=float16 has no effect: no features are kept"),
        (["features.dtype=half"], "features.dtype=half is unknown; allowed: float32, float16"),
        (["features.pca=0"], "features.pca=0 must be at least 1"),
        (["features.ckpt=x", "pretrain.ckpt=y"], "and so does pretrain.ckpt; give one"),
        (["features.ckpt=x", "pretrain=sun"], "and so does pretrain.source; give one"),
    ],
)
def test_options_without_effect_are_refused(config, folders, options, words):
    with pytest.raises(UserError, match=re.escape(words)):
        Experiment.of(config(*folders, "method=baseline", "pretrain=kinetics400", *options))


@pytest.mark.slow
def test_runs_without_these_options_are_known_as_before(config, folders):
    composed = config(*folders, "paths.run=runs")
    before = OmegaConf.create({key: composed[key] for key in composed if key != "features"})
    assert job_hash(before) == job_hash(composed) and training_hash(before) == training_hash(
        composed
    )
    assert "features" not in settings(OmegaConf.to_container(composed, resolve=False))
    other = config(*folders, "paths.run=runs", "method=baseline", "features.pca=4")
    assert job_hash(other) != job_hash(config(*folders, "paths.run=runs", "method=baseline"))
    head = ["paths.run=runs", "method=baseline", "head=ridge"]
    few, many = (config(*folders, *head, f"clips.test_clips={n}") for n in (1, 3))
    first = first_stage(config(*folders, *head[:2], "pretrain=sun", "features.pca=4"))
    plain = first_stage(config(*folders, *head[:2], "pretrain=sun"))
    assert training_hash(first) == training_hash(plain)  # f_v is trained before it is reduced
    assert training_hash(few) != training_hash(many)  # it is fitted on test clips of the source


@pytest.mark.slow
def test_reduced_features_of_another_run_are_trained_and_tested_on(cli, folders, tmp_path):
    first, run, again = (tmp_path / name for name in ("first", "run", "again"))
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    options = [*folders, "method=baseline", f"features.ckpt={first}", "features.pca=4"]
    cached = [*options, "method.cached_clips=2", "features.dtype=float16"]
    said = finished(cli("train", *cached, f"hydra.run.dir={run}"))
    assert said.count("computing features of 8 videos") == 3  # for PCA, source and target
    lineage = read(run, "protocol.json")["pretrain"]
    assert lineage["name"] == "first" and lineage["classes"] == ["climb", "jump", "run", "swim"]
    one, other = (torch.load(r / LAST, weights_only=True)["state_dict"] for r in (first, run))
    assert all(torch.equal(one[k], other[k]) for k in one if k.startswith("f_v."))
    assert other["f_s.weight"].shape[1] == 4 and other["reduce.weight"].shape[0] == 4

    # in tests and prediction, where nothing is kept
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    embeddings = [np.load(r / "predictions" / "folder.npz")["embeddings"] for r in (run, again)]
    assert np.allclose(*embeddings, atol=2e-3)
    model = zsvideo.load(run, device="cpu", cache=tmp_path / "cache")
    assert model.network.feature_dim == 4
    assert torch.equal(model.network.reduce.weight, other["reduce.weight"])
    assert "nothing was left to do" in finished(
        cli("train", *cached, f"hydra.run.dir={run}", "resume=auto")
    )
    told = cli("train", *folders, "method=baseline", f"pretrain.ckpt={run}", "resume=null")
    assert told.returncode == 2 and "give pretrain.reset_head=true" in told.stderr


@pytest.mark.slow
def test_a_head_reads_features_of_some_clips(cli, folders, tmp_path):
    first, run = tmp_path / "first", tmp_path / "run"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    head = [*folders, "method=baseline", "head=ridge", "head.lam=0.1", f"features.ckpt={first}"]
    head += ["features.clips=2", "features.dtype=float16", "features.pca=4"]
    finished(cli("train", *head, f"hydra.run.dir={run}"))
    known = read(run, "metrics.json")["head"]["features"]
    assert (known["clips"], known["size"], known["dtype"], known["pca"]) == (2, 4, "float16", 4)
