"""SIGKILL at random moments: the training goes on to the same weights."""

from __future__ import annotations

import pytest

from .killed import campaign


@pytest.mark.slow
def test_ten_kills(tmp_path):
    kills, trainings = campaign(tmp_path, kills=10, seed=3)
    assert kills >= 10
    assert trainings >= 1
