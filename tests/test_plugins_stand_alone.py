"""Plug-ins import the core, the maths and their own stage's functions: never one another, never a later stage."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from preceptor.core.slots import FOLDERS

SOURCE = Path(__file__).parents[1] / "src"
FILES = sorted(
    path
    for folder in FOLDERS.values()
    for path in (SOURCE / folder.replace(".", "/")).glob("*.py")
    if path.name != "__init__.py"
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_plugin_imports_no_other_plugin(path):
    others = set(FOLDERS.values())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{path.name} imports relatively: a plug-in can be moved to another package as it is"
            )
            assert not any((node.module or "").startswith(other) for other in others), f"{path.name}: {node.module}"


def test_there_are_plugins():
    assert len(FILES) > 20
