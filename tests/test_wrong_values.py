"""Wrong values of every type for every option: one line, or rightly accepted."""

from importlib import import_module

import pytest
from omegaconf import OmegaConf

from helpers.models import trained_run
from helpers.videos import grey_video
from zsvideo.cli import is_mistake, line
from zsvideo.commands import predict
from zsvideo.experiment.composed import KNOWN, check_options, check_paths, typed_value
from zsvideo.options import as_typed_value
from zsvideo.overrides import PLACES
from zsvideo.targets import check_arguments

WRONG = {
    "text": "maybe",
    "negative": -1,
    "zero": 0,
    "huge": 1e20,
    "huge whole": 10**20,
    "not a number": float("nan"),
    "endless": float("inf"),
    "list": [-1],
    "empty list": [],
    "mapping": {"a": 1},
    "null": None,
    "empty": "",
    "true": True,
}
NEVER = {"huge", "huge whole", "not a number", "endless", "mapping", "empty"}
# A name may be a number; what Lightning, a scale, a study or an evaluation takes is theirs to say.
NAMES = (
    "backbone",
    "root",
    "table",
    "path",
    "cache",
    "ckpt",
    "name",
    "vectors",
    "precision",
    "accelerator",
)
WANDB = {"group", "tags"}  # what wandb.init takes
FREE = {
    "huge whole": {*NAMES, "strategy", "resume", "run", "data", "pretrained"} - WANDB,
    "mapping": {"strategy", "axes", "rows", *WANDB},
    "empty": {"name", "version", "filename", "save_dir", "dirpath", "project", *WANDB},
}
MADE = ("callbacks", "logger", "evaluation")
EVALUATIONS = (
    "half,full,half_casefold,official3,truze,kinetics600_220,distance,generalised,shuffled"
)
COMMANDS = {
    "train": [
        "target=[ucf101]",
        "subset=samples",
        "source=synthetic",
        "callbacks=[early_stopping,ema]",
        "logger=wandb",
        f"evaluation=[{EVALUATIONS}]",
    ],
    "evaluate": ["target=[ucf101]", "subset=clusters", "logger=tensorboard"],
    "audit": ["target=[ucf101]"],
    "report": [],
    "prepare": ["dataset=ucf101", "root=x", "out=y"],
}


def keys(node, prefix=""):
    """List the options of a config."""
    for key in node:
        inner = node._get_node(key)
        name = f"{prefix}.{key}" if prefix else str(key)
        if OmegaConf.is_dict(inner) and not inner._is_interpolation() and len(inner):
            yield from keys(inner, name)
        elif not inner._is_missing():
            yield name


def check(config, key):
    """Check the group of an option as a command does, which checks all of them."""
    group = "targets" if key.startswith("target.") else key.partition(".")[0]
    if group == "paths":
        check_paths(config)
        typed_value(config, "data")
    elif group in MADE:
        for name, values in (OmegaConf.to_container(config[group], resolve=True) or {}).items():
            check_arguments(values, f"{group}.{name}", partial=group == "evaluation")
    elif group in KNOWN:
        typed_value(config, group)
    else:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_values_of_every_option(config, command):
    typed = [] if command == "prepare" else ["paths.run=x"]
    composed = config(*COMMANDS[command], *typed, cli=command)
    counts = {"line": 0, "accepted": 0}
    for key in keys(composed):
        changed = composed.copy()
        OmegaConf.set_struct(changed, False)
        for kind, value in WRONG.items():
            OmegaConf.update(changed, key, value, merge=False)
            try:
                known = check(changed, key)
            except Exception as error:
                assert is_mistake(error), f"{key}={value!r}: {error!r}"
                assert "\n" not in line(error)
                counts["line"] += 1
                continue
            last = key.rpartition(".")[2]
            free = last in FREE.get(kind, ()) or key.endswith(("_target_", "._partial_"))
            free |= kind == "huge whole" and PLACES.fullmatch(key) is not None  # a file may be 007
            assert not (known and kind in NEVER) or free, f"{key}={value!r} is accepted"
            counts["accepted"] += 1
    assert counts["line"] > 0, counts
    print(command, counts)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths.data", None),
        ("pretrain.source", "x"),
        ("compat", "mine"),
        ("trainer.sync_batchnorm", "maybe"),
        ("trainer.num_nodes", 0),
        ("model.std", [0, 1, 1]),
        ("model.gamma", float("nan")),
        ("resamples", 10**20),
        ("loader.workers", 1e20),
        ("subset.samples", -1),
        ("clips.test_clips", True),
        ("pretrain.max_epochs", "abc"),
    ],
)
def test_nonsense_that_was_accepted_or_had_no_end(config, key, value):
    composed = config("target=[ucf101]", "subset=samples", "paths.run=x")
    check_options(composed)
    OmegaConf.set_struct(composed, False)
    OmegaConf.update(composed, key, value, merge=False)
    with pytest.raises(Exception) as told:
        check_options(composed)
    assert is_mistake(told.value) and key in line(told.value)


