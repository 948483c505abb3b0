"""What can be chosen, in a line each: the help of the commands."""

import atexit
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path

from zsvideo.resources import CONF, EXPERIMENTS

COMMANDS = {
    "train": "train on a source and test zero-shot on targets",
    "evaluate": "test a finished run again, or score its saved predictions",
    "predict": "answer own videos with own class names",
    "export": "write a trained model to share: weights, config and model card",
    "prepare": "check a data set and write a form of it that trains fast",
    "audit": "say which classes a protocol keeps out of training, and what still leaks",
    "report": "draw a run, a comparison of runs, or a table or figure of the paper",
}
GROUPS = {
    "protocol": "which classes are kept out of training, by which rule; the default targets",
    "source": "what is trained on",
    "subset": "a part of what the protocol leaves: some classes, some videos, one cluster",
    "target": "what is tested on; narrowing it never changes what is kept out",
    "evaluation": "how predictions are scored",
    "compat": "all switches at which this project, the paper and its code differ",
    "model": "the network, its learning rate and schedule",
    "method": "f_v is trained from scratch (e2e), or frozen (baseline)",
    "encoder": "an encoder of another library in place of the network, frozen or tuned",
    "class_vectors": "what is learned and scored: word vectors, or texts of the classes",
    "head": "what maps features to classes: f_s (linear), or other systems on a frozen f_v",
    "features": "of a frozen f_v: which are kept, how, and of what size",
    "pretrain": "the weights that training begins with, and whose classes they know",
    "selection": "which checkpoint is tested",
    "semantics": "the word vectors",
    "clips": "frames, test clips, sizes, decoder",
    "loader": "batch and decoding processes",
    "trainer": "Lightning's Trainer: epochs, device, precision",
    "callbacks": "beside checkpoint and progress bar: what ends training early, averages weights",
    "logger": "where the training curve goes",
    "paths": "data, cache and run folders",
    "experiments": "a table or figure of the paper",
    "scale": "of experiments: the paper's sizes, or generated videos and a tiny network",
    "hydra/launcher": "what runs the jobs of a sweep (-m)",
}
CACHES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "WANDB_CONFIG_DIR")
SWEPT = ("train", "prepare")  # commands with -m
LISTS = ("target", "evaluation", "callbacks")  # several options, as target=[ucf101,hmdb51]


def usage(command: str, keys: Collection[str]) -> str:
    """Say what a command does, and list its groups and its own options.

    Args:
        command: one of `COMMANDS`.
        keys: of its composed config, and the groups that it takes.
    """
    groups = [group for group in GROUPS if group in keys and command != "prepare"]
    lines = [
        f"{typed(command)}: {COMMANDS[command]}",
        "",
        f"usage: {typed(command)} {'[GROUP=OPTION] [GROUP.KEY=VALUE] ' if groups else ''}"
        f"[KEY=VALUE] {'[-m] ' if command in SWEPT else ''}[--cfg job]",
    ]
    if groups:
        lines += ["", "groups (--cfg job prints every key of them):", *map(group_line, groups)]
    own = [line for file in ("experiment", command) for line in own_options(file)]
    known = {key: line for line in own if (key := line.partition(":")[0]) in keys}
    return "\n".join([*lines, "", "options:", *(f"  {line}" for line in known.values()), ""])


def group_line(group: str) -> str:
    """Write what a group decides, and its options below it."""
    folder = EXPERIMENTS if group == "experiments" else CONF / group
    options = " ".join(sorted(file.stem for file in folder.glob("*.yaml")))
    name = f"{group}=[...]" if group in LISTS else group
    return f"  {name:17}{GROUPS[group]}\n  {'':17}  {options}"


def own_options(name: str) -> list[str]:
    """List the options in a config file that are in no group, with their comments."""
    text = (CONF / f"{name}.yaml").read_text(encoding="utf-8")
    return re.findall(r"^(?!hydra|defaults|study)(\w+: .*)$", text, re.M)


def prepare_process() -> None:
    """Make a command independent of what it inherits: terminal, notebook, home.

    A letter that the terminal's encoding has not is shown as `?`. A notebook names a backend of its
    own in `MPLBACKEND`, which another environment has not, and nothing here is drawn in it. Where
    no home can be written, as in a container, libraries keep their caches in a folder that goes
    with the command.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.environ["MPLBACKEND"] = "agg"
    if not os.access(home := os.path.expanduser("~"), os.W_OK):
        place = tempfile.mkdtemp(prefix="zsvideo-")
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        for name in CACHES:
            os.environ.setdefault(name, place)
        if not os.path.isdir(home):
            os.environ["HOME"] = place


def typed(command: str) -> str:
    """Name a command as the user began this one."""
    console = Path(sys.argv[0]).stem == "zsvideo"
    return f"zsvideo {command}" if console else f"python -m src.{command}"


def typed_option(key: str, value: object) -> str:
    """Write an option as it is typed in a shell."""
    return shlex.quote(f"{key}={value}")


def as_typed(text: str) -> str:
    """Name commands in a message as the user began this one."""
    names = "|".join(COMMANDS)
    return re.sub(rf"(?:python -m )?\bsrc\.({names})\b", lambda match: typed(match[1]), text)
