"""How many seeds an experiment runs: one, or all with PRECEPTOR_ALL_SEEDS=1."""

from __future__ import annotations

import os


def seeds(number: int) -> list[int]:
    """The seeds 0 .. number - 1, or the first alone."""
    return list(range(number)) if os.environ.get("PRECEPTOR_ALL_SEEDS") else [0]
