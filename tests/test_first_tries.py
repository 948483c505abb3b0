"""What people try first: options of the Trainer, Ctrl-C, a set that is something else."""

import json
import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest

import zsvideo
from zsvideo.cli import interruptible
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.models.checkpoints import SIGTERM_STATUS, Interruption
from zsvideo.overrides import with_plus

SMALL = ["loader.workers=0", "trainer.max_epochs=1", "resamples=5"]


@pytest.fixture
def train(folders, tmp_path):
    """Train in this process, as `zsvideo train` does; gives what `metrics.json` holds."""

    def run(*options):
        folder = tmp_path / "run"
        own = [*folders, f"paths.cache={tmp_path}/cache", *SMALL, *options]
        zsvideo.train(zsvideo.compose(*own, run=folder), folder)
        return json.loads((folder / "metrics.json").read_text())

    return run


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("overfit_batches=1", "subset.samples=N"),
        ("overfit_batches=0.5", "subset.samples=N"),
        ("enable_checkpointing=false", "tests its last checkpoint"),
        ("profiler=simple", "bottleneck"),
        ("barebones=true", "fast_dev_run"),
        ("logger=false", "logger=csv"),
        ("callbacks=[]", "~callbacks.NAME"),
        ("default_root_dir=x", "hydra.run.dir=FOLDER"),
        ("limit_train_batches=0", "from above 0 to 1.0"),
        ("limit_val_batches=1.5", "a share of them"),
        ("limit_predict_batches=true", "a number of batches"),
        ("fast_dev_run=-1", "at least 0"),
        ("fast_dev_run=maybe", "whole number"),
        ("enable_progress_bar=0", "true or false"),
        ("max_epoch=3", "Lightning has none"),
    ],
)
def test_trainer_options_that_are_decided_elsewhere(tmp_path, typed, words):
    for plus in ("", "+", "++"):
        with pytest.raises(UserError, match=r"trainer\.") as told:
            zsvideo.compose("source=synthetic", f"{plus}trainer.{typed}", run=tmp_path)
        assert words in str(told.value) and "\n" not in str(told.value)


def test_options_of_lightning_need_no_plus():
    typed = ["trainer.fast_dev_run=1", "+trainer.deterministic=true", "trainer.max_epochs=2"]
    assert with_plus([*typed, "+a.trainer.x=1", "trainer=fast"]) == [
        "++trainer.fast_dev_run=1",
        "++trainer.deterministic=true",
        "trainer.max_epochs=2",
        "+a.trainer.x=1",
        "trainer=fast",
    ]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("target.folder.root", "it belongs to target=[folder]"),
        ("target.hmdb51.splits", "it belongs to target=[hmdb51]"),
        ("evaluation.shuffled.seed", "it belongs to evaluation=[shuffled]"),
        ("logger.wandb.offline", "it belongs to logger=wandb"),
        ("source.videos", "it belongs to source=synthetic"),
        ("subset.samples", "it belongs to subset=samples"),
        ("seen.root", "it belongs to source@seen=NAME"),
        ("pretrain.source.root", "it belongs to source@pretrain.source=NAME"),
        ("target.mine.root", "`--cfg job` prints all of them"),
        ("nothing", "`--cfg job` prints all of them"),
    ],
)
def test_an_option_of_another_choice_names_that(tmp_path, key, words):
    typed = ["source=csv", "source.root=x", "target=[ucf101]", f"{key}=1"]
    with pytest.raises(UserError) as told:
        zsvideo.compose(*typed, run=tmp_path)
    assert str(told.value).startswith(f"there is no option {key}; ") and words in str(told.value)


@pytest.mark.parametrize("role", ["source", "target.folder"])
def test_a_folder_of_photographs_names_images(tmp_path, role):
    (tmp_path / "photos" / "jump").mkdir(parents=True)
    (tmp_path / "photos" / "jump" / "a.jpg").touch()
    videos = VideoSet(root=str(tmp_path / "photos"), option=f"{role}.root")
    with pytest.raises(UserError, match=rf"no videos .*{role}\.root.*source=images"):
        videos.scan()


def test_a_decoder_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("zsvideo.data.options.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"clips\.decoder=decord.*take clips\.decoder=pyav"):
        ClipSpec(decoder="decord")
    assert ClipSpec().decoder == "pyav"


@pytest.mark.slow
def test_a_quick_run_goes_through_everything(train, capsys):
    options = ["selection=val", "selection.share=0.5", "trainer.max_epochs=9"]
    scored = train("trainer.fast_dev_run=true", "trainer.enable_progress_bar=false", *options)
    target = scored["targets"]["folder"]
    assert (scored["trained_steps"], target["used"], target["expected"]) == (1, 4, 8)
    said = capsys.readouterr()
    assert "INCOMPLETE" in said.out and "Epoch" not in said.out + said.err


@pytest.mark.slow
@pytest.mark.parametrize("option", ["limit_predict_batches=0.5", "limit_test_batches=1"])
def test_some_batches_of_the_targets(train, option):
    assert train(f"trainer.{option}")["targets"]["folder"]["used"] == 4


def interrupted(after=lambda: time.sleep(5)):
    """Be told to end by a terminal."""
    with interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        after()


def test_ctrl_c_outside_a_training_ends_at_once(capsys):
    with pytest.raises(SystemExit) as end:
        interrupted()
    assert end.value.code == 130 and capsys.readouterr().err == "stopped\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_where_lightning_minds_sigterm_is_one(capsys):
    signals = []
    before = signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    try:
        interrupted(after=lambda: None)
        with pytest.raises(SystemExit) as end:
            interrupted(after=lambda: os.kill(os.getpid(), signal.SIGINT))  # again: at once
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 130 and set(signals) == {signal.SIGTERM}
    assert "after this batch" in capsys.readouterr().err


def test_ctrl_c_is_left_to_the_first_process():
    def work():
        os.kill(os.getpid(), signal.SIGINT)
        os._exit(7)

    with interruptible():
        process = multiprocessing.get_context("fork").Process(target=work)
        process.start()
        process.join(10)
    assert process.exitcode == 7


def test_a_test_ends_after_its_batch_when_told_to(tmp_path):
    callback = Interruption({}, tmp_path / "last.ckpt", 1, {})
    callback.on_predict_batch_end(SimpleNamespace(received_sigterm=False))
    with pytest.raises(SystemExit) as end:
        callback.on_predict_batch_end(SimpleNamespace(received_sigterm=True))
    assert end.value.code == SIGTERM_STATUS
