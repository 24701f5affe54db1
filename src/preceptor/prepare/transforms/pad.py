"""Pad: add voxels around the image, never cut any away."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.maths.geometry import window_map


class Pad:
    """Adds voxels until each axis has as many as asked, or a multiple of a number. Pixels are copied, none is lost.

    Args:
        shape: Voxels along each axis, at least.
        multiple_of: Each axis becomes a multiple of this (a network's `divisor`).
        at: ``both`` ends alike (the one more at the end), or all at the ``end``.
        fill: What the added voxels of an image hold; None for its lowest value (air). Label maps get 0.

    Returns:
        From `draw`: a `Spatial` that is exact, or `Nothing` where the image is large enough.

    Raises:
        RecipeError: Neither a shape nor a multiple is asked for.
        PrepareError: There are not as many numbers as axes.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 10, 30)), np.eye(4))
        >>> Pad(shape=[20, 20], multiple_of=16).draw(None, Sample("a", {"t1": image})).shape
        (32, 32)
    """

    reads_pixels = False

    def __init__(
        self,
        shape: list[Annotated[int, Ge(1)]] | None = None,
        multiple_of: Annotated[int, Ge(1)] = 1,
        at: Literal["both", "end"] = "both",
        fill: float | None = None,
    ) -> None:
        if shape is None and multiple_of == 1:
            raise RecipeError(
                "pad needs a shape or a multiple",
                where="prepare.pad",
                expected="shape: [128, 128, 64], or multiple_of: 16",
                code="pad_target",
            )
        self.shape = shape
        self.multiple_of = multiple_of
        self.at = at
        self.fill = fill

    @classmethod
    def example(cls) -> Pad:
        return cls(multiple_of=16)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        size = sample.reference.shape
        if self.shape is not None and len(self.shape) != len(size):
            raise PrepareError(
                f"pad.shape has {len(self.shape)} numbers, and the image {len(size)} axes",
                expected="one number for each axis",
                code="axes_mismatch",
            )
        wanted = [max(n, m) for n, m in zip(size, self.shape or size, strict=True)]
        wanted = [-(-n // self.multiple_of) * self.multiple_of for n in wanted]
        if tuple(wanted) == size:
            return Nothing()
        first = [-((m - n) // 2) if self.at == "both" else 0 for n, m in zip(size, wanted, strict=True)]
        return Spatial(window_map(first), tuple(wanted), fill=self.fill)
