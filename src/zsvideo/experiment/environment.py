"""What a run was made with: software, hardware, time, and the settings that decide its numbers."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zsvideo.experiment.jobs import deciding
from zsvideo.experiment.options import LATER
from zsvideo.resources import ROOT

PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "numpy",
    "scipy",
    "scikit-learn",
    "av",
    "opencv-python-headless",
    "gensim",
)
SETTINGS = (
    "compat",
    "clips",
    "model",
    "method",
    "head",
    "features",
    "loader",
    "trainer",
    "semantics",
    "class_vectors",
    "pretrain",
    "selection",
    "subset",
    "source",
    "seen",
    "target",
    "evaluation",
)


def environment(accelerators: Sequence[str] = ()) -> dict[str, Any]:
    """Describe this machine and its software.

    Args:
        accelerators: names of the devices that the network ran on, if it was no CPU.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": {
            "python": platform.python_version(),
            **{name: own for name in PACKAGES if (own := installed(name))},
            **(gpu_software() if accelerators else {}),
        },
        "code": commit(),
        "hardware": {
            "system": f"{platform.system()} {platform.machine()}",
            "cpu": cpu_model(),
            "cores": len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count(),
            "accelerators": list(accelerators),
        },
    }


def gpu_software() -> dict[str, str]:
    """Name the releases of CUDA (or ROCm) and cuDNN that torch was built with or runs on.

    None where torch is not loaded, as saved predictions are scored without it.
    """
    if "torch" not in sys.modules:
        return {}
    import torch

    from zsvideo.models.releases import cudnn_release

    own = {"cuda": torch.version.cuda, "rocm": torch.version.hip, "cudnn": cudnn_release()}
    return {name: str(release) for name, release in own.items() if release}


def settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take from a run's options, as plain data, what decides its numbers, folders aside."""
    given = {key: options[key] for key in SETTINGS if options.get(key) is not None}
    given = {key: value for key, value in given.items() if value != LATER.get(key)}
    if callbacks := deciding(options):
        given["callbacks"] = callbacks
    return {key: without_paths(value) for key, value in given.items()}


def without_paths(value: Any) -> Any:
    """Drop the places of data, texts and models, which say nothing of a number."""
    if not isinstance(value, dict):
        return value
    dropped = ("root", "cache", "path", "descriptions", "model")
    return {key: without_paths(inner) for key, inner in value.items() if key not in dropped}


def installed(package: str) -> str | None:
    """Give a package's version, None without it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """Name the commit of this code, `+changes` where files differ from it; None without git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(ROOT), *words]
        process = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return process.stdout.strip()

    try:
        if not (ROOT / ".git").exists():
            return None
        return git("rev-parse", "HEAD") + (
            "+changes" if git("status", "--porcelain", "-uno") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None


def cpu_model() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown")
