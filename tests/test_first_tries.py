"""What people try first: options of the Trainer, Ctrl-C, a set that is something else."""

import inspect
import json
import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest
import torch

import zsvideo
from helpers.networks import module
from zsvideo.cli import interruptible
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.options import ClipSpec
from zsvideo.errors import UserError
from zsvideo.experiment.build import load_model
from zsvideo.experiment.pretraining import load_weights
from zsvideo.models.checkpoints import LAST, SIGTERM_STATUS, Interruption
from zsvideo.models.files import KNOWN, NEEDED
from zsvideo.models.module import ZeroShotModule
from zsvideo.overrides import with_plus
from zsvideo.prediction.loading import read_model

SMALL = ["loader.workers=0", "trainer.max_epochs=1", "resamples=5"]


PLUS = ["", *(pytest.param(plus, marks=pytest.mark.slow) for plus in ("+", "++"))]


@pytest.fixture
def train(folders, tmp_path):
    """Train in this process, as `zsvideo train` does; gives what `metrics.json` holds."""

    def run(*options):
        folder = tmp_path / "run"
        own = [*folders, f"paths.cache={tmp_path}/cache", *SMALL, *options]
        zsvideo.train(zsvideo.compose(*own, run=folder), folder)
        return json.loads((folder / "metrics.json").read_text())

    return run


@pytest.mark.parametrize("plus", PLUS)
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
def test_trainer_options_that_are_decided_elsewhere(tmp_path, typed, words, plus):
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
@pytest.mark.parametrize(
    ("step", "options", "words"),
    [
        (0, [], r"epoch 0, by step 2; start anew, in"),
        (3, [], r"epoch 1, by step 4; start anew, from step 2, .* by pretrain\.ckpt="),
        (4, ["loader.batch_size=1", "save_every=3"], r"epoch 0, by step 6; .* from step 3"),
    ],
)
def test_a_loss_that_is_not_a_number(train, tmp_path, monkeypatch, step, options, words):
    monkeypatch.setenv("ZSVIDEO_TARGETS", "helpers.faults")
    planted = ["_target_=helpers.faults.NotANumber", f"step={step}"]
    planted = [f"+callbacks.planted.{option}" for option in planted]
    with pytest.raises(UserError, match=f"loss is not a number in {words}"):
        train("trainer.max_epochs=3", *planted, *options)
    file = tmp_path / "run" / "checkpoints" / LAST
    assert file.is_file() == (step > 0)
    if step:
        state = torch.load(file, weights_only=True)["state_dict"]
        assert all(tensor.isfinite().all() for tensor in state.values())


@pytest.mark.parametrize("oov", ["drop", "fallback"])
@pytest.mark.parametrize("role", ["source", "target"])
def test_a_set_without_any_vector_is_told_before_training(folders, tmp_path, role, oov):
    for number, old in enumerate(sorted((tmp_path / role).iterdir())):
        old.rename(old.with_name("qwx" * (number + 1)))
    typed = [*folders, f"semantics.oov={oov}", f"paths.cache={tmp_path}/cache"]
    run = tmp_path / "run"
    with pytest.raises(UserError, match=rf"{role}\S*root: none of the 4 classes \(qwx, .*toy\.bin"):
        zsvideo.train(zsvideo.compose(*typed, run=run), run)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": None, "normalize_output": None}, "missing: normalize_output, mean"),
        ({"temperature": 0.1}, "unknown: temperature"),
        ({"temperature": 0.1, "std": None}, "missing: std; unknown: temperature"),
    ],
)
def test_a_checkpoint_of_another_version_is_named_as_such(tmp_path, changes, words):
    values = {**dict(module().hparams), **changes}
    own = {key: value for key, value in values.items() if value is not None}
    state = {"f_s.weight": torch.zeros(1)}
    file = tmp_path / "m.ckpt"
    content = {"pytorch-lightning_version": "2", "state_dict": state, "hyper_parameters": own}
    torch.save(content, file)
    readers = {
        "ckpt": lambda: load_model(None, file, None),
        "model": lambda: read_model(file),
    }
    if "unknown" in words:
        readers["pretrain.ckpt"] = lambda: load_weights(None, file, False, None)
    for option, reader in readers.items():
        own = words.split("; ")[-1] if option == "pretrain.ckpt" else words  # it needs no more
        with pytest.raises(UserError, match=f"^{option}=.* by another version .*{own}"):
            reader()
    torch.save({**content, "hyper_parameters": None}, file)
    for reader in readers.values():
        with pytest.raises(UserError, match="is no checkpoint of"):
            reader()


def test_every_hyper_parameter_is_known():
    parameters = inspect.signature(ZeroShotModule.__init__).parameters
    assert {*parameters, "classes"} == {"self", *KNOWN}
    needed = [n for n, p in parameters.items() if p.default is p.empty and n != "self"]
    assert needed == list(NEEDED)


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
