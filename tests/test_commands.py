"""Commands take options as typed and fail in one line with exit code 2."""

import importlib
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers.commands import fails, finished
from zsvideo.cli import REMOVED, check_removed, stored_options
from zsvideo.commands import run
from zsvideo.data.datasets.activitynet import ActivityNet
from zsvideo.data.datasets.base import VideoSet
from zsvideo.data.datasets.hmdb51 import HMDB51
from zsvideo.data.datasets.kinetics import Kinetics700
from zsvideo.data.datasets.sun397 import SUN397
from zsvideo.data.datasets.ucf101 import UCF101
from zsvideo.errors import UserError
from zsvideo.experiment.composed import Claim
from zsvideo.overrides import quote_digits
from zsvideo.resources import CONF, ROOT
from zsvideo.usage import COMMANDS, GROUPS, as_typed


@pytest.mark.parametrize(
    ("typed", "seen"),
    [
        ("protocol=605", 'protocol="605"'),
        ("protocol=605,664", 'protocol="605","664"'),
        ("protocol=choice(605,664)", 'protocol=choice("605","664")'),
        ("protocol='605'", "protocol='605'"),
        ('protocol="605"', 'protocol="605"'),
        ("protocol=664_identical", "protocol=664_identical"),
        ("evaluation=[7]", 'evaluation=["7"]'),
        ("trainer.max_epochs=3", "trainer.max_epochs=3"),
        ("seed=605", "seed=605"),
        ("-m", "-m"),
    ],
)
def test_digits_are_quoted_for_groups_only(typed, seen):
    assert quote_digits([typed]) == [seen]


@pytest.mark.slow
def test_headline_command_without_data(cli, tmp_path):
    process = cli("train", "protocol=605", "model=r2plus1d", f"hydra.run.dir={tmp_path}/run")
    assert fails(process, "kinetics700", "source.root")
    assert process.stderr.strip().count("\n") == 0


