"""Label maps as they come from files: whole numbers, in the smallest integer type that holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from preceptor.core.errors import PrepareError, safe_name


def as_label_map(array: np.ndarray, path: Path) -> np.ndarray:
    """Bring a label map to integers.

    Args:
        array: ``(channel, *space)`` of any type.
        path: For the message.

    Returns:
        The same array where it is of an integer type already, else the smallest integer type that holds its values.

    Raises:
        PrepareError: It holds fractions: a label map that was resampled as if it were a picture.
    """
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind in "iu":
        return array
    if not np.isfinite(array).all() or (array != np.rint(array)).any() or np.abs(array).max(initial=0) >= 2**31:
        raise PrepareError(
            "the label map holds values that are no whole numbers",
            where=safe_name(path),
            expected="integer codes",
            remedy="resample label maps by nearest neighbour, at their source",
            code="label_not_whole",
        )
    return array.astype(smallest_integer(array.min(initial=0), array.max(initial=0)))


def smallest_integer(low: float, high: float) -> np.dtype:
    """The smallest integer type that holds `low` to `high`; signed only where `low` is below 0."""
    names = ("u1", "u2", "u4", "u8") if low >= 0 else ("i1", "i2", "i4", "i8")
    return next(np.dtype(name) for name in names if np.iinfo(name).min <= low and high <= np.iinfo(name).max)
