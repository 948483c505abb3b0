"""The frozen baseline, pre-training and imported checkpoints, as a user runs them."""

import argparse
import csv

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models.video import r3d_18

from helpers.commands import finished, read
from helpers.runs import finished_run, predictions
from helpers.videos import grey_video
from zsvideo.experiment.build import build_data, build_model, build_targets, declared_training
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.pretraining import pretrain
from zsvideo.prediction.loading import read_model

pytestmark = pytest.mark.slow

LAST = "checkpoints/last.ckpt"


def weights(run, part):
    state = torch.load(run / LAST, weights_only=True)["state_dict"]
    return {k: v for k, v in state.items() if k.startswith(part)}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_baseline_on_cached_features(cli, folders, tmp_path):
    first, run, again = tmp_path / "first", tmp_path / "run", tmp_path / "again"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    baseline = [*folders, "method=baseline", f"pretrain.ckpt={first}", "trainer.max_epochs=10"]
    baseline += ["method.cached_clips=1"]
    said = finished(cli("train", *baseline, f"hydra.run.dir={run}"))
    assert "computing features of 8 videos" in said and "LEAK" not in said
    assert same(weights(first, "f_v."), weights(run, "f_v."))
    assert not same(weights(first, "f_s."), weights(run, "f_s."))
    lineage = read(run, "protocol.json")["pretrain"]
    assert lineage["classes"] == ["climb", "jump", "run", "swim"] and lineage["leaks"] == []
    assert lineage["sha256"] == read(first, "metrics.json")["checkpoint"]["sha256"]

    # the cache gives the same as running f_v each epoch on the clips of epoch 0
    said = finished(cli("train", *baseline, f"hydra.run.dir={again}"))
    assert "computing features" not in said
    assert same(weights(run, "f_s."), weights(again, "f_s."))
    predicted, live = (tmp_path / r / "predictions" / "folder.npz" for r in ("again", "live"))
    finished(cli("evaluate", f"ckpt={again}", f"hydra.run.dir={tmp_path}/live"))
    one, other = np.load(predicted)["embeddings"], np.load(live)["embeddings"]
    assert np.allclose(one, other, atol=1e-6)

    # a listed file that is not there is counted
    files = [f"{tmp_path}/source/{c}/{n}.avi,{c}" for c in ("jump", "run", "swim") for n in "012"]
    (tmp_path / "listed.csv").write_text("\n".join(["path,class", *files]))
    listed = [*baseline, "source=csv", f"source.root={tmp_path}/listed.csv"]
    finished(cli("train", *listed, f"hydra.run.dir={again}"))
    assert len(read(again, "metrics.json")["source"]["unreadable_replaced"]) == 3