HEAVY = ("torch", "pytorch_lightning", "gensim", "sklearn", "matplotlib", "scipy", "av", "wandb")
LOADED = """
import atexit, runpy, sys
atexit.register(lambda: print("loaded:", *(set({heavy}) & set(sys.modules))))
sys.argv = ["train", *{options}]
runpy.run_module("src.train", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "options",
    [["protocol=605", "model=r2plus1d"], ["protocol=605", "source=synthetic"], ["--cfg", "job"]],
)
def test_nothing_heavy_is_loaded_before_the_data_is_looked_for(tmp_path, options):
    """Both the source and the targets are looked for; the generated source needs no files."""
    options = [*options, f"paths.data={tmp_path}", f"hydra.run.dir={tmp_path}/run"]
    script = LOADED.format(heavy=HEAVY, options=options)
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert process.stdout.strip().splitlines()[-1] == "loaded:", process.stdout[-500:]
    assert ("error: " in process.stderr) == ("--cfg" not in options), process.stderr


@pytest.mark.parametrize("kind", [VideoSet, UCF101, HMDB51, Kinetics700, ActivityNet, SUN397])
def test_the_early_look_says_how_to_get_the_data(config, tmp_path, kind):
    composed = config(
        f"source._target_={kind.__module__}.{kind.__name__}", f"source.root={tmp_path}"
    )
    with pytest.raises(UserError, match=rf"is not at {tmp_path} \(source\.root\); {kind.how}"):
        Claim.of(composed).check_data("source")


@pytest.mark.parametrize("name", [n for n in COMMANDS if (CONF / f"{n}.yaml").is_file()])
def test_help_shows_what_every_group_decides(cli, name):
    said = finished(cli(name, "--help"))
    assert COMMANDS[name] in said and "Powered by Hydra" not in said
    groups = {"prepare": [], "audit": ["source", "pretrain", "target", "protocol", "semantics"]}
    for group in groups.get(name, [g for g in GROUPS if g != "hydra/launcher"]):
        assert re.search(rf"^  {group}\S* +{re.escape(GROUPS[group])}$", said, re.M), group
    for key in re.findall(r"^(\w+): ", (CONF / f"{name}.yaml").read_text(), re.M):
        assert re.search(rf"^  {key}: ", said, re.M), key


def test_every_group_has_a_line():
    folders = {folder.name for folder in CONF.iterdir() if folder.is_dir()} - {"hydra"}
    assert folders | {"experiments", "hydra/launcher"} == set(GROUPS)


@pytest.mark.parametrize(
    ("begun", "seen"), [("/bin/zsvideo", "zsvideo"), ("/a/src/train.py", "python -m src.")]
)
def test_messages_name_a_command_as_it_was_typed(monkeypatch, begun, seen):
    monkeypatch.setattr(sys, "argv", [begun])
    text = as_typed("run python -m src.prepare, or src.audit; see src.trainer")
    name = "zsvideo " if seen == "zsvideo" else seen
    assert text == f"run {name}prepare, or {name}audit; see src.trainer"


def test_multirun_without_data(cli, tmp_path):
    process = cli("train", "-m", "protocol=605,664", f"hydra.sweep.dir={tmp_path}/sweep")
    assert len(fails(process, "kinetics700", "source.root")) == 1


def test_unknown_protocol_names_the_allowed_ones(cli):
    fails(cli("train", "protocol=700"), "protocol=700", "605", "664")
    fails(cli("train", "target=[ucf101,nope]"), "target=nope is unknown", "hmdb51, kinetics600")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("semantics.path=nowhere.bin", ["nowhere.bin", "semantics.path"]),
        ("target.folder.root=nowhere", ["nowhere", "target.folder.root"]),
        ("model.backbone=r9", ["r9", "r2plus1d"]),
        ("seed=x", ["seed"]),
        ("model.lr=fast", ["model.lr"]),
        ("protocol.tau=high", ["protocol.tau"]),
        ("model.backbone=c3d", ["c3d", "clips.crop=112"]),
        ("trainer.max_epochs=0", ["nothing was trained"]),
        ("trainer.max_epochs=-1", ["would train without end"]),
        ("trainer.accumulate_grad_batches=two", ["trainer.accumulate_grad_batches=two"]),
        ("evaluation=[]", ["evaluation"]),
        ("logger=null", ["override"]),
        ("clips.crop=99", ["crop"]),
        ("no.such=1", ["no.such"]),
        ("target=[]", ["target"]),
    ],
)
def test_bad_options(cli, folders, tmp_path, change, words):
    fails(cli("train", *folders, f"hydra.run.dir={tmp_path}/run", change), *words)


@pytest.mark.parametrize("key", REMOVED)
def test_a_removed_option_names_what_to_use(key):
    for typed in (f"{key}=1", f"+{key}=1", f"{key}=1,2", f"~{key}"):
        with pytest.raises(UserError, match=re.escape(REMOVED[key])):
            check_removed(["protocol=605", typed])
    check_removed([f"{key}s=1", "-m", "protocol=605"])


def test_a_removed_option_stops_a_command_in_one_line(cli):
    process = cli("train", "protocol=605", "loader.micro_batch=auto")
    fails(process, "loader.micro_batch=auto", "trainer.accumulate_grad_batches")
    assert process.stderr.strip().count("\n") == 0


def test_a_run_that_had_a_removed_option_is_still_read(tmp_path):
    (tmp_path / ".hydra").mkdir()
    overrides = '- seed=3\n- loader.micro_batch=11\n- resume=auto\n- "+ckpts=1"\n'
    (tmp_path / ".hydra" / "overrides.yaml").write_text(overrides)
    assert stored_options(tmp_path, "resume") == ["hydra.mode=RUN", "seed=3", "+ckpts=1"]


def test_empty_class_folder(cli, folders, tmp_path):
    (tmp_path / "source" / "idle").mkdir()
    fails(cli("train", *folders, f"hydra.run.dir={tmp_path}/run"), "idle", "fill or remove")


def test_unknown_words_are_all_listed(cli, folders, tmp_path):
    (tmp_path / "source" / "jump").rename(tmp_path / "source" / "zorbing")
    (tmp_path / "source" / "run").rename(tmp_path / "source" / "swim quidditch")
    process = cli("train", *folders, f"hydra.run.dir={tmp_path}/run")
    fails(process, "zorb", "quidditch", "semantics.path")


@pytest.mark.parametrize("kind", ["missing", "text", "foreign"])
def test_wrong_checkpoint(cli, folders, tmp_path, kind):
    import torch

    file = tmp_path / "model.ckpt"
    if kind == "text":
        file.write_text("not a checkpoint")
    if kind == "foreign":
        torch.save({"weights": torch.zeros(1)}, file)
    fails(cli("evaluate", f"ckpt={file}", *folders, f"hydra.run.dir={tmp_path}/run"), "ckpt")


@pytest.mark.parametrize(
    "typed", [["train", "--cfg", "job"], ["report"], ["prepare"], ["report", "--help"]]
)
def test_nothing_is_left_in_the_folder_where_a_command_was_typed(tmp_path, typed):
    command = [sys.executable, "-m", f"src.{typed[0]}", *typed[1:]]
    where = {"PYTHONPATH": f"{ROOT}/src{os.pathsep}{ROOT}"}
    subprocess.run(command, cwd=tmp_path, env=os.environ | where, capture_output=True, timeout=120)
    assert not list(tmp_path.iterdir())


def test_a_reader_that_has_read_enough_is_no_mistake():
    command = f"{sys.executable} -m src.train --cfg job | head -n 1"
    where = {"PYTHONPATH": f"{ROOT}/src"}
    process = subprocess.run(
        command, shell=True, cwd=ROOT, env=os.environ | where, capture_output=True, text=True
    )
    assert process.stdout.strip() and not process.stderr


def test_report_of_no_run(cli, tmp_path):
    fails(cli("report", f"run={tmp_path}"), "metrics.json")


EARLY = """
import os, runpy, signal, sys
class Press:
    def find_spec(self, name, *_):
        if name == "{module}":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Press())
signal.signal(signal.SIGINT, signal.{handler})
sys.argv = ["{name}", "--help"]
runpy.run_module("src.{name}", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("name", "module", "handler", "end"),
    [
        ("train", "hydra", "default_int_handler", (130, "stopped\n")),
        ("report", "zsvideo.experiment.composed", "default_int_handler", (130, "stopped\n")),
        ("predict", "zsvideo.errors", "default_int_handler", (130, "stopped\n")),
        ("predict", "zsvideo.errors", "SIG_IGN", (0, "")),  # as a shell starts it in the background
    ],
)
def test_ctrl_c_while_a_command_is_imported_is_one_line(name, module, handler, end):
    code = EARLY.format(name=name, module=module, handler=handler)
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (process.returncode, process.stderr) == end


def test_ctrl_c_before_a_command_minds_it_is_one_line(monkeypatch, capsys):
    def main():
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(main=main))
    with pytest.raises(SystemExit) as end:
        run("train")
    assert end.value.code == 130 and capsys.readouterr().err == "stopped\n"


def test_a_run_folder_whose_name_hydra_fills_in_is_one_line(cli, folders, tmp_path):
    place = tmp_path / "a ${x}"
    place.mkdir()
    fails(cli("train", *folders, f"hydra.run.dir={place}"), "key 'x' not found", "rename it")
