"""Fixed lists of classes: TruZe's, the 220 of Kinetics-600, or your own.

A list is of data sets, and a class of another data set that happens to have the same name (Rafting
of UCF101 and of ActivityNet) is no class of it.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zsvideo.errors import UserError
from zsvideo.semantics.words import DATASETS, TABLES, class_names, plain_name, read_table

HOW = "give class names, a file with one a line, or a table with columns dataset and name"


class NotListedError(UserError):
    """A list is not of a target."""


@dataclass(frozen=True)
class ClassList:
    """Class names of data sets.

    Attributes:
        origin: a file, or what else the list is called in messages.
        names: by data set; under None those of a list that does not say its data set.
    """

    origin: str
    names: dict[str | None, list[str]]

    @staticmethod
    def read(classes: Sequence[str] | str, dataset: str | None, option: str) -> "ClassList":
        """Read a list.

        Args:
            classes: class names; or a table of the project or a tab-separated file, with columns
                `dataset` and `name`; or a text file with one name a line.
            dataset: the one of bare names, a class table or a target; None if nobody says it.
            option: the config key, for messages.

        Raises:
            UserError: it cannot be read, is empty, or names no class of its published data set.
        """
        origin = classes if isinstance(classes, str) else f"{len(classes)} names"
        rows = read_rows(classes, option) if isinstance(classes, str) else [*map(str, classes)]
        names: dict[str | None, list[str]] = {}
        for row in rows:
            of, name = row if isinstance(row, tuple) else (dataset, row)
            names.setdefault(of, []).append(name)
        if not names:
            raise UserError(f"{option}={classes} is empty; {HOW}")
        if dataset is not None and dataset not in names:
            raise UserError(f"{option}={origin} is of {', '.join(map(str, names))}, not {dataset}")
        names = names if dataset is None else {dataset: names[dataset]}
        for of, listed in names.items():
            known = {plain_name(name) for name in class_names(of)} if of in DATASETS else None
            if known and (strangers := [n for n in listed if plain_name(n) not in known]):
                raise UserError(
                    f"{option}={origin} names no class of {of}: {first_few(strangers)}; spell them "
                    "as the data set does"
                )
        return ClassList(origin, names)

    def of(self, dataset: str | None, names: Sequence[str]) -> list[str]:
        """Choose the classes of a target that are listed, in the order of the target.

        Args:
            dataset: the target's class table, else its name; None if unknown.
            names: of its classes.

        Raises:
            NotListedError: the list is of another data set; or, where it does not say its data
                set, has a class that this target has not.
        """
        if None in self.names:
            listed = self.names[None]
            published = class_names(dataset) if dataset in DATASETS else ()
            there = {plain_name(name) for name in (*names, *published)}
            if lacking := [name for name in listed if plain_name(name) not in there]:
                raise NotListedError(
                    f"{len(lacking)} of the {len(listed)} classes of {self.origin} are none of "
                    f"this target ({first_few(lacking)}), so it is a list of other data; if it is "
                    "of this target, say so (dataset: NAME beside classes)"
                )
        elif dataset not in self.names:
            of = ", ".join(map(str, self.names))
            raise NotListedError(f"{self.origin} is of {of}, not of {dataset or 'unknown data'}")
        listed = self.names.get(dataset, self.names.get(None, []))
        wanted = {plain_name(name) for name in listed}
        if not (chosen := [name for name in names if plain_name(name) in wanted]):
            raise NotListedError(f"no class of {self.origin} is tested here")
        return chosen


def read_rows(file: str, option: str) -> list[str] | list[tuple[str, str]]:
    """Read the rows of a table as (data set, name), or the lines of a text; raises UserError."""
    if Path(file).name == file and (TABLES / file).is_file():
        rows = read_table(file)
        of = Path(file).stem
        return [(row.get("dataset", of), row["name"]) for row in rows]
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option}={file} cannot be read ({error}); {HOW}") from None
    lines = [line for line in lines if line.strip()]
    if lines and {"dataset", "name"} <= set(lines[0].split("\t")):
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [(row["dataset"], row["name"]) for row in table]
    return [line.strip() for line in lines]


def first_few(names: Sequence[str], most: int = 3) -> str:
    """Join the first of some names."""
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")
