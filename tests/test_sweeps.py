"""Sweeps that continue: jobs known by content, skipped when finished, told when missing."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import HydraContext
from hydra.utils import instantiate
from omegaconf import OmegaConf, open_dict

from helpers.commands import fails, finished, start
from helpers.runs import finished_run, predictions
from hydra_plugins.job_sweeper import batches
from zsvideo.commands.report import report as draw
from zsvideo.commands.train import resumed_options, train
from zsvideo.errors import UserError
from zsvideo.experiment.jobs import Job, is_finished, job_hash, training_hash
from zsvideo.experiment.selection import chosen_by, metric_of
from zsvideo.overrides import path_option
from zsvideo.reporting.run import Run
from zsvideo.reporting.studies.report import report
from zsvideo.resources import CONF

pytestmark = pytest.mark.slow

SWEEP = ["-m", "trainer.max_epochs=1"]


def jobs(sweep):
    return json.loads((sweep / "jobs.json").read_text())["jobs"]


def runs(sweep):
    return sorted(file.parent for file in sweep.glob("*/metrics.json"))


def test_the_hash_is_of_what_is_computed(config):
    options = ["source=synthetic", "target=[synthetic]", "protocol=targets"]
    one = job_hash(config(*options))
    same = [
        "paths.data=elsewhere",
        "logger=wandb",
        "loader.workers=0",
        "rate=5",
        "trainer.accelerator=cpu",
    ]
    assert {job_hash(config(*options, other)) for other in same} == {one}
    others = [
        "seed=1",
        "model=tiny",
        "subset=classes",
        "clips.test_clips=1",
        "protocol.tau=0.1",
        "source.videos=3",
        "evaluation=[full]",
    ]
    assert len({job_hash(config(*options, other)) for other in others} | {one}) == len(others) + 1


def test_a_finished_folder_counts_only_for_its_own_job(config, tmp_path):
    composed = config("source=synthetic", "target=[synthetic]", "protocol=targets")
    (tmp_path / ".hydra").mkdir()
    OmegaConf.save(composed, tmp_path / ".hydra" / "config.yaml")
    assert not is_finished(tmp_path, job_hash(composed))
    (tmp_path / "metrics.json").write_text("{}")
    assert is_finished(tmp_path, job_hash(composed))
    assert not is_finished(tmp_path, job_hash(config("seed=1")))


def test_a_sweep_continues_and_outlives_a_failure(cli, folders, tmp_path):
    sweep = tmp_path / "sweep"
    options = [*SWEEP, *folders, f"hydra.sweep.dir={sweep}", "loader.workers=0"]
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    joblib.append("hydra.launcher.backend=multiprocessing")  # forks; loky would import all anew
    told = fails(cli("train", *options, *joblib, "model.lr=0.001,fast"), "model.lr=fast")
    assert "1 of 2 jobs did not finish" in told[-1] and len(runs(sweep)) == 1
    before = {run: (run / "metrics.json").stat().st_mtime_ns for run in runs(sweep)}
    process = cli("train", *options, "model.lr=fast,0.001,0.002")  # one after the other
    said = process.stdout + process.stderr
    assert "1 of 3 jobs did not finish" in fails(process, "model.lr=fast")[-1]
    assert "3 jobs, 1 of them finished before" in said and said.count("Predicting") == 1
    assert {run: (run / "metrics.json").stat().st_mtime_ns for run in before} == before
    assert len(jobs(sweep)) == 3 and len(runs(sweep)) == 2
    assert len(list(sweep.glob("*/error.txt"))) == 1
    again = finished(cli("train", *options, "model.lr=0.002,0.001"))
    assert "2 of 2 jobs finished" in again and "Epoch" not in again and "Launching" not in again


def test_one_training_is_tested_with_several_numbers_of_clips(cli, folders, tmp_path):
    """As runs of one number each; pretrained weights are made once for all that need the same."""
    sweep = tmp_path / "sweep"
    still = [
        "pretrain=sun",
        "source@pretrain.source=folder",
        "pretrain.max_epochs=1",
        f"pretrain.source.root={tmp_path}/source",
    ]
    options = [
        *SWEEP,
        *folders,
        *still,
        f"hydra.sweep.dir={sweep}",
        "resume=auto",
        "resamples=0",
        f"paths.pretrained={sweep}/pretrain",
    ]
    finished(cli("train", *options, "clips.test_clips=[1,3],1,3"))
    assert len(list((sweep / "pretrain").iterdir())) == 1 and len(runs(sweep)) == 3
    records = {run: json.loads((run / "metrics.json").read_text()) for run in runs(sweep)}
    both = next(run for run, record in records.items() if len(record["targets"]) == 2)
    alone = {record["test_clips"]: run for run, record in records.items() if run != both}
    entries = records[both]["targets"]
    assert set(alone) == {1, 3} and set(entries) == {"folder", "folder_1clip"}
    assert [entries[name]["test_clips"] for name in ("folder", "folder_1clip")] == [3, 1]
    assert entries["folder_1clip"]["target"] == "folder" and records[both]["test_clips"] == 3
    for name, count in (("folder", 3), ("folder_1clip", 1)):
        saved = np.load(both / "predictions" / f"{name}.npz")
        single = np.load(alone[count] / "predictions" / "folder.npz")
        assert np.array_equal(saved["ids"], single["ids"])
        assert np.allclose(saved["embeddings"], single["embeddings"], atol=1e-5)
        other = records[alone[count]]["targets"]["folder"]
        assert entries[name]["full"] == other["full"]
    assert not np.allclose(
        saved["embeddings"], np.load(both / "predictions/folder.npz")["embeddings"]
    )
    assert "one clip from the centre of the video; 3 clips" in (both / "card.md").read_text()
    again = finished(cli("train", *options, "clips.test_clips=[1,3],1,3"))
    assert "3 of 3 jobs finished" in again and "Predicting" not in again
    scored = tmp_path / "scored"
    finished(cli("evaluate", f"predictions={both}", f"hydra.run.dir={scored}", "resamples=0"))
    now = json.loads((scored / "metrics.json").read_text())["targets"]
    assert (
        now["folder_1clip"]["test_clips"] == 1
        and now["folder"]["full"] == entries["folder"]["full"]
    )
    fails(cli("train", *folders, "clips.test_clips=[3,3]"), "clips.test_clips=[3, 3]")
    fails(cli("train", *folders, "paths.trained=here"), "clips.test_clips=[1,25]")


def test_no_job_waits_for_another_of_its_batch():
    def job(name, pretraining):
        made = Job(Path(name), name, {}, [], OmegaConf.create())
        made.__dict__["pretraining"] = pretraining
        return made

    order = [job("a", "sun"), job("b", "sun"), job("c", None), job("d", "sun"), job("e", None)]
    names = [[c.sha256 for c in batch] for batch in batches(order, None)]
    assert names == [["a", "c", "e"], ["b", "d"]]  # all of a later batch find the weights made
    assert [len(batch) for batch in batches(order, 1)] == [1, 1, 1, 1, 1] and batches(
        [], None
    ) == []


def test_what_decides_the_training_alone(config):
    def trained(*options):
        return training_hash(config("source=synthetic", *options))

    fixed, own = ["protocol=664", "target=[ucf101]"], ["protocol=targets", "target=[ucf101]"]
    same = ["clips.test_clips=1", "evaluation=[full]", "resamples=0", "target=[hmdb51]"]
    assert {trained(*fixed, other) for other in same} == {trained(*fixed)}
    assert trained(*own) != trained(*own[:1], "target=[hmdb51]")  # what is tested is kept out
    for other in ("seed=1", "model.lr=0.1", "protocol.tau=0.1", "selection=val", "clips.crop=90"):
        assert trained(*fixed) != trained(*fixed, other)
    leak = [*fixed[:1], "selection=test_best"]
    assert trained(*leak, "target=[ucf101]") != trained(*leak, "target=[hmdb51]")


JOBS = {
    "table1": 18,
    "table2": 6,
    "table3": 12,
    "fig1": 18,
    "fig4_classes": 54,
    "fig4_samples": 48,
    "fig5": 40,
    "fig6": 54,
    "fig7": 9,
}


@pytest.mark.parametrize("preset", JOBS)
def test_the_jobs_of_every_preset_at_full_scale(preset):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("train", [f"experiments={preset}"], return_hydra_config=True)
        sweeper = instantiate(composed.hydra.sweeper, _recursive_=False)
        sweeper.config = composed
        sweeper.hydra_context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
        asked = sweeper.options([f"experiments={preset}"])
    assert len(asked) == len({tuple(options) for options in asked}) == JOBS[preset]


def test_a_dry_run_tells_and_writes_nothing(cli, tmp_path):
    sweep = tmp_path / "sweep"
    options = ["-m", "--dry-run", "protocol=605,664", "seed=0,1", f"hydra.sweep.dir={sweep}"]
    said = finished(cli("train", *options, "rate=500"))
    assert "4 of 4 jobs missing" in said and not sweep.exists()
    # 150 epochs of 100,000 clips and 25 forward passes a test video, at 500 clips a second
    hours = sum(150 * 1e5 + n * 25 / 3 for n in (20_086, 47_887)) * 2 / 500 / 3600
    assert f"{hours:,.1f} GPU-hours" in said
    fails(cli("train", "--dry-run", f"hydra.run.dir={tmp_path}/run"), "-m")
    fails(cli("train", *options[:2], "rate=abc", "seed=0"), "rate=abc")


def test_a_dry_run_of_table3_counts_each_training_once(cli, tmp_path):
    options = ["experiments=table3", f"hydra.sweep.dir={tmp_path}", "rate=1000"]
    said = finished(cli("train", "-m", "--dry-run", *options))
    assert "12 of 12 jobs missing" in said
    assert "6 runs that make pretrained weights" in said
    # three seeds of e2e, of SUN, of e2e from it and of a classifier; two frozen ones only encode
    trained = 3 * 150 * 1e5 * (4 + 2 / 3) + 3 * 20_086 * 4 * (1 + 25) / 3
    assert f"{trained / 1000 / 3600:,.1f} GPU-hours" in said
    cached = ["method=baseline", "method.cached_clips=10", "protocol=664", "seed=0", "rate=100"]
    said = finished(cli("train", "-m", "--dry-run", *cached, options[1]))
    assert f"{(10 * 513_742 + 25 * 20_086) / 3 / 100 / 3600:,.1f} GPU-hours" in said


@pytest.fixture
def returned(config, folders, tmp_path, monkeypatch):
    """Give what `train` returns to a sweeper, of a run that ends with some record."""

    def run(*options, about, target="hydra_plugins.optuna", direction="maximize"):
        composed = config(*folders, *options, run=tmp_path)
        with open_dict(composed):
            composed.hydra.mode, composed.hydra.runtime.output_dir = "MULTIRUN", str(tmp_path)
            composed.hydra.sweeper = {"_target_": target, "direction": direction}
        HydraConfig.instance().set_config(composed)
        composed = OmegaConf.masked_copy(composed, [k for k in composed if k != "hydra"])
        folder = tmp_path / "run"
        if not folder.exists():
            finished_run(folder, predictions(videos=20, classes=3), **about)
        monkeypatch.setattr("zsvideo.experiment.training.train", lambda *_: Run(folder))
        return train(composed)

    yield run
    HydraConfig.instance().cfg = None


VAL = ["selection=val", "selection.share=0.5"]


@pytest.mark.parametrize(
    ("typed", "about", "value"),
    [
        (VAL, {"validation": 40.0}, 40.0),
        ([], {}, "hold out classes of the source by selection=val"),
        (VAL, {}, "this run has none"),
        (["optimized_metric=folder/full/top1"], {}, "this run has none"),  # it has no such target
        (["optimized_metric=nope/full/top1"], {}, "these would be: folder/half/..."),
        (["optimized_metric=folder/full"], {}, "must be val/top1 or TARGET"),
        (["optimized_metric=folder/full/top1/x"], {}, "must be val/top1 or TARGET"),
        (["optimized_metric=folder/full/percent"], {}, "must be val/top1 or TARGET"),
    ],
)
def test_what_a_sweeper_that_optimises_gets(returned, typed, about, value):
    if not isinstance(value, str):
        assert returned(*typed, about=about) == value
        with pytest.raises(UserError, match=r"sweeper\.direction=minimize would look for the low"):
            returned(*typed, about=about, direction="minimize")
        return
    with pytest.raises(UserError, match=value):
        returned(*typed, about=about)


def test_a_run_by_itself_and_a_sweep_of_ours_return_it_too(returned):
    tried = {"choice": {"held_out": 2, "tried": [{"top1": 30.0}, {"top1": 50.0}]}, "name": "ridge"}
    ours = "hydra_plugins.job_sweeper.JobSweeper"
    assert returned(about={"head": tried}, target=ours, direction=None) == 50
    assert returned("optimized_metric=folder/full/top5", about={}, target=ours) is None


def test_a_scale_is_of_a_study(config):
    with pytest.raises(UserError, match=r"give one of run=RUN, compare=.* and experiments="):
        draw(config("scale=demo", cli="report"))


def test_tuning_on_the_test_set_is_a_leak(tmp_path):
    began = {"optimized_metric": "own/half/top1"}
    assert chosen_by("last", {}) == chosen_by("last", {"optimized_metric": "val/top1"}) == "last"
    assert chosen_by(chosen_by("val", began), began) == "val, tuned on test: own/half/top1"
    run = finished_run(
        tmp_path, predictions(videos=20, classes=3), selection=chosen_by("last", began)
    )
    half = Run(run).record.targets["own"].evaluations["half"]
    assert metric_of(Run(run), "own/half/top1") == half.top1_mean
    assert metric_of(Run(run), "val/top1") is None
    assert "LEAK: selected on test" in (run / "results.md").read_text()
    assert "tuned on test: own/half/top1" in (run / "card.md").read_text()


def test_optunas_sweeper_finds_the_best(cli, folders, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    optuna = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "hydra.sweeper.sampler.seed=0"]
    typed = ["loader.workers=0", "resamples=0", "model.lr=interval(0.001,0.1)", *VAL, *optuna]
    options = [*SWEEP, *folders, *typed, f"hydra.sweep.dir={tmp_path}/sweep"]
    said = finished(cli("train", *options, "hydra.sweeper.direction=maximize"))
    best = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    records = [json.loads((run / "metrics.json").read_text()) for run in runs(tmp_path / "sweep")]
    scores = {r["setup"]["model"]["lr"]: r["validation"] for r in records}
    assert len(scores) == 2 and best.best_value == max(scores.values()), said
    assert scores[best.best_params["model.lr"]] == best.best_value


SMALL = [
    "experiments=fig5",
    "scale=demo",
    "source.videos=2",
    "target.synthetic.videos=1",
    "subset.clusters=1",
    "seed=0,1",
    "trainer.max_epochs=2",
    "loader.workers=0",
    "loader.epoch_samples=22",
    "resamples=0",
    "save_every=1",
    "clips.test_clips=1",
    "clips.short_side=36",
    "clips.crop=32",
]


def killed_when(condition, options, tmp_path):
    """Start a sweep and kill it as soon as the condition holds."""
    own = {"DATA_ROOT": str(tmp_path / "data"), "OMP_NUM_THREADS": "1"}
    process = start("src.train", ["-m", *options], own, tmp_path)
    end = time.monotonic() + 120
    while not condition():
        assert process.is_alive() and time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.join()


def test_a_study_killed_twice_ends_in_the_same_report(cli, tmp_path):
    once, twice = tmp_path / "once" / "demo", tmp_path / "twice" / "demo"
    finished(cli("train", "-m", *SMALL, f"hydra.sweep.dir={once}"))
    options = [*SMALL, f"hydra.sweep.dir={twice}"]
    killed_when(lambda: any(twice.glob("jobs/*/checkpoints/last.ckpt")), options, tmp_path)
    assert not list(twice.glob("jobs/*/metrics.json"))
    killed_when(lambda: len(list(twice.glob("jobs/*/checkpoints"))) > 1, options, tmp_path)
    said = finished(cli("train", "-m", *options))
    assert "2 of 2 jobs finished" in said and "0 of them finished before" not in said
    written = [report("fig5", folder) for folder in (once, twice)]
    for ending in ("csv", "svg", "tex"):
        files = [folder / f"fig5.{ending}" for folder in written]
        assert files[0].read_bytes() == files[1].read_bytes()

    # a job is evaluated and continued as a run by itself; its study stays as it is
    listed = (once / "fig5" / "jobs.json").read_bytes()
    job = next(once.glob("jobs/*"))
    here, sweep = tmp_path / "evaluated", f"hydra.sweep.dir={once}"
    finished(cli("evaluate", f"ckpt={job}", "evaluation=[full]", sweep, f"hydra.run.dir={here}"))
    assert (here / "metrics.json").is_file()
    options = resumed_options([f"resume={job}"])  # as evaluate's
    assert "hydra.mode=RUN" in options and options[-1] == path_option("hydra.run.dir", job)
    assert (once / "fig5" / "jobs.json").read_bytes() == listed
