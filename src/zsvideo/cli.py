"""How every command runs: options as typed, the composed config, errors in one line."""

import errno
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationKeyError, OmegaConfBaseException

from zsvideo.errors import InUseError, UserError
from zsvideo.experiment.composed import check_options
from zsvideo.experiment.jobs import job_name
from zsvideo.names import legible
from zsvideo.overrides import path_option, readable, typed_key
from zsvideo.resources import CONF, PACKAGE
from zsvideo.targets import guard_hydra
from zsvideo.texts import printable
from zsvideo.usage import LISTS, as_typed, prepare_process, usage

REMOVED = {  # options of earlier versions: what does now what they did
    "paths.trained": "clips.test_clips=[1,25], which tests one training with each",
    "loader.micro_batch": "loader.batch_size=11 trainer.accumulate_grad_batches=2, for one",
}
STORED = re.compile(
    r"(?!hydra\b)[+~]{0,2}(?!hydra\b)\w[\w.@/:-]*(=|$)"
)  # an option of a run's record
DISK = (  # what is wrong with a disk or a place there, and not with the program
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
)
MISTAKES = (  # begins of what Hydra and its sweepers say by a bare ValueError
    "Config group override",
    "Unable to configure",
    "Only one of --run, --multirun",
    "No trials are completed yet",
)
PLUGINS = {  # of Hydra, that are packages of their own
    "optuna": "hydra-optuna-sweeper",
    "ray": "hydra-ray-launcher",
    "submitit_slurm": "hydra-submitit-launcher",
}
PRINTS = "`--cfg job` prints all of them"
FAILED = "error.txt"  # in the folder of a job: why it failed, in one line, and where
OmegaConf.register_new_resolver("repo_root", lambda: str(PACKAGE), replace=True)
OmegaConf.register_new_resolver("usage", lambda _root_: help_of(_root_), replace=True)
OmegaConf.register_new_resolver("job_name", lambda _root_: job_name(_root_), replace=True)


def stored_options(run: Path, without: str) -> list[str] | None:
    """List the options that a run was started with, but for one; None where there is no run.

    A job of a study is a run by itself: `hydra.mode` keeps its preset from sweeping. A run may come
    from a stranger, so that nothing is taken which changes how Hydra itself works.

    Raises:
        UserError: the record is damaged, or holds what no run stores.
    """
    file = run / ".hydra" / "overrides.yaml"
    if not file.is_file():
        return None
    try:
        options = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(options, list) or not all(isinstance(o, str) for o in options):
        raise UserError(f"{file} is damaged: it is no list of options as typed")
    for option in options:
        if not STORED.match(option):
            raise UserError(
                f"{file} holds {option!r}, which no run stores; type it yourself if it is to be"
            )
    kept = [o for o in options if typed_key(o) != without and typed_key(o) not in REMOVED]
    return ["hydra.mode=RUN", *kept]


def check_removed(options: Iterable[str]) -> None:
    """Check that no option is of an earlier version; raises UserError that says what to use."""
    for option in options:
        if instead := REMOVED.get(typed_key(option)):
            raise UserError(f"{option} is no option any more; use {instead}")


