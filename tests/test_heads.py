"""A head in place of f_s: in a run, in a checkpoint, in a study, beside other rows."""

import json

import numpy as np
import pytest
import torch
import yaml
from omegaconf import open_dict

from helpers.commands import fails, finished, read
from helpers.planted import planted, top1
from helpers.runs import finished_run, predictions, trained
from helpers.videos import grey_video
from zsvideo.errors import UserError
from zsvideo.evaluation.predictions import Predictions
from zsvideo.experiment.composed import check_options
from zsvideo.experiment.cost import plan
from zsvideo.experiment.jobs import Job, job_hash
from zsvideo.models.heads import HEADS
from zsvideo.models.heads.choice import choose, make
from zsvideo.models.options import head_of
from zsvideo.reporting.compare import write_comparison
from zsvideo.reporting.identity import warnings_of
from zsvideo.reporting.run import Run
from zsvideo.reporting.studies.study import Study
from zsvideo.resources import CONF

LAST = "checkpoints/last.ckpt"


def scores(run):
    with np.load(run / "predictions" / "folder.npz") as saved:
        return saved["head_scores"]


@pytest.mark.slow
def test_a_head_is_fitted_kept_and_tested_again(cli, folders, tmp_path):
    first, run, again = tmp_path / "first", tmp_path / "run", tmp_path / "again"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    fit = [*folders, "head=ridge", f"pretrain.ckpt={first}", f"hydra.run.dir={run}"]
    said = finished(cli("train", *fit))
    assert "LEAK" not in said and "ridge (re-implementation on tiny)" in said
    record = read(run, "metrics.json")
    head = record["head"]
    assert head["target_class_names_used"] is head["target_videos_used"] is False
    assert len(head["choice"]["tried"]) == 8 and head["choice"]["held_out"] == 2
    assert head["options"]["lam"] in [entry["lam"] for entry in head["choice"]["tried"]]
    assert head["features"]["clips"] == 3 and head["videos"] == 8
    assert set(head["seconds"]) == {"features", "choice", "fit", "score"}
    assert record["none_of_these"] is None and record["steps"] == 0
    assert scores(run).shape == (8, 4)
    state = torch.load(run / LAST, weights_only=True)
    assert {k for k in state["state_dict"] if k.startswith("head.")} and "head" in state
    trained_f_v = torch.load(first / LAST, weights_only=True)["state_dict"]
    same = [k for k in trained_f_v if k.startswith("f_v.")]
    assert all(torch.equal(trained_f_v[k], state["state_dict"][k]) for k in same)

    # the same checkpoint, the same scores; from predictions alone, the same numbers
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    assert np.array_equal(scores(run), scores(again))
    scored = tmp_path / "scored"
    finished(cli("evaluate", f"predictions={run}", f"hydra.run.dir={scored}"))
    numbers = [read(r, "metrics.json")["targets"]["folder"]["full"] for r in (run, again, scored)]
    assert numbers[0] == numbers[1] == numbers[2]

    # nothing is fitted twice: not when all is there, nor when the test was killed
    assert "nothing was left to do" in finished(cli("train", *fit, "resume=auto"))
    before = scores(run)
    (run / "metrics.json").unlink()
    (run / "predictions" / "folder.npz").unlink()
    said = finished(cli("train", *fit, "resume=auto"))
    assert "seconds:" not in said and np.array_equal(scores(run), before)

    # own videos, by the same head
    asked = ["sing", "dance", "read", "write"]
    out = tmp_path / "out.json"
    finished(
        cli("predict", str(run), f"{tmp_path}/target", "--classes", *asked, "--json", str(out))
    )
    answers = json.loads(out.read_text())["videos"]
    best = np.array(sorted(asked))[before.argmax(axis=1)]
    assert [answer["top"][0]["name"] for answer in answers] == best.tolist()

    # shared, it answers the same; ONNX has no form for it
    shared, target = tmp_path / "shared", f"{tmp_path}/target"
    finished(cli("export", str(run), str(shared)))
    own = ["--classes", *asked, "--vectors", f"{tmp_path}/toy.bin", "--json", str(out)]
    finished(cli("predict", str(shared), target, *own))
    assert json.loads(out.read_text())["videos"] == answers
    fails(cli("export", str(run), str(tmp_path / "onnx"), "--onnx"), "--onnx writes f_v and f_s")

    # the source may lie elsewhere when the run goes on
    (run / "metrics.json").unlink()
    (tmp_path / "source").rename(tmp_path / "moved")
    finished(cli("train", *fit, f"source.root={tmp_path}/moved", "resume=auto"))
    assert np.array_equal(scores(run), before)


