"""Cross-checks of filled sections."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from .report import Report


def check(filled: dict[str, Any], report: Report, networks: Collection[str] = ()) -> None:
    """Report what fits each parameter's type but not the rest of the recipe."""
