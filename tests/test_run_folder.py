"""A run's folder: a start that is refused changes nothing, and a place is no content."""

import fcntl
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from omegaconf import OmegaConf

from helpers.commands import fails, finished, read
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Experiment
from zsvideo.experiment.folder import in_use
from zsvideo.experiment.jobs import is_finished, job_hash
from zsvideo.experiment.resume import Begun, check_same_content, check_same_options


def contents(folder):
    """Read all files of a folder, but for the log and the empty lock."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {
        str(f.relative_to(folder)): f.read_bytes()
        for f in files
        if f.name not in ("lock", "train.log")
    }


@contextmanager
def at_work(run, tmp_path):
    """Be another process that works in a folder."""
    run.mkdir(exist_ok=True)
    import multiprocessing

    ready, done = multiprocessing.Event(), multiprocessing.Event()

    def work():
        with (run / "lock").open("w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            ready.set()
            done.wait(60)

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    assert ready.wait(30)
    yield
    done.set()
    process.join()


@pytest.fixture
def trained(cli, folders, tmp_path):
    """A run on names that are no UTF-8, in a folder whose name Hydra's grammar would trip over."""
    for place in ("source/run", "target/sing"):
        (tmp_path / place / "1.avi").rename(tmp_path / place / "caf\udce9.avi")
    run = tmp_path / "run é,[1]=a 'b' \"c\" #2 $x;&~"
    finished(cli("train", *folders, "trainer.max_epochs=1", f"hydra.run.dir={run}"))
    return run


@pytest.mark.slow
def test_a_refused_start_changes_nothing(cli, trained, tmp_path):
    before = contents(trained)
    wrong = ["loader.batch_size=2", "clips.crop=24"]
    refused = cli("train", f"resume={trained}", "trainer.max_epochs=2", *wrong)
    fails(refused, "began with other options", "clips.crop: 32 -> 24")
    longer, where = [f"resume={trained}", "trainer.max_epochs=2"], f"hydra.run.dir={trained}"
    fails(cli("train", *longer, "target.folder.root=nowhere"), "nowhere")
    fails(cli("train", *longer, "model.lr=fast"), "model.lr")
    fails(cli("evaluate", f"ckpt={trained}", "resamples=x", where), "resamples")
    assert contents(trained) == before
    with at_work(trained, tmp_path):
        fails(cli("train", *longer), f"{trained} is in use", "hydra.run.dir")
        fails(cli("evaluate", f"ckpt={trained}", where), f"{trained} is in use")
    assert contents(trained) == before

    said = finished(cli("evaluate", f"predictions={trained}", f"hydra.run.dir={trained}"))
    assert "folder" in said  # scored in place: the options of the training stay
    for name in ("overrides.yaml", "config.yaml", "hydra.yaml"):
        assert (trained / ".hydra" / name).read_bytes() == before[f".hydra/{name}"]

    finished(cli("train", f"resume={trained}", "trainer.max_epochs=2"))
    assert "trainer.max_epochs=2" in (trained / ".hydra" / "overrides.yaml").read_text()
    assert read(trained, "metrics.json")["setup"]["clips"]["crop"] == 32


@pytest.mark.slow
def test_data_vectors_and_caches_may_move(cli, trained, tmp_path):
    before = np.load(trained / "predictions" / "folder.npz")["embeddings"]
    for name in ("source", "target", "toy.bin"):
        (tmp_path / name).rename(tmp_path / f"moved-{name}")
    moved = [
        f"target.folder.root={tmp_path}/moved-target",
        f"semantics.path={tmp_path}/moved-toy.bin",
        f"paths.cache={tmp_path}/other-cache",
        "loader.test_batch_size=2",
    ]
    tested = tmp_path / "tested"
    finished(cli("evaluate", f"ckpt={trained}", *moved, f"hydra.run.dir={tested}"))
    again = np.load(tested / "predictions" / "folder.npz")["embeddings"]
    assert np.allclose(again, before, rtol=0, atol=1e-6)
    moved.append(f"source.root={tmp_path}/moved-source")

    shutil.copytree(tmp_path / "moved-source", tmp_path / "less")
    (tmp_path / "less" / "jump" / "0.avi").unlink()
    kept = contents(trained)
    typed = [f"resume={trained}", "trainer.max_epochs=2", *moved]
    less = cli("train", *typed, f"source.root={tmp_path}/less")
    fails(less, "source.root: other videos", "hydra.run.dir")
    assert contents(trained) == kept
    said = finished(cli("train", *typed))
    assert "going on from step 2" in said


