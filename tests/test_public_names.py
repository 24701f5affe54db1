"""The public names, in whatever order things are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("first", ["preceptor", "preceptor.api", "preceptor.runs", "preceptor.cli"])
def test_every_public_name_is_what_it_says(first):
    code = f"""
import types, {first}, preceptor
for name in preceptor.__all__:
    thing = getattr(preceptor, name)
    assert callable(thing) and not isinstance(thing, types.ModuleType), name
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
