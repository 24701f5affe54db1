"""DICOM's lookup tables: an entry for each input, the ends going on beyond it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def looked_up(values: np.ndarray, first: int, table: np.ndarray) -> np.ndarray:
    """What a table holds for each value.

    Args:
        values: Whole numbers, of any shape.
        first: The value that the first entry stands for.
        table: ``(entry,)``.

    Returns:
        Of the shape of `values` and the type of `table`; below the first entry the first, above the last the last.

    Source: DICOM PS3.3 C.11.1.1 (modality LUT), C.11.2.1.1 (VOI LUT), C.7.6.3.1.5 (palette).
    """
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    found: np.ndarray = np.asarray(table)[index]
    return found


def table_entries(descriptor: Sequence[int], *, is_signed: bool) -> tuple[int, int, int]:
    """Number of entries, first value mapped, and bits of an entry, as a table's descriptor says them.

    Args:
        descriptor: Its three numbers.
        is_signed: Whether the values mapped are, and the second number with them.

    Raises:
        ValueError: It has not three numbers, or the bits are none that a table has.

    Source: DICOM PS3.3 C.11.1.1.1: 0 entries means 65536.
    """
    entries, first, bits = (int(each) for each in descriptor)
    if not 8 <= bits <= 16 or entries < 0:
        raise ValueError(f"a table of {bits} bits")
    if is_signed and first >= 1 << 15:
        first -= 1 << 16
    return entries or 1 << 16, first, bits
