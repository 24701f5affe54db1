"""Nyúl: the histograms of all images are brought onto one standard scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any, Literal

import numpy as np
import torch

from preceptor.core.applied import Applied, Derived
from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError
from preceptor.maths.intensity_scale import percentiles
from preceptor.maths.landmarks import by_landmarks, on_standard_scale
from preceptor.prepare.references import mean_tables, table_of
from preceptor.prepare.region import region

_DECILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)


class Nyul:
    """Moves each image's percentiles to where those of the training images lie on average, straight in between.

    Fitted on the training cases, for each view and channel: every image's landmarks are mapped linearly, the first
    percentile to `low` and the last to `high`, and averaged. The image of a new scanner, however bent its scale, comes
    to the same. It also moves what is different for a reason: where tissues have other shares (atrophy, a large
    lesion), their grey values come out wrong, as with any method that matches histograms.

    Args:
        at: Percentiles of the landmarks, rising.
        low: Of the standard scale, at the first landmark.
        high: Of the standard scale, at the last one.
        clip: Cut off at the outermost landmarks; else the outermost pieces go on.
        over: Which voxels the percentiles are taken from: ``all``, ``positive`` or the ``foreground`` above Otsu's
            threshold. All voxels are moved.
        mask: Name of a mask to take them from instead; see `zscore`.

    Returns:
        From `draw`: `Derived` images ``(channel, *space)`` on the standard scale.

    Raises:
        RecipeError: The percentiles do not rise from 0 to 100, or `low` is not below `high`.
        PrepareError: It was not fitted on such a view; the case has no such mask.

    Source: Nyul & Udupa 1999, Magnetic Resonance in Medicine 42; deciles: Shah 2011, Medical Image Analysis 15.

    Example:
        >>> Nyul(at=[1, 50, 99]).high
        100.0
    """

    def __init__(
        self,
        at: list[float] = list(_DECILES),  # noqa: B006  never changed
        low: float = 0.0,
        high: float = 100.0,
        clip: bool = False,
        over: Literal["all", "positive", "foreground"] = "foreground",
        mask: str | None = None,
    ) -> None:
        if len(at) < 2 or any(a >= b for a, b in zip(at, at[1:], strict=False)) or at[0] < 0 or at[-1] > 100:
            raise RecipeError(
                "the percentiles of the landmarks do not rise",
                where="nyul.at",
                expected="two or more rising numbers from 0 to 100, such as [1, 10, 50, 90, 99]",
                code="percentiles_order",
            )
        if low >= high:
            raise RecipeError(
                f"the standard scale goes from {low:g} to {high:g}",
                where="nyul",
                expected="low below high",
                code="range_order",
            )
        self.at = at
        self.low = low
        self.high = high
        self.clip = clip
        self.over = over
        self.mask = mask
        self._state: Mapping[str, Any] = {}

    @classmethod
    def example(cls) -> Nyul:
        return cls()

    def fit(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """The standard scale: mean landmarks of each view and channel.

        Raises:
            PrepareError: Every image of a view is one value where it is looked at.
        """
        return mean_tables(
            samples,
            self.over,
            self.mask,
            "nyul",
            lambda values: on_standard_scale(percentiles(values, tuple(self.at)), self.low, self.high),
        )

    def with_state(self, state: Mapping[str, Any]) -> Nyul:
        fitted = copy(self)
        fitted._state = state
        return fitted

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "nyul")
        images = {}
        for view, image in sample.images.items():
            standard = table_of(self._state, view, image.channels, "nyul")
            channels = torch.from_numpy(image.array.astype(np.float32))
            moved = [
                self._moved(channel, channel[counts(channel)], places)
                for channel, places in zip(channels, standard, strict=True)
            ]
            images[view] = image.with_array(torch.stack(moved).numpy())
        return Derived(images)

    def _moved(self, channel: torch.Tensor, counted: torch.Tensor, standard: np.ndarray) -> torch.Tensor:
        if not counted.numel():
            return torch.full_like(channel, self.low)
        return by_landmarks(channel, percentiles(counted, tuple(self.at)).tolist(), standard.tolist(), clip=self.clip)
