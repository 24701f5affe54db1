"""Tissue mask: where a section shows tissue, and where glass."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Derived
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.intake.slides.tissue import tissue
from preceptor.prepare.named_masks import as_mask
from preceptor.prepare.stained import first_of


class TissueMask:
    """Adds a mask of the tissue, by Otsu's threshold on means over blocks; later steps find it by its name.

    Otsu always splits, a blank slide too: what is brighter than 0.9 and hardly coloured is glass whatever he says, and
    a slide with next to no tissue is refused. Black borders of the scanner are left out. Pen marks are not: they count
    as tissue.

    The share that is found depends on the size of the blocks: keep it fixed over a cohort, near 8 um (16 pixels of a
    slide at 20x).

    Args:
        by: ``grey`` counts what is darker as tissue, ``saturation`` what is more coloured.
        block: Pixels along each side of a block.
        least_share: A slide with less tissue is refused.
        name: Of the mask.

    Shapes: ``(3, x, y)`` red, green, blue in 0..255, as read.

    Returns:
        From `draw`: a `Derived` with one mask of 0 and 1.

    Raises:
        PrepareError: The image is not in colour in 0..255, or shows too little tissue.

    Source: Otsu 1979, IEEE Transactions on Systems, Man, and Cybernetics 9(1).

    Example:
        >>> TissueMask(by="saturation").block
        16
    """

    def __init__(
        self,
        by: Literal["grey", "saturation"] = "grey",
        block: Annotated[int, Ge(1)] = 16,
        least_share: Annotated[float, Ge(0), Le(1)] = 0.01,
        name: str = "tissue",
    ) -> None:
        self.by: Literal["grey", "saturation"] = by
        self.block = block
        self.least_share = least_share
        self.name = name

    @classmethod
    def example(cls) -> TissueMask:
        return cls(block=2)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        found = tissue(first_of(sample, "tissue_mask"), self.by, self.block)
        if found.share < self.least_share:
            raise PrepareError(
                f"{found.share:.1%} of the slide is tissue",
                where="prepare.tissue_mask",
                expected=f"{self.least_share:.1%} or more",
                remedy="look at the slide: it is blank, out of focus, or not in colour; exclude it",
                code="no_tissue",
            )
        told: dict[str, Any] = {"share": found.share, "threshold": found.threshold, "by": self.by, "block": self.block}
        return Derived(masks={self.name: as_mask(found.mask, sample.reference)}, parameters=told)