def test_a_clean_baseline(cli, folders, tmp_path):
    """An f_v that learned to tell the kept classes apart, and never saw one that is tested."""
    first, run, other = tmp_path / "first", tmp_path / "run", tmp_path / "other"
    for number in range(2):  # tested, so it may not be trained on
        grey_video(tmp_path / "source" / "read" / f"{number}.avi", 20)
    held_out = ["source@seen=folder", f"seen.root={tmp_path}/held-out"]
    grey_video(tmp_path / "held-out" / "swim" / "0.avi", 26)
    grey_video(tmp_path / "held-out" / "read" / "0.avi", 22)
    classify = [*folders, *held_out, "method=classify", f"hydra.run.dir={first}"]
    said = finished(cli("train", *classify))
    assert "method=classify has no zero-shot test" in said and "LEAK" not in said
    assert f"method=baseline pretrain.ckpt={first}" in said
    layers = weights(first, "classifier.")
    assert len(layers["classifier.weight"]) == 4 and not weights(first, "f_s.")
    record = read(first, "metrics.json")
    assert record["targets"] == {} and not (first / "predictions").exists()
    measured = record["classification"]
    assert (measured["training"]["videos"], measured["held out"]["videos"]) == (8, 1)
    assert [c["name"] for c in read(first, "protocol.json")["source"]["removed"]] == ["read"]
    assert "nothing was left to do" in finished(cli("train", *classify, "resume=auto"))
    finished(cli("report", f"run={first}"))

    finished(
        cli("train", *folders, "method=baseline", f"pretrain.ckpt={first}", f"hydra.run.dir={run}")
    )
    assert same(weights(first, "f_v."), weights(run, "f_v.")) and weights(run, "f_s.")
    lineage = read(run, "protocol.json")["pretrain"]
    assert lineage["classes"] == ["climb", "jump", "run", "swim"] and lineage["leaks"] == []
    assert lineage["name"] == "first" and lineage["protocol"]["name"] == "targets"

    # in one command, whatever is said of other pretrained weights
    one = [*folders, "method=baseline", "pretrain=classify", "pretrain.filter=false"]
    said = finished(cli("train", *one, f"hydra.run.dir={other}"))
    assert "pretrained weights: classify" in said and "LEAK" not in said
    assert same(weights(other, "f_v."), weights(run, "f_v."))
    assert read(other, "protocol.json")["pretrain"]["classes"] == lineage["classes"]

    for name, option, words in (
        ("evaluate", f"ckpt={first}", "method=baseline pretrain.ckpt="),
        ("evaluate", f"predictions={first}", "holds no predictions"),
        ("report", f"compare=[{first},{run}]", "no target and evaluation in common"),
    ):
        told = cli(name, option, f"hydra.run.dir={tmp_path}/no")
        assert told.returncode == 2 and words in told.stderr, told.stderr[-2000:]
        assert "Traceback" not in told.stderr


def test_several_cached_clips_are_those_of_as_many_epochs(cli, folders, tmp_path):
    first = tmp_path / "first"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    baseline = [*folders, "method=baseline", f"pretrain.ckpt={first}", "trainer.max_epochs=3"]
    for name, count in (("cached", "3"), ("live", "null")):
        options = [f"method.cached_clips={count}", f"hydra.run.dir={tmp_path / name}"]
        finished(cli("train", *baseline, *options))
    cached, live = (weights(tmp_path / name, "f_s.") for name in ("cached", "live"))
    assert all(torch.allclose(cached[k], live[k], atol=1e-5) for k in live)


