"""Sector mask: what the probe saw of an ultrasound picture or clip."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.applied import Applied, Derived, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.prepare.named_masks import as_mask
from preceptor.prepare.sector import find_sector


class SectorMask:
    """Adds a mask of the ultrasound sector, from the pixels alone: the largest part that is not black, made convex.

    What is black in every frame lies outside; writing and scales are thin and fall away. A frame by itself leaves its
    shadows dark, a clip rarely does: quality is higher with time. A picture that was cropped to its sector is all
    sector. Coloured pictures count by their brightest channel.

    Args:
        dark: Share of the brightest value up to which a pixel is black. JPEG leaves some noise in black.
        least_quality: Share of the mask that must itself be bright in some frame; a mask that is mostly guessed is
            refused.
        least_share: A smaller sector is refused.
        clear: Whether what lies outside is set to 0 in the images.
        view: The view that is looked at; None for the first of each grid.
        name: Of the mask.

    Shapes: ``(channel, [time,] x, y)``.

    Returns:
        From `draw`: a `Derived` with the mask, and the images where they are cleared.

    Raises:
        PrepareError: The image is a volume, or no plausible sector was found.

    Source: own.

    Example:
        >>> SectorMask(clear=True).name
        'sector'
    """

    def __init__(
        self,
        dark: Annotated[float, Gt(0), Lt(1)] = 0.03,
        least_quality: Annotated[float, Ge(0), Le(1)] = 0.6,
        least_share: Annotated[float, Ge(0), Le(1)] = 0.1,
        clear: bool = False,
        view: str | None = None,
        name: str = "sector",
    ) -> None:
        self.dark = dark
        self.least_quality = least_quality
        self.least_share = least_share
        self.clear = clear
        self.view = view
        self.name = name

    @classmethod
    def example(cls) -> SectorMask:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        view = self.view or next(iter(sample.images))
        if view not in sample.images:
            return Nothing()
        image = sample.images[view]
        if image.space_dims != 2:
            raise PrepareError(
                "a sector is looked for in pictures and clips",
                where="prepare.sector_mask",
                expected="two axes of space",
                code="no_picture",
            )
        found = find_sector(image.array.max(0).reshape(-1, *image.shape), self.dark)
        told: dict[str, Any] = {"quality": found.quality, "share": found.share}
        if found.quality < self.least_quality or found.share < self.least_share:
            raise PrepareError(
                f"no plausible sector: {found.share:.0%} of the picture, {found.quality:.0%} of it seen",
                where="prepare.sector_mask",
                expected=f"{self.least_share:.0%} of the picture or more, {self.least_quality:.0%} of it bright in some frame",
                remedy="look at the clip: it is blank, very dark, or no ultrasound; lower `dark`, or exclude the case",
                code="no_sector",
            )
        images = {}
        if self.clear:
            images = {
                each: shown.with_array(np.where(found.mask, shown.array, 0).astype(shown.array.dtype))
                for each, shown in sample.images.items()
            }
        return Derived(images, {self.name: as_mask(found.mask, image)}, told)
