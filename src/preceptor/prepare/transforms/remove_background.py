"""Remove background: one value outside the body."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Derived
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.prepare.body import find_body
from preceptor.prepare.named_masks import as_mask

#: An image that is almost all body or has almost none is not split by a threshold.
_MOST = 0.999


class RemoveBackground:
    """Sets everything outside the body to one value: the largest part above a threshold, with its holes filled.

    For MR (air with noise), CT (`threshold: -300`: air and table) and X-ray (the collimator's shade). The threshold
    looks at the first view and its first channel, averaged over time; all views of that grid are cleared alike. Holes
    are filled in each plane too, so that lungs and airways stay.

    Args:
        threshold: What is above counts; None for Otsu's, which suits MR. CT is best told in Hounsfield units.
        levels: How many levels of grey Otsu splits the image into, the darkest being the background: 2 for MR. X-rays
            need 4, for lungs are as dark as half-shaded air: with 2 the lungs that touch an edge are cut away.
        opening_mm: Bridges up to twice as wide are cut before the largest part is chosen, so that a table is left
            behind. In pixels for a picture that says nothing of millimetres.
        fill: What the background then holds; None for the lowest value of each image.
        least_share: An image with less body is refused.
        name: The body's mask is kept under this name for later steps.

    Shapes: ``(channel, [time,] x, y[, z])``.

    Returns:
        From `draw`: a `Derived` with every view of the grid and the body's mask.

    Raises:
        PrepareError: Next to nothing, or next to all, is above the threshold.

    Source: Otsu 1979 for the threshold; connected components.

    Example:
        >>> RemoveBackground(threshold=-300.0, fill=-1000.0).name
        'body'
    """

    def __init__(
        self,
        threshold: float | None = None,
        levels: Annotated[int, Ge(2), Le(5)] = 2,
        opening_mm: Annotated[float, Ge(0)] = 0.0,
        fill: float | None = None,
        least_share: Annotated[float, Ge(0), Le(1)] = 0.02,
        name: str = "body",
    ) -> None:
        self.threshold = threshold
        self.levels = levels
        self.opening_mm = opening_mm
        self.fill = fill
        self.least_share = least_share
        self.name = name

    @classmethod
    def example(cls) -> RemoveBackground:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        first = next(iter(sample.images.values()))
        grey = np.asarray(first.array[0], dtype=np.float32)
        grey = grey.mean(0) if first.has_time else grey
        inside, threshold = find_body(grey, self.threshold, self.opening_mm, first.spacing_mm, self.levels)
        share = float(inside.mean())
        if not self.least_share <= share <= _MOST:
            raise PrepareError(
                f"{share:.1%} of the image lies above {threshold:.4g}: body and background can't be told apart",
                where="prepare.remove_background",
                expected=f"a body that takes up {self.least_share:.0%} to {_MOST:.1%} of the image",
                remedy="look at the image; give `threshold` in the image's own unit, or leave the step out",
                code="no_background",
            )
        images = {view: self._cleared(image, inside) for view, image in sample.images.items()}
        return Derived(images, {self.name: as_mask(inside, first)}, {"threshold": threshold, "share": share})

    def _cleared(self, image: Image, inside: np.ndarray) -> Image:
        fill = image.array.min() if self.fill is None else np.asarray(self.fill)
        kind = image.array.dtype
        if kind.kind != "f" and fill.astype(kind) != fill:
            kind = np.dtype(np.float32)
        return image.with_array(np.where(inside, image.array, fill).astype(kind))
