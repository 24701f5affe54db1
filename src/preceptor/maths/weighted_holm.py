"""Many tests at once, some of which were suspected beforehand."""

from __future__ import annotations

import numpy as np


def weighted_holm(p: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """``(test,)`` adjusted p: holds the chance of any false alarm, and spends more of it where weights are larger.

    Args:
        p: ``(test,)``.
        weight: ``(test,)`` above 0, chosen before the p were seen. Equal weights are Holm's own procedure.

    Source: Holm 1979, section 4 (different weights).
    """
    p, weight = np.asarray(p, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    order = np.argsort(p / weight, kind="stable")
    left = weight[order][::-1].cumsum()[::-1]
    stepped = np.maximum.accumulate(p[order] / weight[order] * left)
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
