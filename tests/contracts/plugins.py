"""What every contract test starts from: all plug-ins of a slot, found when the tests are collected."""

from __future__ import annotations

import pytest

from preceptor.core.slots import FOLDERS, names, plugin


def each(*slots: str):
    """Parametrize a test over every plug-in of these slots: a new file is tested the moment it exists."""
    found = [(slot, name) for slot in slots for name in names(slot)]
    return pytest.mark.parametrize(("slot", "name"), found, ids=[f"{slot}/{name}" for slot, name in found])


def every():
    """Parametrize a test over every plug-in of every slot."""
    return each(*FOLDERS)


def example(slot: str, name: str):
    """The smallest working instance of a plug-in."""
    return plugin(slot, name).example()