def run_command(
    task: Callable[[DictConfig], object],
    config_name: str,
    earlier: Callable[[list[str]], list[str]] = lambda typed: [],
) -> None:
    """Run `task` on the config composed from the command line; end with 2 on a user's mistake.

    In a multirun a job that fails so is told, and the others go on; its folder says why. To a
    sweeper that optimises it is raised, since that decides how many may fail.

    Args:
        task: what the command does with its config, once a job.
        config_name: the primary config, a file of `conf/`.
        earlier: gives options of an earlier run, which stand before those that are typed.
    """
    mistakes: list[Exception] = []
    in_job = False

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=config_name)
    def job(config: DictConfig) -> object:
        nonlocal in_job
        in_job = True
        sweep = HydraConfig.get().mode == RunMode.MULTIRUN
        for handler in logging.getLogger().handlers:
            handler.addFilter(name_as_typed)
        reason = Path(HydraConfig.get().runtime.output_dir) / FAILED
        if sweep:
            reason.unlink(missing_ok=True)  # of an earlier try
        try:
            if unset := sorted(OmegaConf.missing_keys(config)):
                options = " ".join(f"{key}=..." for key in unset)
                raise UserError(f"not set: {', '.join(unset)}; add {options} to the command")
            check_options(config)
            if config.get("dry_run") and "study" in config:
                raise UserError("--dry-run tells what a sweep lacks; add -m and what is swept")
            return task(config)
        except Exception as error:
            if sweep and not isinstance(error, InUseError):
                text = "\n".join([line(error), *traceback.format_exception(error)])
                reason.write_text(text, encoding="utf-8", errors="replace")
            if not is_mistake(error) or is_optimised():
                raise
            mistakes.append(error)
            tell(error)
            if sweep and "study" not in config:  # `train` has a sweep that finds out by itself
                raise UserError(line(error)) from None
            return None

    prepare_process()
    os.environ["HYDRA_FULL_ERROR"] = "1"
    guard_hydra()
    compose_once()
    typed = readable("dry_run=true" if a == "--dry-run" else a for a in sys.argv[1:])
    try:
        check_removed(typed)
        sys.argv[1:] = [*earlier(typed), *typed]
    except UserError as error:
        tell(error)
        sys.exit(2)
    try:
        with interruptible():
            job()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        if str(error) not in map(line, mistakes):  # that of a job is told
            tell(error)
        mistakes.append(error)
    except OSError as error:
        if in_job:
            raise
        if isinstance(error, BrokenPipeError):  # `--cfg job | head` has read enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return
        mistakes.append(error)
        tell(UserError(f"cannot write the run folder ({error}); set hydra.run.dir=FOLDER"))
    except ValueError as error:
        if not str(error).startswith(MISTAKES):
            raise
        mistakes.append(error)
        tell(error)
    if mistakes:
        sys.exit(2)


def compose_once() -> None:
    """Let Hydra compose a config once, not twice: `hydra.mode` is what presets or a user set."""
    find_mode = Hydra.get_mode

    def get_mode(self: Hydra, config_name: str | None, overrides: list[str]) -> Any:
        is_set = any(typed_key(option) in ("experiments", "hydra.mode") for option in overrides)
        return find_mode(self, config_name, overrides) if is_set else None

    Hydra.get_mode = get_mode  # type: ignore[method-assign]


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end a training as SIGTERM does, after its batch, and all else at once: status 130.

    A terminal tells all processes of a command; those that were forked leave it to the first.
    """
    first, signals = os.getpid(), []

    def stop(number: int, frame: object) -> None:
        if os.getpid() != first:
            return
        signals.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not callable(signal.getsignal(signal.SIGTERM)):  # which Lightning minds
            raise KeyboardInterrupt
        print("stopping after this batch; Ctrl-C again stops at once", file=sys.stderr)
        os.kill(first, signal.SIGTERM)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        if not signals:
            raise
        if isinstance(end, KeyboardInterrupt):
            print("stopped", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def help_of(config: DictConfig) -> str:
    """Write the help of a command, from its composed config."""
    keys = [*config, *config.hydra.runtime.choices]
    text = usage(config.hydra.job.config_name, [str(k) for k in keys if k != "hydra"])
    return text.replace("$", "$$")  # Hydra fills in a template


def composed(options: Iterable[str], run: Path) -> DictConfig:
    """Compose and check the config of `train` outside Hydra's own command line.

    Args:
        options: as typed.
        run: folder of the run.

    Raises:
        UserError: an option does not exist, or has a value that is not allowed.
    """
    try:
        check_removed(options := list(options))
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            config = hydra.compose("train", [*readable(options), path_option("paths.run", run)])
        if unset := sorted(OmegaConf.missing_keys(config)):
            raise UserError(f"not set: {', '.join(unset)}")
        check_options(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(line(error)) from None
    return config


def is_optimised() -> bool:
    """Tell whether a sweeper waits for the metric of this job, as Optuna's does."""
    hydra = HydraConfig.get()
    own = ("hydra_plugins.job_sweeper.", "hydra._internal.core_plugins.")
    return hydra.mode == RunMode.MULTIRUN and not hydra.sweeper._target_.startswith(own)


def is_mistake(error: Exception) -> bool:
    """Tell whether an error is the user's to put right, and not one of the program."""
    hangs = isinstance(error, RuntimeError) and str(error).startswith("DataLoader")
    disk = isinstance(error, OSError) and error.errno in DISK
    return hangs or disk or isinstance(error, (UserError, HydraException, OmegaConfBaseException))


