"""Jobs of a sweep: known by what they compute, so that nothing is computed twice.

A job has a hash of all that decides its numbers, and one of the training that makes its pretrained
weights.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from zsvideo.experiment.options import DEFAULTS, LATER, WORDS
from zsvideo.models.options import LINEAR
from zsvideo.semantics.records import file_hash, lines_hash

# What does not change the numbers of a run.
MACHINERY = (
    "paths",
    "hydra",
    "logger",
    "callbacks",
    "study",
    "scale",
    "resume",
    "save_every",
    "optimized_metric",
    "rate",
    "dry_run",
)
DECIDING = (  # callbacks that change the numbers all the same
    "StopEarly",
    "MovingAverage",
    "EarlyStopping",
    "EMAWeightAveraging",
    "StochasticWeightAveraging",
    "WeightAveraging",
)
PROCESSES = (
    "loader.workers",
    "loader.timeout",
    "trainer.accelerator",
    "trainer.log_every_n_steps",
    "trainer.enable_progress_bar",
)
PLACES = ("semantics._target_", "semantics.path", "semantics.cache")  # of what is known by its hash
LOCAL = (  # a file or folder of the user's that decides what is computed
    ("class_vectors", "descriptions"),
    ("class_vectors", "model"),
    ("encoder", "weights"),
)
# What only decides how a trained network is tested.
TESTS = (
    "evaluation",
    "resamples",
    "seen",
    "clips.test_clips",
    "clips.test_rule",
    "loader.test_batch_size",
    "trainer.limit_predict_batches",
    "trainer.limit_test_batches",
)
FINISHED = ("metrics.json", "audit.json")
DAMAGE = (  # what reading a record that is not as it was written may give
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    KeyError,
    YAMLError,
    OmegaConfBaseException,
)
NAMED = (
    "source",
    "model",
    "encoder",
    "method",
    "head",
    "pretrain",
    "subset",
)  # groups in the name of a folder


@dataclass(frozen=True)
class Job:
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
        """Tell whether its folder holds all results of this very job."""
        return is_finished(self.folder, self.sha256)

    @cached_property
    def first(self) -> DictConfig | None:
        """The run that makes its pretrained weights on another source."""
        return first_stage(self.config)

    @cached_property
    def pretraining(self) -> str | None:
        """Hash of the training of its pretrained weights; other jobs may need the same."""
        return None if self.first is None else training_hash(self.first)


def job_hash(config: DictConfig, without: Sequence[str] = (), vectors: str | None = None) -> str:
    """Hash what a config computes: all of it, resolved, without the machinery (sha256).

    Word vectors, descriptions and local models are known by their content, wherever they lie.

    Args:
        config: composed.
        without: more keys to leave out, as `group.key`.
        vectors: hash of the vectors that were used; None takes those that would be used now.
    """
    from zsvideo.experiment.vectors import vectors_hash

    plain = OmegaConf.masked_copy(
        config, [str(key) for key in config if key not in ("hydra", "callbacks")]
    )
    with open_dict(plain):
        plain.pop("logger", None)  # asks for the run folder
        for key in plain.get("paths") or {}:
            plain.paths[key] = f"<{key}>"
    content: Any = OmegaConf.to_container(plain, resolve=True)
    if (content.get("head") or {}).get("kind") == LINEAR:  # as before there was a choice
        content.pop("head")
    for group, values in LATER.items():
        if content.get(group) == values:
            content.pop(group)
    for group, key in LOCAL:
        if (place := (content.get(group) or {}).get(key)) is not None:
            content[group][key] = content_hash(Path(place).expanduser())
    if not (loader := content.get("loader") or {}).get("balance"):
        loader.pop("balance", None)
    if semantics := content.get("semantics"):
        semantics["sha256"] = vectors or vectors_hash(config)
    for key in (*MACHINERY, *PROCESSES, *PLACES, *without):
        *groups, last = key.split(".")
        inner = content
        for group in groups:
            inner = inner.get(group) or {}
        inner.pop(last, None)
    if own := deciding(config):
        content["callbacks"] = own
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def content_hash(place: Path) -> str:
    """Hash a file, or all that a folder holds (sha256).

    Where it cannot be read this is its name: of a model of the hub, or as the job itself says then.
    """
    try:
        if not place.is_dir():
            return file_hash(place)
        files = sorted(file for file in place.rglob("*") if file.is_file())
        own = [(file.relative_to(place), file) for file in files]
        lines = [
            f"{name.as_posix()} {hash_of(file, *version(file))}"
            for name, file in own
            if not any(part.startswith(".") for part in name.parts)
        ]
        return lines_hash(lines)
    except OSError:
        return str(place)


def version(file: Path) -> tuple[int, int]:
    """Tell when a file was written, and its size."""
    state = file.stat()
    return state.st_mtime_ns, state.st_size


@cache
def hash_of(file: Path, written: int, size: int) -> str:
    """Hash a file (sha256), once for the jobs of a sweep as long as it stays as it is."""
    return file_hash(file)


def deciding(config: Mapping[str, Any] | DictConfig) -> dict[str, Any]:
    """Give the callbacks of a config that change what is computed, as plain data, by name."""
    plain = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    callbacks: Mapping[str, Any] = plain.get("callbacks") or {}
    return {
        name: OmegaConf.to_container(own, resolve=True)
        for name, own in callbacks.items()
        if OmegaConf.is_dict(own) and str(own.get("_target_")).rpartition(".")[2] in DECIDING
    }


def training_hash(config: DictConfig) -> str:
    """Hash what decides the weights that training ends with; tests of them do not (sha256)."""
    chosen_on = config.selection.name == "test_best" or "targets" in (
        config.protocol.get("keep_out") or ()
    )
    fitted = (config.get("head") or {}).get("kind", LINEAR) != LINEAR  # on test clips of the source
    tests = [key for key in TESTS if not (fitted and key.startswith("clips."))]
    return job_hash(config, tests if chosen_on else (*tests, "target"))


def first_stage(config: DictConfig) -> DictConfig | None:
    """Compose the run that makes pretrained weights on the source of `pretrain`, if any."""
    if config.pretrain.get("source") is None or config.pretrain.get("ckpt") is not None:
        return None
    from zsvideo.experiment.vectors import vectors_hash

    stage = config.copy()
    with open_dict(stage):
        stage.semantics.sha256 = vectors_hash(config)
        stage.source = config.pretrain.source
        stage.trainer.max_epochs = config.pretrain.max_epochs or config.trainer.max_epochs
        stage.subset = {"kind": "none"}
        stage.pretrain = {"name": "none", "ckpt": None}
        stage.method = {
            "classify": config.pretrain.classify,
            "frozen": False,
            "legacy_bn": False,
            "cached_clips": None,
        }
        stage.head = {"kind": LINEAR}
        stage.features = DEFAULTS
        if config.pretrain.classify:
            stage.class_vectors = WORDS  # which it does not learn
        stage.resume = "auto"
        stage.selection = {"name": "last", "share": 0}
        for name in deciding(config):
            del stage.callbacks[name]
        if not config.pretrain.filter and not config.pretrain.classify:
            stage.protocol.rule = "none"
    return stage


def job_name(config: DictConfig) -> str:
    """Name the folder of a job by what it computes: some choices in words, and its hash."""
    choices = config.hydra.runtime.choices
    words = [
        str(choices[group]) for group in NAMED if choices.get(group) not in (None, "none", LINEAR)
    ]
    return "-".join([*words, f"seed{config.get('seed')}", job_hash(config)[:12]])


def axis_value(config: DictConfig, axis: str) -> Any:
    """Give the value of an axis: the option chosen for a group, or a key of the config."""
    choices = config.hydra.runtime.choices
    value = choices[axis] if axis in choices else OmegaConf.select(config, axis)
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def is_finished(folder: Path, sha256: str) -> bool:
    """Tell whether a folder holds a finished run of the job with this hash."""
    try:
        records = [json.loads(f.read_text()) for n in FINISHED if (f := folder / n).is_file()]
        if not records or not all(isinstance(record, dict) for record in records):
            return False
        config = OmegaConf.load(folder / ".hydra" / "config.yaml")
        return job_hash(config, vectors=vectors_used(folder)) == sha256  # type: ignore[arg-type]
    except DAMAGE:
        return False


def vectors_used(folder: Path) -> str | None:
    """Read the hash of the word vectors that a run used; None where its record does not say."""
    for name in ("protocol.json", "audit.json"):
        try:
            return str(json.loads((folder / name).read_text())["vectors"]["sha256"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def write_study(file: Path, study: Mapping[str, Any], jobs: list[Job]) -> None:
    """Write down which jobs a study consists of, for the report."""
    file.parent.mkdir(parents=True, exist_ok=True)
    listed = [
        {
            "folder": os.path.relpath(job.folder, file.parent),
            "sha256": job.sha256,
            "axes": job.axes,
            "options": job.options,
        }
        for job in jobs
    ]
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"study": study, "jobs": listed}, indent=1) + "\n")
    part.replace(file)
