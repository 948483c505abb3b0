"""Names of strangers in what people open: terminals, spreadsheets, Markdown, figures.

Names of classes, files and data sets come from folders and tables that anybody may have made.
"""

import re
from typing import Any

from rich.console import Console
from rich.text import Text

FORMULA = ("=", "+", "-", "@", "\t", "\r")
MARKDOWN = re.compile(r"[\\|<`$]|\](?=[(:\[])")  # links, pictures, HTML, code, the end of a cell


def printable(text: str, keep: str = "") -> str:
    """Make text safe for a terminal: signs that steer one, or that nobody sees, become `?`.

    Args:
        text: any.
        keep: such signs that stay.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in keep else "?" for sign in text)


def cell(value: Any) -> Any:
    """Write a value of a CSV file: text that a spreadsheet would run as a formula gets a `'`."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def in_markdown(text: str) -> str:
    """Write text in one line of Markdown: as it stands, whatever it holds."""
    return printable(MARKDOWN.sub(r"\\\g<0>", " ".join(text.splitlines())))


class SafeConsole(Console):
    """A console that shows names as they are, but for signs that steer a terminal."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Make the text that is shown."""
        return super().render_str(printable(text, keep="\n"), **how)
