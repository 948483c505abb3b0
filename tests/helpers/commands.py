"""Commands run in processes of their own, forked from one that has imported all they need."""

import atexit
import csv
import ctypes
import gc
import json
import multiprocessing
import os
import runpy
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from pkgutil import walk_packages

import zsvideo
from zsvideo.resources import ROOT

HEAVY = (
    "av",
    "cv2",
    "gensim.models",
    "hydra",
    "hydra_plugins.job_sweeper",
    "matplotlib.pyplot",
    "pytorch_lightning",
    "scipy.stats",
    "sklearn",
    "torch",
    "torchvision",
)
OWN = ("zsvideo", "hydra_plugins", "src", "helpers")
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(
    [*HEAVY, *(m.name for m in walk_packages(zsvideo.__path__, "zsvideo."))]
)


CHECKOUT = (ROOT, ROOT / "src", ROOT / "tests")  # where an environment may lie too


def obey_permissions():
    """Give up root's right to read whatever it likes, for this process and those it starts."""
    libc, header = ctypes.CDLL(None, use_errno=True), struct.pack("Ii", 0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; and again their upper half
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for number in range(3):
        sets[number] &= ~0b110  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def play(module, options, variables, place, root, environment, plain):
    """Be `python -m MODULE OPTIONS`, or a file, with the files `out` and `err` in a folder."""
    assert {*HEAVY, "zsvideo.experiment.training"} <= {*sys.modules}  # else each would import them
    gc.freeze()
    os.setsid()  # a group of its own, as a shell gives it
    if plain:
        obey_permissions()
    media = sys.modules["wandb.sdk.data_types._private"].MEDIA_TMP  # the folder of all commands
    atexit.unregister(media.cleanup)
    media._finalizer.detach()
    for stream, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(place / stream, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(root)
    os.environ.clear()  # that of the test in which the first command was started
    os.environ |= environment | variables
    if encoding := variables.get("PYTHONIOENCODING"):
        sys.stdout.reconfigure(encoding=encoding)
        sys.stderr.reconfigure(encoding=encoding)
    if root != ROOT:  # a copy of the project: of this one nothing stays
        sys.path[:] = [folder for folder in sys.path if Path(folder) not in CHECKOUT]
        for name in [n for n in sys.modules if n.partition(".")[0] in OWN]:
            del sys.modules[name]
    sys.path[:0] = ["", *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [module, *options]
    status = 0
    try:
        if module.endswith(".py"):
            runpy.run_path(module, run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # from here on as the interpreter ends
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def start(module, options, variables, place, root=ROOT, plain=False):
    """Start a command, that writes the files `out` and `err` to a folder; gives its process."""
    given = (module, options, variables, place, root, dict(os.environ), plain)
    process = context.Process(target=play, args=given)
    process.start()
    return process


def run_module(module, options, variables, seconds, root=ROOT, plain=False):
    """Run a module or a file as a command; give what `subprocess.run` gives, as text."""
    with tempfile.TemporaryDirectory() as folder:
        process = start(module, options, variables, Path(folder), root, plain)
        process.join(seconds)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(module, seconds)
        out, err = ((Path(folder) / stream).read_text() for stream in ("out", "err"))
    return subprocess.CompletedProcess([module, *options], process.exitcode, out, err)


def run_cli(name, options, variables, seconds, prefix=(), plain=False):
    """Run a command of the project; after a `prefix` in a Python of its own.

    A `plain` one may read what its files' permissions say, also for root.
    """
    if prefix:
        command = [*prefix, sys.executable, "-m", f"src.{name}", *options]
        told = {"cwd": ROOT, "env": os.environ | variables, "timeout": seconds}
        return subprocess.run(command, capture_output=True, text=True, **told)
    return run_module(f"src.{name}", options, variables, seconds, plain=plain)


def fails(process, *words):
    lines = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    assert process.returncode == 2, process.stderr
    assert "Traceback" not in process.stderr
    assert lines and all(word in lines[0] for word in words), process.stderr
    return lines


def finished(process):
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout + process.stderr


def check_sums(run):
    """Let `sha256sum -c` check what a run wrote; gives the names of the files."""
    command = ["sha256sum", "--strict", "-c", "SHA256SUMS"]
    process = subprocess.run(command, cwd=run, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return {line.removesuffix(": OK") for line in process.stdout.splitlines()}


def read(run, name):
    return json.loads((run / name).read_text())


def rows(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))
