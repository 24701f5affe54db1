"""`preceptor new plugin`: every template is a working plug-in whose own test passes."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from preceptor.core.errors import RecipeError
from preceptor.core.slots import FOLDERS
from preceptor.recipe.new import new_plugin


def test_every_kind_makes_a_plug_in_whose_test_passes(tmp_path):
    for slot in FOLDERS:
        written = new_plugin(slot, f"my_{slot}", tmp_path)
        assert [path.name for path in written] == [f"my_{slot}.py", f"test_my_{slot}.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=prepend", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
def test_every_template_holds_its_contract(tmp_path):
    """In a copy of the checkout, where the contract tests find the new files by themselves."""
    here = Path(__file__).parents[2]
    shutil.copytree(here / "src", tmp_path / "src")
    shutil.copytree(here / "tests" / "contracts", tmp_path / "tests" / "contracts")
    for name in ("tests/__init__.py", "tests/conftest.py", "pyproject.toml"):
        shutil.copy(here / name, tmp_path / name)
    for slot in FOLDERS:
        new_plugin(slot, f"my_own_{slot}", tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "my_own", "tests"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("slot", FOLDERS)
def test_every_template_has_the_sections_that_the_contract_asks_for(slot, tmp_path):
    plugin, _ = new_plugin(slot, "my_own", tmp_path)
    tree = ast.parse(plugin.read_text())
    public = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    assert [node.name for node in public] == ["MyOwn"]
    words = ast.get_docstring(public[0])
    assert "Source:" in words
    assert "Example:" in words
    assert any(isinstance(node, ast.FunctionDef) and node.name == "example" for node in public[0].body)


def test_a_checkout_gets_the_files_where_such_plug_ins_lie(tmp_path):
    (tmp_path / "src/preceptor/learn/networks").mkdir(parents=True)
    plugin, test = new_plugin("network", "my_net", tmp_path)
    assert plugin == tmp_path / "src/preceptor/learn/networks/my_net.py"
    assert test == tmp_path / "tests/learn/test_my_net.py"
    assert "from preceptor.learn.networks.my_net import MyNet" in test.read_text()


@pytest.mark.parametrize("name", ["Unet", "my-net", "../net", "class", "", "x" * 60, "1net"])
def test_a_name_that_is_no_file_name_is_refused(name, tmp_path):
    with pytest.raises(RecipeError) as caught:
        new_plugin("network", name, tmp_path)
    assert caught.value.problem.code == "plugin_name"
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "test_my_net.py").write_text("mine")
    with pytest.raises(RecipeError, match="there already"):
        new_plugin("networks", "my_net", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_my_net.py"]


def test_a_taken_name_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="there is a network 'unet' already"):
        new_plugin("networks", "unet", tmp_path)
