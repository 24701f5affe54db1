"""Every code block of the documentation is executed: Python in one namespace a page, shell commands in one folder a page."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of the page's own, with the recipes in it, which its commands run in."""
    place = tmp_path_factory.mktemp("page")
    (place / "recipes").symlink_to(ROOT / "recipes")
    before = Path.cwd()
    os.chdir(place)
    yield place
    os.chdir(before)


def _shell(example):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed], capture_output=True, text=True, env=environment, timeout=900
    )
    if done.returncode:
        return f"{example.parsed}\nexit code {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return None


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), CodeBlockParser("bash", _shell)],
    patterns=["*.md"],
    fixtures=["folder"],
).pytest()
