"""Table 1: both training protocols and networks, on half the classes of each target."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.remarks import remarks
from zsvideo.reporting.studies.study import Study
from zsvideo.reporting.studies.tables import named_by, table_figure, table_rows

title = "Table 1: Evaluation Protocol 1, half the classes"
C3D = (
    "the paper does not say whether the C3D of its Table 1 was trained from scratch or from "
    "Sports-1M: both are run, the latter as pretrain=sports1m"
)


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make a row a network and training protocol."""
    return table_rows(studies[0], "table1", [("half", "top1")], named_by("model", "protocol"))


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the top-1 of each row."""
    return table_figure(rows)


def notes(studies: Sequence[Study]) -> list[str]:
    """Add what the paper leaves open."""
    return [*remarks(studies), C3D]