def typed(value):
    """Write a wrong value as it is typed behind a plain option."""
    return str(value) if not isinstance(value, str | bool | None) else as_typed_value(value)


FREE_TEXT = ("--csv", "--json", "--html", "--classes", "--vectors")  # a name may be anything
NUMBERS = ("--top", "--window", "--stride", "--batch", "--workers", "--port", "--limit")


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Be a command with plain arguments; gives its exit status and what it says."""
    run = trained_run(tmp_path / "run")
    grey_video(tmp_path / "a.mp4", 18)
    monkeypatch.setattr("zsvideo.prediction.page.ThreadingHTTPServer.serve_forever", lambda _: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def run_it(name, *arguments):
        monkeypatch.setattr("sys.argv", [name, *arguments])
        status = 0
        try:
            import_module(f"zsvideo.commands.{name}").main()
        except SystemExit as end:
            status = end.code or 0
        return status, capsys.readouterr().err

    run_it.run = run
    return run_it


@pytest.mark.slow
def test_wrong_values_of_the_plain_arguments_of_predict(call, tmp_path):
    own = [str(call.run), "a.mp4", "--classes", "sing", "jump", "--workers", "0", "--device", "cpu"]
    options = [a.option_strings[0] for a in predict.parser()._actions if a.option_strings]
    assert {*NUMBERS, *FREE_TEXT, "--oov", "--device", "--host"} <= {*options}
    counts = {"line": 0, "accepted": 0}
    for option in [o for o in options if o not in ("-h", "--page")]:
        for kind, value in WRONG.items():
            page = ["--page"] if option in ("--port", "--host", "--limit") else []
            status, said = call("predict", *own, *page, f"{option}={typed(value)}")
            errors = [line for line in said.splitlines() if line.startswith("error: ")]
            assert status in (0, 2, 3) and len(errors) == (status == 2), (option, value, said)
            assert "Traceback" not in said
            assert not (status != 2 and kind in NEVER and option in NUMBERS), f"{option}={value}"
            counts["line" if status == 2 else "accepted"] += 1
    print(counts)


@pytest.mark.parametrize("name", ["predict", "export"])
def test_wrong_places_of_predict_and_export(call, tmp_path, name):
    for value in WRONG.values():
        rest = ["a.mp4", "--classes", "sing", "--device", "cpu"] if name == "predict" else ["out"]
        status, said = (
            call(name, "--", typed(value), *rest[:1])
            if typed(value)[:1] == "-"
            else call(name, typed(value), *rest)
        )
        assert status == 2 and said.count("error: ") == 1 and "Traceback" not in said, (value, said)
    (tmp_path / "file").write_text("x")
    for out in ("file", "file/x", "/proc/nope", str(call.run), "a" * 300):
        status, said = call("export", str(call.run), out)
        assert status == 2 and said.count("error: ") == 1 and "Traceback" not in said, (out, said)