@pytest.mark.slow
def test_classes_trained_on_are_candidates_of_a_head_too(cli, folders, tmp_path):
    first, run = tmp_path / "first", tmp_path / "run"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    for number, name in enumerate(("jump", "run", "swim", "climb")):
        grey_video(tmp_path / "held-out" / name / "0.avi", 19 + 3 * number)
    seen = ["source@seen=folder", f"seen.root={tmp_path}/held-out", "evaluation=[full,generalised]"]
    fit = [*folders, *seen, "head=ridge", "head.lam=0.1", f"pretrain.ckpt={first}"]
    said = finished(cli("train", *fit, f"hydra.run.dir={run}"))
    target = Predictions.load(run / "predictions" / "folder.npz")
    held_out = Predictions.load(run / "predictions" / "seen.npz")
    assert target.trained_names.tolist() == ["climb", "jump", "run", "swim"]
    assert target.trained_scores.shape == (8, 4)
    assert held_out.class_names.tolist() == [*target.trained_names, *target.class_names]
    assert len(held_out.ids) == 4 and held_out.trained_scores.shape == (4, 4)
    numbers = read(run, "metrics.json")["targets"]["folder"]["generalised"]
    assert (numbers["seen_videos"], numbers["classes"]) == (4, 8) and numbers["seen"] is not None
    assert "generalised, mean over classes" in said
    finished(cli("report", f"run={run}"))  # the same from its files


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["head=ridge", "method=e2e"], "head=ridge needs a frozen f_v: method=baseline"),
        (["head=ridge", "head.kind=rigde"], "head.kind=rigde is unknown; allowed: linear, ridge"),
        (["head=ridge", "head.lam=-1"], "head.lam=-1 must be at least 0"),
        (["head=ridge", "head.draws=0"], "head.draws=0 must be at least 1"),
        (["head=ridge", "head.share=2"], "head.share=2 must be a number from 0 to 1"),
        (["+head.lam=1"], "there is no option head.lam of head=linear"),
        (["head=ridge", "trainer.devices=2"], "head=ridge needs one device"),
        (["head=ridge", "method.legacy_bn=true"], "head=ridge needs features that stay"),
        (["head=ridge", "selection=val"], "head=ridge needs selection=last"),
    ],
)
def test_each_mistake_is_one_line(config, options, line):
    with pytest.raises(UserError) as error:
        check_options(config(*options))
    assert str(error.value).startswith(line)


@pytest.mark.slow
def test_a_gate_tells_novel_videos(cli, folders, tmp_path):
    first, run, again = tmp_path / "first", tmp_path / "run", tmp_path / "again"
    for word in ("jump", "run", "swim", "climb"):
        grey_video(tmp_path / "held-out" / word / "9.avi", 25)
    options = [*folders, "source@seen=folder", f"seen.root={tmp_path}/held-out"]
    options += ["evaluation=[full,generalised]"]
    finished(cli("train", *options, "trainer.max_epochs=1", f"hydra.run.dir={first}"))
    fit = [*options, "head=ridge", "head.lam=0.1", "head.gate=informed_democracy"]
    said = finished(cli("train", *fit, f"features.ckpt={first}", f"hydra.run.dir={run}"))
    assert "by the novelty gate" in said
    record = read(run, "metrics.json")
    assert record["head"]["gate"]["name"] == "informed_democracy"
    with np.load(run / "predictions" / "folder.npz") as saved:
        assert saved["novelty"].shape == (8,) and saved["trained_scores"].shape == (8, 4)
    finished(cli("evaluate", f"ckpt={run}", f"hydra.run.dir={again}"))
    numbers = [read(r, "metrics.json")["targets"]["folder"]["generalised"] for r in (run, again)]
    assert numbers[0] == numbers[1] and set(numbers[0]["gate"]) >= {"unseen", "seen", "auroc"}


def test_each_head_has_a_config_with_its_options():
    files = {file.stem: yaml.safe_load(file.read_text()) for file in CONF.glob("head/*.yaml")}
    assert files.pop("linear") == {"kind": "linear"}
    assert set(files) == set(HEADS)
    for name, content in files.items():
        assert {"override /method": "baseline"} in content["defaults"], name
        spec = head_of(content["head"])
        assert spec.kind == name and set(content["head"]) == {"kind", *spec.values}, name
        assert spec.gate == "none", name
        for option, value in spec.values.items():
            assert value is not None or option in HEADS[name].choices, (name, option)
            assert value == vars(HEADS[name].Options())[option], (name, option)


def test_no_head_is_no_other_job(config):
    composed = config("protocol=605")
    assert composed.head == {"kind": "linear"}
    before = composed.copy()
    with open_dict(before):
        del before["head"]
    assert job_hash(composed, vectors="0") == job_hash(before, vectors="0")
    other = config("protocol=605", "head=ridge", "method=e2e")
    assert job_hash(other, vectors="0") != job_hash(composed, vectors="0")


