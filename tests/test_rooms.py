"""A module imports only from rooms above its own."""

import ast

import pytest

from src.door import ROOT

ROOMS = ["errors", "semantics", "data", "models", "evaluation", "reporting", "experiment"]
FILES = sorted((ROOT / "src").glob("*/**/*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_go_upward(file):
    room = file.relative_to(ROOT / "src").parts[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("src"):
            names = [node.module] if node.module != "src" else [f"src.{a.name}" for a in node.names]
            for name in names:
                other = name.split(".")[1]
                assert ROOMS.index(other) <= ROOMS.index(room), f"{file} imports {name}"
