"""The README's commands are accepted as they stand there."""

import re
import shlex

import pytest

from zsvideo.resources import ROOT

TEXT = "".join((ROOT / name).read_text() for name in ("README.md", "experiments/README.md"))
COMMANDS = re.findall(r"^python -m src\.(\w+) ([^#\n]*)", TEXT, re.M)


@pytest.mark.parametrize(("name", "options"), COMMANDS, ids=lambda x: x)
def test_commands_compose(config, name, options):
    typed = [o for o in shlex.split(options) if o not in ("-m", "--dry-run")]
    typed = [o for o in typed if not o.startswith("hydra")]  # launchers of other packages
    single = [o if "[" in o else o.split(",")[0] for o in typed]  # the first of what is swept
    assert config(*single, cli=name)


def test_there_are_commands_and_make_targets():
    assert {name for name, _ in COMMANDS} == {"train", "evaluate", "report", "audit", "prepare"}
    makefile = (ROOT / "Makefile").read_text()
    for target in ("help", "setup", "demo", "paper-demo", "test", "lint", "bench", "clean"):
        assert re.search(rf"^{target}:", makefile, re.M)


def test_files_named_in_the_readme_exist():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"`((?:src|conf|experiments)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
