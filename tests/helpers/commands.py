"""Commands run in processes of their own, forked from one that has imported the heavy libraries."""

import atexit
import csv
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path

from zsvideo.resources import ROOT

HEAVY = [
    "torch",
    "torchvision",
    "pytorch_lightning",
    "hydra",
    "matplotlib.pyplot",
    "av",
    "cv2",
    "gensim.models",
    "scipy.stats",
    "sklearn",
]
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(HEAVY)


def play(name, options, variables, place):
    """Be `python -m src.NAME OPTIONS`, with the files `out` and `err` in a folder."""
    for stream, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(place / stream, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(ROOT)
    os.environ |= variables
    if encoding := variables.get("PYTHONIOENCODING"):
        sys.stdout.reconfigure(encoding=encoding)
        sys.stderr.reconfigure(encoding=encoding)
    sys.path[:0] = ["", *filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [name, *options]
    status = 0
    try:
        runpy.run_module(f"src.{name}", run_name="__main__", alter_sys=True)
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


def run_cli(name, options, variables, seconds, prefix=()):
    """Run a command; give what `subprocess.run` gives, as text, and use that after a `prefix`."""
    if prefix:
        command = [*prefix, sys.executable, "-m", f"src.{name}", *options]
        told = {"cwd": ROOT, "env": os.environ | variables, "timeout": seconds}
        return subprocess.run(command, capture_output=True, text=True, **told)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        process = context.Process(target=play, args=(name, options, variables, place))
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(name, seconds)
        out, err = ((place / stream).read_text() for stream in ("out", "err"))
    return subprocess.CompletedProcess([name, *options], process.exitcode, out, err)


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
