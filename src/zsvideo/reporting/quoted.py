"""Numbers that others report, always marked as quoted: they are not measured here.

`paper.tsv` has the numbers of the paper's tables, `quoted.tsv` the source and protocol of each row;
`vision_language.tsv` has both for encoders that others have trained, which are another track. A
file of your own has its columns.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from zsvideo.errors import UserError

HERE = Path(__file__).parent
COLUMNS = ("row", "target", "evaluation", "measure", "value", "source", "protocol", "track")


@dataclass(frozen=True)
class Quoted:
    """One quoted number.

    Attributes:
        row: the method.
        target: data set.
        evaluation: the one of ours that is nearest to its own, such as `half` or `official3`.
        measure: `top1` or `top5`.
        value: percent.
        source: who reports it.
        protocol: how it was got.
        track: `video` or `vision-language`.
    """

    row: str
    target: str
    evaluation: str
    measure: str
    value: float
    source: str
    protocol: str
    track: str


def quoted(file: str | None = None) -> list[Quoted]:
    """Read the quoted numbers that come with the project, and those of a file of your own.

    Raises:
        UserError: the file lacks a column, a source or a protocol.
    """
    about = {(r["artefact"], r["row"]): r for r in read_tsv(HERE / "quoted.tsv")}
    rows: list[dict[str, str]] = []
    for row in read_tsv(HERE / "paper.tsv"):
        rows.append({**row, **about[row["artefact"], row["row"]]})
    rows += read_tsv(HERE / "vision_language.tsv")
    if file is not None:
        rows += read_quoted(Path(file).expanduser())
    return [
        Quoted(**{**{key: row[key] for key in COLUMNS}, "value": float(row["value"])})  # type: ignore[arg-type]
        for row in rows
    ]


def read_quoted(file: Path) -> list[dict[str, str]]:
    """Read a user's file; raises UserError."""
    try:
        rows = read_tsv(file)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"quoted={file} cannot be read ({error})") from None
    for number, row in enumerate(rows, 2):
        lacking = [key for key in COLUMNS if not row.get(key)]
        if lacking or not is_numeral(row["value"]):
            raise UserError(
                f"quoted={file}: line {number} lacks {', '.join(lacking) or 'a number as value'}; "
                f"every quoted number needs {', '.join(COLUMNS)}"
            )
    return rows


def is_numeral(text: str) -> bool:
    """Tell whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_tsv(file: Path) -> list[dict[str, str]]:
    """Read a tab-separated table."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def beside(rows: Iterable[Quoted], target: str, evaluation: str, track: str) -> list[Quoted]:
    """Choose the top-1 numbers of a target, an evaluation and a track; a method once."""
    chosen = {
        (row.row, row.source): row
        for row in rows
        if (row.target, row.evaluation, row.measure, row.track)
        == (target, evaluation, "top1", track)
    }
    return list(chosen.values())
