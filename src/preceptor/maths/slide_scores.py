"""One number for a slide from many of its tiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SlideScore(NamedTuple):
    """What a slide's tiles add up to; NaN where there is none.

    Args:
        largest: One tile decides: for what is small and must not be missed, and the first to be wrong.
        mean: Over all tiles: for what shows everywhere.
        percentile: Of the tiles: between the two.
    """

    largest: float
    mean: float
    percentile: float


def slide_score(values: np.ndarray, percentile: float = 95.0) -> SlideScore:
    """The largest, the mean and a percentile of the tiles' values.

    Args:
        values: ``(tile,)``; NaN for tiles that have no answer.
        percentile: In 0..100; between two tiles it is read off the line through them.

    Returns:
        All three, for which of them serves depends on what is sought.
    """
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    if not len(known):
        return SlideScore(float("nan"), float("nan"), float("nan"))
    return SlideScore(float(known.max()), float(known.mean()), float(np.percentile(known, percentile)))