def test_a_plan_counts_features_once(config, tmp_path):
    options = ["protocol=664", "clips.test_clips=25"]
    heads = ("ridge", "eszsl", "tarn")
    made = [config(*options, f"head={head}", run=tmp_path) for head in heads]
    jobs = [Job(tmp_path / head, head, {}, [], c) for head, c in zip(heads, made, strict=True)]
    lines = plan(jobs, 1000.0).splitlines()
    assert [float(line.split()[0]) > 1 for line in lines[:3]] == [True, False, False]
    disk = [float(plan(some, 1000.0).split(", ")[-1].split()[0]) for some in (jobs[:1], jobs)]
    assert 25 < disk[0] <= disk[1] < disk[0] + 2  # GB: 524,000 videos, 25 clips, 512 numbers


def test_options_are_chosen_on_held_out_classes_and_then_all_are_trained_on():
    problem = planted(seen=20, unseen=6, videos=10)
    training, kind = problem.training(), HEADS["ridge"]
    choice = choose(kind, kind.Options(), training, 5, 0.2)
    assert choice.held_out == 4 and len(choice.tried) == 5
    assert choice == choose(kind, kind.Options(), training, 5, 0.2)
    best = max(choice.tried, key=lambda entry: entry["top1"])
    assert choice.options.lam == best["lam"]
    head = make(kind, vars(choice.options), training)
    head.fit(training)
    assert top1(head, problem.test()) > 5 * 100 / 6
    given = choose(kind, kind.Options(lam=0.5), training, 5, 0.2)
    assert (given.options.lam, given.held_out, given.tried) == (0.5, 0, ())
    few = training.of_classes(np.arange(3))
    with pytest.raises(UserError, match=r"3 classes are too few .* head\.lam="):
        choose(kind, kind.Options(), few, 8, 0.2)


def of_head(folder, seed=0, **head):
    run = finished_run(folder, trained(predictions(60, noise=6, seed=seed)), seed=seed)
    record = json.loads((run / "metrics.json").read_text())
    record["head"] = {"name": "ridge", "features": {"backbone": "tiny"}, **head}
    (run / "metrics.json").write_text(json.dumps(record))
    (run / "SHA256SUMS").unlink()
    return run


def test_what_has_seen_target_videos_stands_beside_nothing_else(tmp_path):
    plain = of_head(tmp_path / "plain")
    seen = of_head(tmp_path / "seen", target_videos_used=True)
    assert warnings_of(Run(plain)) == []
    assert "TRANSDUCTIVE: target videos used in training" in warnings_of(Run(seen))
    with pytest.raises(UserError, match="plain and seen differ in transductive"):
        write_comparison([str(plain), str(seen)], False, None, 50, tmp_path / "out")
    write_comparison([str(plain), str(seen)], True, None, 50, tmp_path / "out")
    assert "TRANSDUCTIVE" in (tmp_path / "out" / "comparison.md").read_text()

    jobs = [{"axes": {"seed": n}, "folder": f"../{n}"} for n in ("plain", "seen")]
    (tmp_path / "rivals").mkdir()
    content = {"study": {"name": "rivals"}, "jobs": jobs}
    (tmp_path / "rivals" / "jobs.json").write_text(json.dumps(content))
    study = Study.load(tmp_path / "rivals")
    assert [trial.axes["seed"] for trial in study.trials] == ["plain"]
    assert len(study.outcomes) == 2


@pytest.mark.slow
def test_heads_on_real_clips(cli, shared, tmp_path):
    """Fitted on features of some actors, by an f_v of a few steps; scored on other actors."""
    first, cache = tmp_path / "first", f"paths.cache={tmp_path}/cache"
    options = ["experiments=weizmann", "hydra.mode=RUN", "trainer.accelerator=cpu", "model=tiny"]
    options += [f"source.root={shared}/datasets/weizmann", "clips.test_clips=3", cache]
    options += ["target=[weizmann]", "target.weizmann.actors=[ido,ira,lena]", "resamples=0"]
    options += ["trainer.max_epochs=4", "clips.short_side=48", "clips.crop=40", "loader.workers=0"]
    finished(cli("train", *options, f"hydra.run.dir={first}"))
    for head, own in (("ridge", ["head.lam=0.01"]), ("sje", ["head.lr=0.003", "head.margin=1"])):
        run = tmp_path / head
        fit = [*options, f"head={head}", *own, f"features.ckpt={first}", f"hydra.run.dir={run}"]
        said = finished(cli("train", *fit))
        assert ("computing features" in said) is (head == "ridge")
        record = read(run, "metrics.json")
        assert record["targets"]["weizmann"]["full"]["top1"] > 15  # chance is 10 %
        assert record["head"]["videos"] == 60
