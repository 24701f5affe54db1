"""What every test shares: where the real data lies, and the choice of tests by known answer."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# New examples while one works; the same ones in CI, where a failure must be the change's own.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

SHARED = Path(__file__).parents[2] / "shared" / "data"


def pytest_addoption(parser):
    parser.addoption("--answers", default="", help="run only the tests that claim these known answers, comma separated")


def pytest_collection_modifyitems(config, items):
    wanted = set(filter(None, config.getoption("--answers").split(",")))
    if wanted:
        claims = {item: {i for mark in item.iter_markers("answer") for i in mark.args} for item in items}
        config.hook.pytest_deselected(items=[item for item in items if not claims[item] & wanted])
        items[:] = [item for item in items if claims[item] & wanted]


@pytest.fixture
def shared_data():
    """``shared_data("hippocampus_msd_task04")``: a folder of real data, or a skip that says what is absent."""

    def folder(name: str) -> Path:
        path = SHARED / name
        if not path.is_dir():
            pytest.skip(f"real data {name} is not here")
        return path

    return folder
