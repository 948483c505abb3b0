"""A module imports only from rooms above its own."""

import ast

import pytest

from zsvideo.resources import ROOT

ROOMS = [
    "errors",
    "names",
    "resources",
    "usage",
    "options",
    "targets",
    "locks",
    "texts",
    "semantics",
    "data",
    "models",
    "evaluation",
    "reporting",
    "prediction",
    "experiment",
]
PACKAGE = ROOT / "src" / "zsvideo"
FILES = sorted(f for f in PACKAGE.glob("*/**/*.py") if f.parent.name != "commands")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_go_upward(file):
    room = file.relative_to(PACKAGE).parts[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zsvideo"):
            top = node.module == "zsvideo"
            names = [f"zsvideo.{a.name}" for a in node.names] if top else [node.module]
            for name in names:
                other = name.split(".")[1]
                assert ROOMS.index(other) <= ROOMS.index(room), f"{file} imports {name}"


@pytest.mark.parametrize(
    "file", sorted(PACKAGE.glob("**/__init__.py")), ids=lambda f: f.parent.name
)
def test_no_module_hides_a_function_of_its_package(file):
    """To import `datasets.named` would put that module in the place of a function `named`."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    names = {node.name for node in ast.parse(file.read_text()).body if isinstance(node, kinds)}
    assert not names & {path.stem for path in file.parent.iterdir()}


def test_no_two_test_modules_have_one_name():
    """Pytest would take one of them for the other, and run neither."""
    names = [file.name for file in (ROOT / "tests").rglob("test_*.py")]
    assert len(set(names)) == len(names)
