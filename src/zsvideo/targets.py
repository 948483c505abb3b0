"""What a config may name to be made or called (`_target_`): an allowlist.

Options, run folders and checkpoints may come from a stranger. What they name is imported and called
only if it stands here, or if whoever starts the command allows it by the environment variable
`ZSVIDEO_TARGETS`: modules or full names, with commas between them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from inspect import signature
from logging.config import BaseConfigurator
from typing import Any, get_type_hints

from hydra._internal.instantiate import _instantiate2
from hydra.utils import instantiate as make

from zsvideo.errors import UserError
from zsvideo.options import as_typed_value, check_value

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


def check_arguments(values: Any, key: str, partial: bool = False) -> None:
    """Check what a config gives to what it names: that it takes such arguments, of such types.

    Args:
        values: resolved plain data.
        key: where it stands in the config, for messages.
        partial: it is a function that is called later, with more.

    Raises:
        UserError: it does not.
    """
    if not isinstance(values, Mapping) or "_target_" not in values:
        raise UserError(
            f"{key}={as_typed_value(values)} names nothing to make; leave it out by ~{key}"
        )
    for place, name in targets(values, key):
        load_target(name, place)
    if values.get("_partial_", False) is not partial:
        raise UserError(f"{key}._partial_ must be {str(partial).lower()}")
    if is_own(str(values["_target_"])):  # its author knows
        return
    named = load_target(values["_target_"], f"{key}._target_")
    parameters = signature(named).parameters
    more = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    hints = types_of(named)
    for name, value in values.items():
        if name.startswith("_"):
            continue
        if name not in parameters and not more:
            raise UserError(f"there is no option {key}.{name}; it takes {', '.join(parameters)}")
        if not (isinstance(value, Mapping) and "_target_" in value):
            check_value(hints.get(name, Any), value, f"{key}.{name}")


def types_of(named: Any) -> dict[str, Any]:
    """Give the types of the arguments of a class or function; of some that cannot be told, none."""
    function = getattr(named, "__init__", named) if isinstance(named, type) else named
    try:
        return get_type_hints(function, include_extras=True)
    except NameError:  # of a library that is not there, or loaded for type checkers alone
        kinds = getattr(function, "__annotations__", {})
        return {name: kind for name, kind in kinds.items() if not isinstance(kind, str)}


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