def test_published_leaks_are_warned_of(cli, folders, tmp_path):
    """A baseline from weights that saw a class tested says so."""
    first, run = tmp_path / "first", tmp_path / "run"
    swapped = [o.replace("/target", "/source") if "target.folder" in o else o for o in folders]
    swapped = [o.replace("/source", "/target") if o.startswith("source.r") else o for o in swapped]
    finished(cli("train", *swapped, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    said = finished(
        cli(
            "train",
            *folders,
            f"pretrain.ckpt={first}",
            "trainer.max_epochs=1",
            f"hydra.run.dir={run}",
        )
    )
    assert "LEAK: pretrained weights" in said
    assert read(run, "metrics.json")["protocol"]["pretrain"]["leaks"] == [
        "dance",
        "read",
        "sing",
        "write",
    ]


def test_pretraining_on_still_images_in_one_command(cli, folders, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("jump", "read", "swim"):  # read is tested, so it may not be pre-trained on
        for number in range(4):
            file = tmp_path / "stills" / name / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)).save(file)
    run = tmp_path / "run"
    options = [
        *folders,
        "pretrain=sun",
        "source@pretrain.source=images",
        f"pretrain.source.root={tmp_path}/stills",
        "pretrain.max_epochs=1",
        f"hydra.run.dir={run}",
    ]
    said = finished(cli("train", *options))
    (stage,) = (run / "pretrain").iterdir()
    lineage = read(run, "protocol.json")["pretrain"]
    assert lineage["name"] == "sun" and lineage["classes"] == ["jump", "swim"]
    assert lineage["leaks"] == [] and "pretrained weights: sun" in said
    assert [c["name"] for c in read(stage, "protocol.json")["source"]["removed"]] == ["read"]
    assert read(run, "metrics.json")["protocol"]["pretrain"]["sha256"] == lineage["sha256"]
    before = (stage / LAST).stat().st_mtime_ns
    finished(cli("train", *options, "resume=auto", "trainer.max_epochs=3"))
    assert (stage / LAST).stat().st_mtime_ns == before  # it was not trained again
    said = finished(cli("train", *options, "pretrain.filter=false", "resume=null"))
    assert "LEAK: pretrained weights: sun" in said


UNKNOWN, FIRST = "UNKNOWN: training classes", "UNKNOWN: pre-training classes"


def test_authors_checkpoints_can_be_evaluated(cli, folders, tmp_path):
    torch.manual_seed(0)
    whole = r3d_18(weights=None)
    net = nn.Module()
    net.model, net.regressor = nn.Sequential(*list(whole.children())[:-1]), nn.Linear(512, 20)
    state = {f"module.{k}": v for k, v in net.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "checkpoint.pth.tar")
    run = tmp_path / "run"
    options = [o for o in folders if not o.startswith("source")]
    theirs = f"ckpt={tmp_path}/checkpoint.pth.tar"
    said = finished(cli("evaluate", theirs, *options, f"hydra.run.dir={run}"))
    assert "no claim of zero-shot" in said and "authors' checkpoint of r3d" in said
    assert read(run, "metrics.json")["targets"]["folder"]["used"] == 8
    assert read(run, "card.json")["warnings"] == ["LEAK: selected on test", UNKNOWN]

    # of the source's classes jump, run and climb are HMDB51's, so protocol=664 leaves swim
    declared = [o for o in folders if not o.startswith("protocol")]
    declared += ["protocol=664", "target=[folder]", "evaluation=[full,distance,generalised]"]
    beside = {"opt": argparse.Namespace(network="r3d_18", lr=1e-3), "epoch": 7}
    torch.save({"state_dict": state, **beside}, tmp_path / "checkpoint.pth.tar")
    said = finished(cli("evaluate", theirs, *declared, f"hydra.run.dir={run}"))
    assert "also holds, unused: epoch" in said
    metrics, protocol, card = (read(run, f"{n}.json") for n in ("metrics", "protocol", "card"))
    words = "declared, not known: trained on the 1 classes that protocol=664 leaves of folder"
    assert words == protocol["declared"] == metrics["protocol"]["declared"]
    assert words in said and words in (run / "results.md").read_text()
    assert (
        words == card["training classes"]["known from"] and words in (run / "card.md").read_text()
    )
    assert card["warnings"] == ["LEAK: selected on test", FIRST, "DECLARED: training classes"]
    assert protocol["trained_classes"] == ["swim"] and protocol["leaks"] == []
    target = metrics["targets"]["folder"]
    assert target["distance"]["candidates"] == 4 and target["generalised"]["seen_classes"] == 1
    assert metrics["checkpoint"]["options"] == {"network": "r3d_18", "lr": 1e-3}
    assert metrics["checkpoint"]["unused"] == card["checkpoint"]["unused"] == ["epoch"]
    assert metrics["selection"] == "test_best"

    again = tmp_path / "again"
    finished(cli("evaluate", f"predictions={run}", f"hydra.run.dir={again}"))
    assert read(again, "card.json")["warnings"] == card["warnings"]
    torch.save(whole.state_dict(), tmp_path / "checkpoint.pth.tar")
    told = cli("evaluate", theirs, *options, f"hydra.run.dir={run}")
    assert told.returncode == 2 and "method=baseline pretrain.ckpt=" in told.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["method=baseline", "pretrain=none"], "would freeze random weights"),
        (["method=baseline"], "no weights for model=tiny"),
        (["pretrain.ckpt=nothing"], "no checkpoint at nothing (pretrain.ckpt)"),
        (["method=classify", "selection=val"], "selection=val chooses by zero-shot accuracy"),
        (["pretrain=classify", "selection=val"], "selection=val holds out classes"),
        (["selection.share=0.5"], "selection.share=0.5 does not go with selection=last"),
        (["selection=val", "selection.share=0"], "selection=val needs a share"),
        (["trainer.accumulate_grad_batches=0"], "accumulate_grad_batches=0 must be at least 1"),
        (["model.milestones=x"], "model.milestones=x must be a list"),
        (["method.cached_clips=1", "pretrain=none"], "needs an f_v that does not change"),
    ],
)
def test_bad_options(cli, folders, tmp_path, options, words):
    told = cli("train", *folders, *options, f"hydra.run.dir={tmp_path}/run")
    assert told.returncode == 2 and words in told.stderr, told.stderr[-2000:]
    assert "Traceback" not in told.stderr


