"""Options as typed, made such that Hydra's grammar reads what was meant.

Hydra reads `KEY=VALUE` by a grammar of its own, in which accents, `=`, `#`, `~`, brackets, commas
and quotes mean something else or nothing. Here alone the values that name files and folders are
told from others, and put in quotes.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString, Sweep
from hydra.errors import HydraException

from zsvideo.resources import CONF

PLACES = re.compile(  # options that name files and folders
    r"ckpt|compare|judged|out|predictions|quoted|resume|root|run"
    r"|(features|pretrain)\.ckpt|encoder\.weights|class_vectors\.(descriptions|model)"
    r"|(.+\.)?root|semantics\.(path|cache)|paths\.\w+"
    r"|protocol\.(vectors|remove|test_only)|evaluation\.\w+\.(classes|splits)"
    r"|(callbacks|logger)\.\w+\.(dirpath|save_dir)|trainer\.default_root_dir"
    r"|hydra\.(run|sweep)\.(dir|subdir)"
)
LISTS = re.compile(
    r"compare|predictions|protocol\.(remove|test_only)|evaluation\..+"
)  # may be [A,B]
MULTIRUN = re.compile(r"-m|--multirun|hydra\.mode=MULTIRUN|\+?experiments=.*")


def readable(arguments: Iterable[str], sweep: bool = False) -> list[str]:
    """Put quotes where Hydra needs them, around names of digits and around paths, and `-m` last.

    A path is taken letter by letter as the command has got it, but where

    - no such file is there and the value is one of Hydra's: in quotes or with escapes, `null`, an
      interpolation `${...}`, or in a sweep several values with commas between them;
    - the option takes a list, `[A,B]`, of which each is a path.

    Args:
        arguments: as typed.
        sweep: they are of a sweep, though no `-m` is among them.
    """
    typed = sorted(arguments, key=lambda argument: argument in ("-m", "--multirun"))
    sweep |= any(MULTIRUN.fullmatch(argument) for argument in typed)
    return [quote_path(argument, sweep) for argument in quote_digits(with_plus(typed))]


def quote_digits(arguments: Iterable[str]) -> list[str]:
    """Put quotes around all-digit options of config groups, so that `protocol=605` is a name.

    Hydra reads a bare 605 as a number and refuses it as the option of a group. Lists and sweeps
    (`protocol=605,664`) are covered; keys that are no group (`trainer.max_epochs=3`) stay.
    """
    groups = {folder.name for folder in CONF.iterdir() if folder.is_dir()} | {"experiments"}
    quoted = []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.lstrip("+~").split("@")[0] in groups:
            value = re.sub(r"(?<![^\s,(\[=])(\d+)(?![^\s,)\]])", r'"\1"', value)
        quoted.append(key + equals + value)
    return quoted


def with_plus(arguments: Iterable[str]) -> list[str]:
    """Let any option of Lightning's Trainer be typed with or without the `+` of a new key."""
    known = yaml.safe_load((CONF / "trainer" / "default.yaml").read_text(encoding="utf-8"))

    def plus(key: re.Match[str]) -> str:
        return key[0] if key[1] in known else f"++trainer.{key[1]}="

    return [re.sub(r"^\+{0,2}trainer\.(\w+)=", plus, argument) for argument in arguments]


def quote_path(argument: str, sweep: bool) -> str:
    """Put quotes around the path of one option, see `readable`."""
    key, equals, value = argument.partition("=")
    if not (equals and PLACES.fullmatch(key.lstrip("+"))) or value in ("", "null"):
        return argument
    if is_there(value):
        return path_option(key, value)
    if "${" in value:
        return argument
    parsed = hydra_value(argument)
    if LISTS.fullmatch(key.lstrip("+")) and value.startswith("[") and value.endswith("]"):
        in_quotes = isinstance(parsed, list) and any(isinstance(p, QuotedString) for p in parsed)
        return argument if in_quotes else f"{key}=[{','.join(map(quoted, split(value[1:-1])))}]"
    escaped = isinstance(parsed, str) and "\\" in value
    if sweep and len(paths := split(value)) > 1 and all(map(is_there, paths)):
        return f"{key}={','.join(map(quoted, paths))}"
    swept = sweep and isinstance(parsed, Sweep)
    if escaped or swept or isinstance(parsed, QuotedString):
        return argument
    return path_option(key, value)


def split(text: str) -> list[str]:
    """Split a list at its commas, but for those in the name of a file that is there."""
    parts, names = text.split(",") if text.strip() else [], []
    while parts:
        sizes = range(len(parts), 0, -1)
        size = next((n for n in sizes if is_there(",".join(parts[:n]).strip())), 1)
        names.append(",".join(parts[:size]).strip())
        del parts[:size]
    return names


def hydra_value(argument: str) -> object:
    """Give the value of an option as Hydra reads it; None where it cannot."""
    try:
        return OverridesParser.create().parse_override(argument)._value
    except HydraException:
        return None


def is_there(path: str) -> bool:
    """Tell whether a path names a file or folder."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def path_option(key: str, path: str | Path) -> str:
    """Write an option that names a file or folder, as Hydra reads it."""
    return f"{key}={quoted(str(path))}"


def quoted(text: str) -> str:
    """Put a text in quotes for Hydra, so that nothing in it has a meaning."""
    return QuotedString(text.replace("${", r"\${"), Quote.single).with_quotes()


def typed_key(option: str) -> str:
    """Give the key that an option as typed sets."""
    return option.partition("=")[0].lstrip("+~")


def typed_path(arguments: Iterable[str], key: str) -> str | None:
    """Give the path that was typed last for an option, without quotes; None where there is none.

    Args:
        arguments: of `readable`.
        key: of the option.
    """
    typed = [argument for argument in arguments if argument.startswith(f"{key}=")]
    value = hydra_value(typed[-1]) if typed else None
    if isinstance(value, QuotedString):
        return value.text.replace(r"\${", "${")
    return None if value in (None, "") else str(value)
