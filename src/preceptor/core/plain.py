"""Plain values: what counts as missing, whole numbers as text, and numbers as JSON has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def is_missing(value: Any) -> bool:
    """Whether a table holds nothing there: None, or the NaN that tables keep in its place. An empty text is a value."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_empty(value: Any) -> bool:
    """Whether a table holds nothing that tells: what is missing, or an empty text."""
    return is_missing(value) or value == ""


def as_text(value: Any) -> str:
    """A value as text, whole numbers without decimals: a table turns 1 into 1.0 as soon as another row is empty."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def finite(value: Any) -> Any:
    """The same for JSON, which has no NaN and no infinity: such numbers are null, arrays lists and keys text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return finite(value.item())
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    return value