@pytest.mark.slow
def test_a_lone_checkpoint_is_tested_with_the_options_it_holds(cli, trained, tmp_path):
    """It was trained and tested at 3 clips of 32 pixels, not at the defaults."""
    shutil.copy(trained / "checkpoints" / "last.ckpt", tmp_path / "m.ckpt")
    typed = [
        f"ckpt={tmp_path}/m.ckpt",
        "target=[folder]",
        f"target.folder.root={tmp_path}/target",
        "protocol=targets",
        f"semantics.path={tmp_path}/toy.bin",
        "trainer.accelerator=cpu",
    ]
    alone, other = tmp_path / "alone", tmp_path / "other"
    said = finished(cli("evaluate", *typed, f"hydra.run.dir={alone}"))
    assert "clips.crop=32" in said and f"tested as {tmp_path}/m.ckpt says" in said
    one, whole = (np.load(run / "predictions" / "folder.npz") for run in (alone, trained))
    assert np.array_equal(one["embeddings"], whole["embeddings"])
    clips = read(alone, "metrics.json")["setup"]["clips"]
    assert clips == read(trained, "metrics.json")["setup"]["clips"]
    finished(cli("evaluate", *typed, "clips.test_clips=1", f"hydra.run.dir={other}"))  # typed wins
    clips = read(other, "metrics.json")["setup"]["clips"]
    assert (clips["test_clips"], clips["crop"]) == (1, 32)


@pytest.mark.slow
def test_two_equal_sweeps_do_not_disturb_each_other(cli, folders, tmp_path):
    sweep = tmp_path / "sweep"
    options = ["-m", *folders, "trainer.max_epochs=1", f"hydra.sweep.dir={sweep}", "seed=0,1"]
    finished(cli("train", *options))
    one, other = sorted(file.parent for file in sweep.glob("*/metrics.json"))
    (one / "metrics.json").write_text('{"version"')  # cut: the job is not finished
    (other / ".hydra" / "config.yaml").write_text("source: [")
    before = contents(one)
    with at_work(one, tmp_path):
        process = cli("train", *options)
    assert f"{one} is in use" in process.stderr and process.returncode == 2
    assert "1 of 2 jobs did not finish" in process.stderr and "Traceback" not in process.stderr
    assert contents(one) == before
    assert "2 of 2 jobs finished" in finished(cli("train", *options))


@pytest.mark.parametrize("damage", ["", '{"a"', "[]", "null", "\0" * 50, "3", "\udc80"], ids=repr)
def test_a_damaged_record_is_no_finished_job(config, tmp_path, damage):
    composed = config("source=synthetic", "target=[synthetic]", "protocol=targets")
    (tmp_path / ".hydra").mkdir()
    good = {".hydra/config.yaml": OmegaConf.to_yaml(composed), "metrics.json": "{}"}
    for name in ("metrics.json", ".hydra/config.yaml"):
        for file, text in good.items():
            (tmp_path / file).write_text(text)
        assert is_finished(tmp_path, job_hash(composed))
        (tmp_path / name).write_text(damage, errors="surrogateescape")
        assert not is_finished(tmp_path, job_hash(composed)), name


def test_a_folder_in_use_says_so_and_is_free_afterwards(tmp_path):
    run = tmp_path / "run"
    with at_work(run, tmp_path), pytest.raises(UserError, match=f"{run} is in use"), in_use(run):
        pass
    with in_use(run):
        pass


def test_a_file_system_without_locks_is_no_hindrance(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    with in_use(tmp_path):
        pass


def test_what_may_move_and_what_not(config, tmp_path):
    def composed(*options):
        typed = ["source=folder", "source.root=a", "target=[folder]", "target.folder.root=b"]
        own = config(*typed, "protocol=targets", f"paths.run={tmp_path}", *options)
        return Experiment.of(own).composed

    before = composed("+semantics.sha256=a1", "protocol.vectors=x/v.bin", "pretrain.ckpt=c")
    content = {"videos": "v", "vectors": "w", "pretrain": None}
    held = {"config": before, "content": content}
    state = {"callbacks": {"Interruption": held}}
    same = ["+semantics.sha256=a1", "protocol.vectors=y/v.bin", "pretrain.ckpt=d"]
    moved = composed(*same, "source.root=q", "target.folder.root=r", "paths.cache=s")
    check_same_options(state, moved, tmp_path)
    with pytest.raises(UserError, match=r"clips\.crop: 112 -> 100"):
        check_same_options(state, {**moved, "clips": {**moved["clips"], "crop": 100}}, tmp_path)
    with pytest.raises(UserError, match=r"protocol\.vectors"):
        check_same_options(state, composed(*same, "protocol.vectors=z.bin"), tmp_path)
    del held["content"]  # of an earlier version: nothing is known but the places
    with pytest.raises(UserError, match=r"source\.root: a -> q"):
        check_same_options(state, moved, tmp_path)
    begun = Begun(checkpoint=tmp_path, content=content)
    check_same_content(begun, content)
    check_same_content(Begun(), content)
    for key in content:
        with pytest.raises(UserError, match=r"resume: .* began with others"):
            check_same_content(begun, content | {key: "other"})