def tell(error: Exception) -> None:
    """Print in one line what is wrong and what to do next."""
    print(f"error: {line(error)}", file=sys.stderr)


def name_as_typed(record: logging.LogRecord) -> bool:
    """Name commands in a log line as the user began this one, and steer no terminal."""
    text = legible(as_typed(record.getMessage()))
    record.msg, record.args = printable(text, keep="\n\t"), ()
    return True


def line(error: Exception) -> str:
    """Write an error in one line."""
    text = legible(as_typed(" ".join(explain(error).split())))
    return printable(text) or type(error).__name__


def explain(error: BaseException) -> str:
    """Find the user's mistake behind an error, and for options say which ones are allowed."""
    if error.__cause__ and isinstance(error, InstantiationException | ValueError):
        return explain(error.__cause__)
    text = str(error)
    if isinstance(error, OSError) and error.errno in DISK:
        place = error.filename2 or error.filename or f"a file of {folder_of_job()}"
        return f"{place} cannot be read or written ({error.strerror}); mend that and start again"
    if isinstance(error, RuntimeError) and "out of shared memory" in text:
        return (
            "there is too little shared memory (/dev/shm) for the clips that are loaded ahead; "
            "have more of it (docker run --shm-size=8g), or take loader.workers=0"
        )
    if isinstance(error, RuntimeError) and text.startswith("DataLoader"):
        return (
            f"a process that loads clips hangs or has ended ({text.partition('.')[0]}): a file "
            "stops its decoder; find and quarantine it with python -m src.prepare dataset=NAME "
            "root=ROOT out=OUT form=check, then train with source.root=OUT; or raise "
            "loader.timeout; or give it more memory: fewer loader.workers"
        )
    if isinstance(error, OverrideParseException):
        key = error.override.partition("=")[0]
        return (
            f"{error.override} cannot be read as an option; put quotes around the value, and "
            f"others around all of it: '{key}=\"VALUE\"'"
        )
    if isinstance(error, InterpolationKeyError) and "full_key: hydra." in text:
        return (
            "the name of the run folder, or of the folder that it is in, has ${...}, which Hydra "
            f"fills in ({text.partition(' full_key')[0]}); rename it, or set hydra.run.dir=FOLDER"
        )
    unknown = re.search(r"Could not (?:find|load) '([\w/]+)/([^'/]+)'", text)
    if isinstance(error, MissingConfigException) and unknown:
        if unknown[1].startswith("hydra/") and (package := PLUGINS.get(unknown[2])):
            return f"{unknown[1]}={unknown[2]} is not installed; pip install {package}"
        listed = text.split("Available options in", 1)[-1].split("Config search path", 1)[0]
        names = [line.strip() for line in listed.splitlines()[1:] if line.strip()]
        names = names or sorted(file.stem for file in (CONF / unknown[1]).glob("*.yaml"))
        options = ", ".join(names)
        return f"{unknown[1]}={unknown[2]} is unknown; allowed: {options}"
    if text.startswith("No trials are completed"):
        return f"no trial ended well; {FAILED} in the folder of each job says why"
    no_key = re.search(r"Could not override '([^']+)'", text)
    if no_key:
        presets = [a for a in sys.argv[1:] if a.startswith(("experiments=", "scale="))]
        place = f" with {' '.join(presets)}" if presets else ""
        belongs = f"it belongs to {' or '.join(of)}" if (of := owners(no_key[1])) else PRINTS
        return f"there is no option {no_key[1]}{place}; {belongs}"
    return text


def folder_of_job() -> str:
    """Name the folder that a command writes to, where an error does not."""
    return str(HydraConfig.get().runtime.output_dir) if HydraConfig.initialized() else "the command"


def owners(key: str) -> list[str]:
    """Name the options that have a key which another choice of a group lacks."""
    group, _, rest = key.partition(".")
    name, _, inner = rest.partition(".")
    if group == "seen" or key.startswith("pretrain.source."):
        return [f"source@{group if group == 'seen' else 'pretrain.source'}=NAME"]
    if inner and (CONF / group / f"{name}.yaml").is_file():
        return [f"{group}=[{name}]" if group in LISTS else f"{group}={name}"]
    files = sorted((CONF / group).glob("*.yaml")) if rest else []
    return [
        f"{group}={file.stem}"
        for file in files
        if name in (yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    ]