def test_traces_of_the_papers_schedule(cli, folders, tmp_path):
    """150 epochs of the authors' length: i * 2 > 3 ends an epoch in its third batch (D-35, M8)."""
    first, run = tmp_path / "first", tmp_path / "run"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    finished(
        cli(
            "train",
            *folders,
            "method=baseline",
            "method.cached_clips=1",
            f"pretrain.ckpt={first}",
            "loader.batch_size=2",
            "loader.epoch_samples=3",
            "trainer.max_epochs=150",
            "trainer.log_every_n_steps=1",
            "loader.workers=0",
            f"hydra.run.dir={run}",
        )
    )
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    rates = [float(r["lr-Adam"]) for r in rows if r["lr-Adam"]]
    assert [rates[e] for e in (0, 59, 60, 119, 120, 149)] == pytest.approx(
        [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]
    )
    steps = [int(r["epoch"]) for r in rows if r["train/loss_step"]]
    assert np.bincount(steps).tolist() == [3] * 150


@pytest.mark.parametrize("compat", ["ours", "paper", "authors_code"])
def test_both_arms_see_fresh_clips(config, compat):
    """One fixed clip a video against fresh ones for e2e would favour the paper's claim."""
    for options in ([], ["experiments=fig4_classes"], ["experiments=table3", "scale=demo"]):
        for method in ("e2e", "baseline"):
            composed = config(*options, f"method={method}", f"compat={compat}")
            assert composed.method.cached_clips is None


def test_the_papers_targets_and_the_accuracy_of_training(cli, folders, tmp_path):
    run = tmp_path / "run"
    options = ["compat=paper", "model.loss=cosine", "trainer.log_every_n_steps=2"]
    options += ["loader.batch_size=2", f"hydra.run.dir={run}"]
    finished(cli("train", *folders, *options))
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    accuracies = [(int(r["step"]), float(r["train/top1"])) for r in rows if r["train/top1"]]
    assert [step for step, _ in accuracies] == [1, 3, 5, 7]
    assert {value for _, value in accuracies} <= {0.0, 50.0, 100.0}
    setup = read(run, "metrics.json")["setup"]
    assert (setup["semantics"]["target_length"], setup["model"]["reduction"]) == ("mean", "sum")
    assert setup["model"]["loss"] == "cosine"
    compat = read(run, "card.json")["compat"]
    assert {"loader.partial_batch", "clips.length", "semantics.target_length"} < set(compat)
    assert "not recorded" not in compat.values()


def test_alignment_and_uniformity_end_to_end(cli, folders, tmp_path):
    """Trained, gone on with, tested, begun with and predicted with as any other network."""
    run, other = tmp_path / "run", tmp_path / "other"
    options = [*folders, "model.loss=aurl", "loader.batch_size=4", f"hydra.run.dir={run}"]
    finished(cli("train", *options, "trainer.max_epochs=1"))
    first = weights(run, "centres.")["centres.rows"]
    assert first.shape[0] == 4
    finished(cli("train", *options, "trainer.max_epochs=2", "resume=auto"))
    assert not torch.equal(first, weights(run, "centres.")["centres.rows"])
    finished(cli("train", *options[:-1], "trainer.max_epochs=2", f"hydra.run.dir={other}"))
    assert same(weights(run, ""), weights(other, ""))  # as without an interruption
    assert read(run, "metrics.json")["setup"]["model"]["loss"] == "aurl"
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={tmp_path}/again"))
    one, two = (np.load(r / "predictions" / "folder.npz") for r in (run, tmp_path / "again"))
    assert np.allclose(one["embeddings"], two["embeddings"], atol=1e-6)
    network, _ = read_model(run)
    assert same(network.f_v.state_dict(), {k[4:]: v for k, v in weights(run, "f_v.").items()})
    frozen = ["method=baseline", f"pretrain.ckpt={run}", "trainer.max_epochs=1"]
    finished(cli("train", *options[:-1], *frozen, f"hydra.run.dir={tmp_path}/frozen"))
    assert same(weights(run, "f_v."), weights(tmp_path / "frozen", "f_v."))


