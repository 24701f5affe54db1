"""Histogram matching: every image gets the histogram that the training images have on average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Gt

from preceptor.core.applied import Applied, Derived
from preceptor.core.cohort import Sample
from preceptor.maths.landmarks import quantile_table
from preceptor.prepare.references import mean_tables, table_of
from preceptor.prepare.region import region


class HistogramMatch:
    """Replaces each grey value by the one that as many voxels of the reference lie below.

    The reference is fitted on the training cases, for each view and channel: the mean of their cumulative histograms'
    inverses. So it has the shape that their histograms share, wherever each lies. Between values of the reference it is
    straight: grey values appear that no training image has. Tissue in unusual amounts is given another's grey values;
    `nyul`, with a few landmarks, does so less, and `zscore` least.

    Args:
        points: Steps in which the reference is kept.
        over: Which voxels are matched: ``all``, ``positive`` or the ``foreground`` above Otsu's threshold. Others are
            moved along, those below to the darkest value and those above to the brightest.
        mask: Name of a mask whose voxels are matched instead; see `zscore`.

    Returns:
        From `draw`: `Derived` images ``(channel, *space)`` in the reference's grey values.

    Raises:
        PrepareError: It was not fitted on such a view; the case has no such mask.

    Source: Gonzalez & Woods, Digital Image Processing, section 3.3.2, as scikit-image's `match_histograms` computes it;
        mean of quantile functions: Bolstad 2003, Bioinformatics 19(2).

    Example:
        >>> HistogramMatch(over="positive").points
        1000
    """

    def __init__(
        self,
        points: Annotated[int, Gt(1)] = 1000,
        over: Literal["all", "positive", "foreground"] = "all",
        mask: str | None = None,
    ) -> None:
        self.points = points
        self.over = over
        self.mask = mask
        self._state: Mapping[str, Any] = {}

    @classmethod
    def example(cls) -> HistogramMatch:
        return cls(points=100)

    def fit(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """The reference: mean grey values at even shares of the cumulative histogram."""
        return mean_tables(
            samples, self.over, self.mask, "histogram_match", lambda values: quantile_table(values, self.points)
        )

    def with_state(self, state: Mapping[str, Any]) -> HistogramMatch:
        fitted = copy(self)
        fitted._state = state
        return fitted

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "histogram_match")
        images = {}
        for view, image in sample.images.items():
            reference = table_of(self._state, view, image.channels, "histogram_match")
            channels = torch.from_numpy(image.array.astype(np.float32))
            matched = [
                _matched(channel.numpy(), counts(channel).numpy(), table)
                for channel, table in zip(channels, reference, strict=True)
            ]
            images[view] = image.with_array(np.stack(matched).astype(np.float32))
        return Derived(images)


def _matched(channel: np.ndarray, counted: np.ndarray, table: np.ndarray) -> np.ndarray:
    from skimage.exposure import match_histograms

    inside = channel[counted]
    if not inside.size:
        return np.full(channel.shape, table[0])
    matched = match_histograms(inside.astype(np.float64), table[1:])
    if counted.all():
        return matched.reshape(channel.shape)
    own, first = np.unique(inside, return_index=True)
    return np.interp(channel, own, matched[first])
