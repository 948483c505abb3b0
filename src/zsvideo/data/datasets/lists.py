"""Official lists of the published data sets: read as they are, mistakes told with file and line."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from zsvideo.data.layouts import spelling_key
from zsvideo.errors import UserError
from zsvideo.semantics.words import class_names


def read_text(file: Path) -> str:
    """Read a list, without a byte order mark; raises UserError where it is no text."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as text ({error}); fetch it anew") from None


def read_lines(lists: Iterable[Path], pattern: str) -> list[tuple[str, str]]:
    """Read two parts of each line, the groups of a pattern.

    Raises:
        UserError: a line is another; names it.
    """
    pairs = []
    for file in lists:
        for number, line in enumerate(map(str.strip, read_text(file).splitlines()), 1):
            if line and not (parts := re.fullmatch(pattern, line)):
                raise UserError(
                    f"{file}: line {number} cannot be used ({line[:60]}); fetch it anew"
                )
            pairs += [(parts[1], parts[2])] if line and parts else []
    return pairs


def respell(listed: Mapping[str, str], table: str | None) -> dict[str, str] | None:
    """Spell the classes of an official list as the set's table does; None of an empty list."""
    official = {spelling_key(name): name for name in class_names(table)} if table else {}
    return {k: official.get(spelling_key(v), v) for k, v in listed.items()} or None