def test_training_aims_at_longer_targets_and_nothing_else_sees_them(config, folders, tmp_path):
    found = {}
    for length in ("unit", "mean", "sum"):
        options = ["semantics.unit_words=false", f"semantics.target_length={length}"]
        held_out = ["selection=val", "selection.share=0.5", f"paths.cache={tmp_path}/cache"]
        data = build_data(Experiment.of(config(*folders, *options, *held_out)))
        (batch,) = data.source.train_dataloader()
        norms = batch["target"].norm(dim=1)
        assert (norms > 0.999).all()
        assert bool(((norms - 1).abs() < 1e-5).all()) == (length == "unit")
        for videos in (*data.targets.values(), *data.validation.values()):
            units = videos.bank.vectors
            assert np.allclose(np.linalg.norm(units, axis=1), 1)
        record = {k: v for k, v in data.protocol.items() if k != "vectors"}
        found[length] = (record, norms.sort().values)
    assert found["unit"][0] == found["mean"][0] == found["sum"][0]
    assert torch.allclose(found["mean"][1], found["sum"][1])  # each class here is one word


def test_what_options_declare_of_foreign_weights(config, folders, tmp_path):
    own = [o for o in folders if not o.startswith(("source", "protocol"))]
    cache = f"paths.cache={tmp_path}/cache"

    def declared(*options, typed=("protocol",)):
        composed = config(*own, cache, *options, "target=[folder]", cli="evaluate")
        experiment = Experiment.of(composed)
        return declared_training(experiment, build_targets(experiment), typed)

    found = declared("protocol=664")  # these vectors know few words: classes differ by their words
    assert found["counts"]["kept"] == len(found["trained_classes"]) == 664
    assert found["pretrain"]["name"] == "not declared" and "classes" not in found["pretrain"]
    assert declared("protocol=all", "source=kinetics400")["counts"]["kept"] == 400
    both = ("protocol", "pretrain")
    assert "pretrain" not in declared("protocol=664", "pretrain=none", typed=both)
    lineage = declared("protocol=664", "pretrain=kinetics400", typed=both)["pretrain"]
    assert (lineage["dataset"], len(lineage["classes"])) == ("kinetics400", 400)
    lineage = declared("protocol=664", "pretrain=sun", typed=both)["pretrain"]
    assert (lineage["dataset"], len(lineage["classes"])) == ("sun397", 397)
    # the default protocol declares nothing, nor one that depends on what is tested now
    assert declared("protocol=664", typed=()) is None
    assert declared("protocol=targets") is None


def test_authors_checkpoints_as_first_weights_say_how_they_were_selected(config, folders, tmp_path):
    whole = r3d_18(weights=None)
    net = nn.Module()
    net.model, net.regressor = nn.Sequential(*list(whole.children())[:-1]), nn.Linear(512, 20)
    content = {"state_dict": net.state_dict(), "opt": argparse.Namespace(network="r3d_18")}
    file = tmp_path / "checkpoint.pth.tar"
    torch.save(content, file)
    composed = config(*folders, "model=r3d", f"pretrain.ckpt={file}", f"paths.cache={tmp_path}")
    experiment = Experiment.of(composed)
    data = build_targets(experiment)
    model = build_model(experiment.model, experiment.seed, data)
    lineage = pretrain(experiment.pretrain, tmp_path, data, model, None)
    assert lineage["options"] == {"network": "r3d_18"} and lineage["unused"] == []
    run = finished_run(tmp_path / "run", predictions(), pretrain=data.audit_lineage(lineage))
    assert "LEAK: pretrained weights selected on test" in read(run, "card.json")["warnings"]
