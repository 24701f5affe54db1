"""Scale: make the image larger or smaller."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le, Lt

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.geometry import physical_map
from preceptor.prepare.per_axis import each_axis


class Scale:
    """Makes the image larger or smaller about its middle, alike along all axes or each by itself. It never mirrors.

    Args:
        scale: Largest change of size, of all axes or of each: a factor from ``1 - scale`` to ``1 + scale``, drawn so that
            growing is as likely as shrinking.
        proportions: "keep" draws one factor for all axes, "change" one for each.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial`, or `Nothing`. What was drawn is the factor of what is shown: 1.1 is a tenth larger.

    Raises:
        PrepareError: There are not as many numbers as axes.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 8, 8)), np.eye(4))
        >>> applied = Scale(0.2).draw(np.random.default_rng(0), Sample("a", {"xray": image}))
        >>> [round(factor, 3) for factor in applied.parameters["scale"]]
        [0.902, 0.902]
    """

    reads_pixels = False
    neutral = {"scale": 0.0}

    def __init__(
        self,
        scale: Annotated[float, Ge(0), Lt(1)] | list[Annotated[float, Ge(0), Lt(1)]] = 0.1,
        proportions: Literal["keep", "change"] = "keep",
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.scale = scale
        self.proportions = proportions
        self.chance = chance

    @classmethod
    def example(cls) -> Scale:
        return cls(proportions="change")

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        image = sample.reference
        dims = image.space_dims
        thrown = rng.uniform(-1, 1, size=1 if self.proportions == "keep" else dims) * np.ones(dims)
        most = each_axis("scale.scale", self.scale, dims)
        factors = np.where(thrown > 0, 1 + most, 1 - most) ** np.abs(thrown)
        matrix = physical_map(np.diag(1 / factors), np.zeros(dims), image.spacing_mm, image.shape)
        return Spatial(matrix, parameters={"scale": factors.tolist()}, fill=0.0)
