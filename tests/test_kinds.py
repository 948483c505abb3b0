"""The table of kinds of faults names tests that are there, and three inputs a kind."""

import re

import pytest

from zsvideo.resources import ROOT

ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "tests" / "kinds.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and "::" in line
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_kind_has_its_tests(row):
    _, inputs, outcome, tests = row
    assert outcome and len(re.split(r"; |, | and ", inputs)) >= 3
    for test in tests.split(", "):
        file, name = test.split("::")
        assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8"), test
