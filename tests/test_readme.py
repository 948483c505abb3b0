"""The README's commands are accepted as they stand there."""

import re
import shlex

import pytest

from src.door import ROOT

COMMANDS = re.findall(r"^python -m src\.(\w+) (.*)$", (ROOT / "README.md").read_text(), re.M)


@pytest.mark.parametrize(("name", "options"), COMMANDS, ids=lambda x: x)
def test_commands_compose(config, name, options):
    typed = [o for o in shlex.split(options) if o not in ("-m", "--dry-run")]
    single = [o.split(",")[0] if o.startswith("protocol=") else o for o in typed]
    assert config(*single, door=name)


def test_there_are_commands_and_make_targets():
    assert {name for name, _ in COMMANDS} == {"train", "evaluate", "report", "audit", "prepare"}
    makefile = (ROOT / "Makefile").read_text()
    for target in ("help", "setup", "demo", "test", "lint", "bench", "clean"):
        assert re.search(rf"^{target}:", makefile, re.M)


def test_files_named_in_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"`((?:src|conf|experiments)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
