"""N4: bias-field correction of MR images."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Intensity
from preceptor.core.cohort import Sample
from preceptor.prepare.bias_correction import Correction, log_field
from preceptor.prepare.region import region


class N4:
    """Divides out the smooth field with which a coil's uneven hearing multiplies an MR image.

    The field is sought inside the object alone; all voxels are divided by it. It comes out somewhat weaker than it was,
    by up to a fifth, and an image without a field stays as it is within 2 per cent. Put it before whatever centres or
    clips grey values, since it needs them above 0. A few seconds for a volume, once.

    Args:
        shrink: Voxels along each axis that are taken together while the field is sought. 1 for thin objects.
        levels: Each has twice as many spline control points as the one before: more follow a steeper field, and at last
            anatomy itself.
        iterations: At most, at each level.
        convergence: A level ends when the field changes by less than this share.
        over: Where the field is sought: the ``foreground`` above Otsu's threshold; or ``positive``, where the
            background was set to 0.
        mask: Name of a mask to seek it in instead, such as a brain mask that an earlier step made.

    Returns:
        From `draw`: an `Intensity` on ``(channel, *space)``; channels and frames are corrected one by one, and each
        keeps its mean level.

    Raises:
        PrepareError: There is hardly a voxel above 0; the case has no such mask, or nothing is marked in it.

    Source: Tustison 2010, IEEE Transactions on Medical Imaging 29(6), as SimpleITK computes it.

    Example:
        >>> N4(shrink=4).levels
        4
    """

    def __init__(
        self,
        shrink: Annotated[int, Ge(1), Le(16)] = 2,
        levels: Annotated[int, Ge(1), Le(8)] = 4,
        iterations: Annotated[int, Ge(1)] = 50,
        convergence: Annotated[float, Gt(0)] = 1e-3,
        over: Literal["positive", "foreground"] = "foreground",
        mask: str | None = None,
    ) -> None:
        self.shrink = shrink
        self.levels = levels
        self.iterations = iterations
        self.convergence = convergence
        self.over = over
        self.mask = mask
        self.reads_pixels = mask is not None

    @classmethod
    def example(cls) -> N4:
        return cls(levels=1, iterations=2, over="positive")

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        counts = region(sample, self.over, self.mask, "n4")
        how = Correction(self.shrink, self.levels, self.iterations, self.convergence)
        views = [(image.space_dims, image.spacing_mm) for image in sample.images.values()]

        def function(image: torch.Tensor) -> torch.Tensor:
            dims, spacing_mm = views[0]  # the views of one grid
            pictures = image.reshape(-1, *image.shape[image.ndim - dims :])
            corrected = [
                picture / torch.from_numpy(np.exp(log_field(picture.numpy(), counts(picture).numpy(), spacing_mm, how)))
                for picture in pictures
            ]
            return torch.stack(corrected).reshape(image.shape)

        return Intensity(function)
