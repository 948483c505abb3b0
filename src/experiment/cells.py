"""Cells of a sweep: known by what they compute, so that a finished one is never run again."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

# What does not change the numbers of a run.
MACHINERY = ("paths", "hydra", "logger", "callbacks", "study", "scale", "resume", "save_every",
             "rate", "dry_run")  # fmt: skip
PROCESSES = {"loader": ("workers", "timeout"), "trainer": ("accelerator", "log_every_n_steps")}
FINISHED = ("metrics.json", "audit.json")
NAMED = ("source", "model", "method", "pretrain", "subset")  # groups in the name of a folder


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        folder: where it runs or ran.
        sha256: of what it computes.
        axes: the values of the study's axes.
        options: as given to the job.
        config: composed.
    """

    folder: Path
    sha256: str
    axes: dict[str, Any]
    options: list[str]
    config: DictConfig

    @property
    def finished(self) -> bool:
        """Tell whether its folder holds all results of this very cell."""
        return is_finished(self.folder, self.sha256)


def cell_hash(config: DictConfig) -> str:
    """Hash what a config computes: all of it, resolved, without the machinery (sha256)."""
    plain = OmegaConf.masked_copy(
        config, [str(key) for key in config if key not in ("hydra", "callbacks")]
    )
    with open_dict(plain):
        plain.pop("logger", None)  # asks for the run folder
        for key in plain.get("paths") or {}:
            plain.paths[key] = f"<{key}>"
    content: Any = OmegaConf.to_container(plain, resolve=True)
    kept = {key: value for key, value in content.items() if key not in MACHINERY}
    for group, keys in PROCESSES.items():
        kept[group] = {k: v for k, v in (kept.get(group) or {}).items() if k not in keys}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def cell_name(config: DictConfig) -> str:
    """Name the folder of a cell by what it computes: some choices in words, and its hash."""
    choices = config.hydra.runtime.choices
    words = [str(choices[group]) for group in NAMED if choices.get(group) not in (None, "none")]
    return "-".join([*words, f"seed{config.get('seed')}", cell_hash(config)[:12]])


def axis_value(config: DictConfig, axis: str) -> Any:
    """Give the value of an axis: the option chosen for a group, or a key of the config."""
    choices = config.hydra.runtime.choices
    value = choices[axis] if axis in choices else OmegaConf.select(config, axis)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def is_finished(folder: Path, sha256: str) -> bool:
    """Tell whether a folder holds a finished run of the cell with this hash."""
    if not any((folder / name).is_file() for name in FINISHED):
        return False
    try:
        return cell_hash(OmegaConf.load(folder / ".hydra" / "config.yaml")) == sha256  # type: ignore
    except OSError:
        return False


def write_study(file: Path, study: Mapping[str, Any], cells: list[Cell]) -> None:
    """Write down which cells a study consists of, for the report."""
    file.parent.mkdir(parents=True, exist_ok=True)
    listed = [
        {
            "folder": os.path.relpath(cell.folder, file.parent),
            "sha256": cell.sha256,
            "axes": cell.axes,
            "options": cell.options,
        }
        for cell in cells
    ]
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"study": study, "cells": listed}, indent=1) + "\n")
    part.replace(file)
