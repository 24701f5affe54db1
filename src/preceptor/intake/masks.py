"""What a label map holds, counted."""

from __future__ import annotations

import numpy as np

from preceptor.core.image import Image


def count_values(mask: Image) -> dict[str, int]:
    """How many voxels have each value: ``{value as text: voxels}``, so that it is JSON.

    Args:
        mask: A label map of integers.
    """
    values, counts = np.unique(mask.array, return_counts=True)
    return {str(int(value)): int(count) for value, count in zip(values, counts, strict=True)}
