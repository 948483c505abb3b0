"""Table 2: R(2+1)D by both training protocols, on all classes of each target."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from zsvideo.reporting.studies.files import Row
from zsvideo.reporting.studies.study import Study
from zsvideo.reporting.studies.tables import named_by, table_figure, table_rows

title = "Table 2: Evaluation Protocol 2, all classes"


def rows(studies: Sequence[Study]) -> list[Row]:
    """Make a row a network and training protocol."""
    columns = [("full", "top1"), ("full", "top5")]
    return table_rows(studies[0], "table2", columns, named_by("model", "protocol"))


def draw(rows: Sequence[Row], studies: Sequence[Study]) -> Figure:
    """Draw the top-1 of each row."""
    return table_figure(rows)
