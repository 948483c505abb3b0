"""What a config may name to be made or called (`_target_`): an allowlist.

Options, run folders and checkpoints may come from a stranger. What they name is imported and called
only if it stands here, or if whoever starts the command allows it by the environment variable
`ZSVIDEO_TARGETS`: modules or full names, with commas between them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from logging.config import BaseConfigurator
from typing import Any

from hydra._internal.instantiate import _instantiate2
from hydra.utils import instantiate as make

from zsvideo.errors import UserError

SWITCH = "ZSVIDEO_TARGETS"
MODULES = (  # whose own classes and functions may be named
    "zsvideo.data.datasets",
    "zsvideo.evaluation.protocols",
    "zsvideo.evaluation.transfer",
    "zsvideo.models.callbacks",
    "zsvideo.models.heads",
)
NAMES = {
    "zsvideo.models.loggers": ["PatientWandbLogger"],
    "zsvideo.models.module": ["ZeroShotModule"],
    "zsvideo.semantics.vectors": ["WordVectors", "embedded"],
    "pytorch_lightning": ["Trainer"],
    "pytorch_lightning.loggers": ["CSVLogger", "TensorBoardLogger", "WandbLogger"],
    "pytorch_lightning.callbacks": [
        "DeviceStatsMonitor",
        "EMAWeightAveraging",
        "EarlyStopping",
        "LearningRateMonitor",
        "ModelCheckpoint",
        "ModelSummary",
        "RichModelSummary",
        "RichProgressBar",
        "StochasticWeightAveraging",
        "TQDMProgressBar",
        "Timer",
        "WeightAveraging",
    ],
    "pytorch_lightning.strategies": ["DDPStrategy", "FSDPStrategy", "SingleDeviceStrategy"],
    "optuna.samplers": [
        "CmaEsSampler",
        "GridSampler",
        "MOTPESampler",
        "NSGAIISampler",
        "RandomSampler",
        "TPESampler",
    ],
}
PLUGINS = ("hydra.launcher", "hydra.sweeper")  # Hydra takes installed plugins alone there
LOGGING = re.compile(r"sys\.std(out|err)|logging(\.handlers)?\.[A-Z]\w*|colorlog\.ColoredFormatter")


def check_target(name: Any, key: str) -> None:
    """Check that a config may name something, before it is imported.

    Args:
        name: dotted.
        key: where it stands in the config, for the message.

    Raises:
        UserError: it may not.
    """
    module, _, attribute = str(name).rpartition(".")
    ours = any(module == own or module.startswith(f"{own}.") for own in MODULES)
    if not (attribute in NAMES.get(module, ()) or ours or is_own(str(name))):
        raise refused(name, key)


def is_own(name: str) -> bool:
    """Tell whether whoever started the command allows a name by `ZSVIDEO_TARGETS`."""
    own = filter(None, map(str.strip, os.environ.get(SWITCH, "").split(",")))
    return any(name == one or name.startswith(f"{one}.") for one in own)


def refused(name: Any, key: str) -> UserError:
    """Say that a config may not name something, and what would allow it."""
    return UserError(
        f"{key}={name} is refused: an option may not name any code; if it is yours, allow it by "
        f"an environment variable: {SWITCH}={name}"
    )


def load_target(name: Any, key: str) -> Any:
    """Import what a config names, if it may.

    Raises:
        UserError: it may not be named, is not there, or is only imported where it is looked for.
    """
    check_target(name, key)
    module, _, attribute = str(name).rpartition(".")
    try:
        value = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{key}={name} is not there ({error})") from None
    strange = getattr(value, "__module__", None) != module
    if strange and attribute not in NAMES.get(module, ()) and not is_own(str(name)):
        raise refused(name, key)
    return value


def targets(values: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Find all that plain data names to be made, as the key and the name."""
    if isinstance(values, Mapping):
        for name, inner in values.items():
            if name == "_target_":
                yield f"{key}._target_", inner
            else:
                yield from targets(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list | tuple):
        for number, inner in enumerate(values):
            yield from targets(inner, f"{key}.{number}")


def instantiate(values: Mapping[str, Any], key: str, **parts: Any) -> Any:
    """Make or call what a config names, and all that stands within it.

    Args:
        values: resolved plain data, with `_target_` and its arguments.
        key: where it stands in the config, for messages.
        parts: arguments that no config gives.

    Raises:
        UserError: something may not be named.
    """
    if "_target_" not in values:
        raise UserError(f"{key} names nothing to make; give {key}._target_, or leave it out")
    for place, name in targets(values, key):
        load_target(name, place)
    return make(values, **parts, _convert_="all")


def guard_hydra() -> None:
    """Hold Hydra itself to the list: callbacks, what launchers and sweepers take, log handlers."""
    resolve_target, resolve_logging = _instantiate2._resolve_target, BaseConfigurator.resolve

    def checked_target(target: Any, full_key: str) -> Any:
        plugin = full_key in PLUGINS and str(target).startswith(("hydra_plugins.", "hydra."))
        if isinstance(target, str) and not plugin:
            load_target(target, f"{full_key}._target_")
        return resolve_target(target, full_key)

    def checked_logging(self: BaseConfigurator, s: str) -> Any:
        if not LOGGING.fullmatch(s) and not is_own(s):
            raise refused(s, "hydra.job_logging")
        return resolve_logging(self, s)

    _instantiate2._resolve_target = checked_target
    BaseConfigurator.resolve = checked_logging  # type: ignore[method-assign]
