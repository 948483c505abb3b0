"""Wrong values of every type for every option: one line, or rightly accepted."""

import pytest
from omegaconf import OmegaConf

from zsvideo.cli import is_mistake, line
from zsvideo.experiment.composed import KNOWN, check_options, check_paths, typed_value

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
FREE = {
    "huge whole": {*NAMES, "strategy", "resume", "run", "data", "pretrained"},
    "mapping": {"strategy", "axes", "rows"},
}
COMMANDS = {
    "train": ["target=[ucf101]", "subset=samples", "source=synthetic"],
    "evaluate": ["target=[ucf101]", "subset=clusters"],
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
    elif group in KNOWN:
        typed_value(config, group)
    else:
        return False
    return True


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
