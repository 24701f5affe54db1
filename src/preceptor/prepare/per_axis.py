"""One number for all axes of an image, or one for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from preceptor.core.errors import PrepareError


def each_axis(name: str, value: float | Sequence[float], count: int) -> np.ndarray:
    """A parameter as one number an axis.

    Args:
        name: Of the parameter, as a recipe has it: ``shift.shift_mm``.
        value: One number for all, or one for each.
        count: How many axes there are.

    Raises:
        PrepareError: There are not as many numbers as axes.
    """
    if isinstance(value, (int, float)):
        return np.full(count, float(value))
    if len(value) != count:
        raise PrepareError(
            f"{name} has {len(value)} numbers, and the image asks for {count}",
            expected="one number for all axes, or one for each",
            code="axes_mismatch",
        )
    return np.asarray(value, dtype=float)
