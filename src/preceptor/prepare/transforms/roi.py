"""Region of interest: a cut-out of fixed size about a structure or a place, for a network of its own."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.maths.geometry import box_of, window_map
from preceptor.prepare.named_masks import marked


class Roi:
    """Cuts a box of fixed size out of the image: one recipe a region gives one network a region.

    The box is laid by whole voxels about the middle of a structure's extent, or about a place in millimetres. After
    ``register: {atlas: …}`` a place of the atlas is the same place in every patient, and ``skull_strip`` and other
    steps make masks that can be named. A box that reaches beyond the image is filled there. A prediction comes back
    onto the original grid, 0 outside the box.

    Args:
        mask: Name of the mask that holds the structure.
        values: Which of its values are the structure; None for all above 0.
        centre_mm: Instead of a mask, a place ``[x, y, z]`` in RAS+ millimetres of the image as it then lies (for
            pictures ``[x, y]`` in pixels).
        shape: Voxels along each axis.
        size_mm: Instead of a shape, millimetres along each axis: the number of voxels that comes nearest.
        fill: What an image holds beyond its edge; None for its lowest value. Label maps get 0.

    Returns:
        From `draw`: a `Spatial` that is exact, or `Nothing` where the box is the image.

    Raises:
        RecipeError: Not one of mask and centre, or not one of shape and size, is given.
        PrepareError: There is no such structure; the place lies outside the image; there are not as many numbers as
            axes.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 10, 10, 10)), np.diag([2.0, 2.0, 2.0, 1.0]))
        >>> step = Roi(centre_mm=[8, 8, 10], size_mm=[6, 6, 6])
        >>> step.draw(None, Sample("a", {"t1": image})).matrix[:3, 3].tolist()
        [3.0, 3.0, 4.0]
    """

    def __init__(
        self,
        mask: str | None = None,
        values: list[int] | None = None,
        centre_mm: list[float] | None = None,
        shape: list[Annotated[int, Ge(1)]] | None = None,
        size_mm: list[Annotated[float, Gt(0)]] | None = None,
        fill: float | None = None,
    ) -> None:
        for one, other, names in ((mask, centre_mm, "mask and centre_mm"), (shape, size_mm, "shape and size_mm")):
            if (one is None) == (other is None):
                raise RecipeError(
                    f"roi needs one of {names}",
                    where="prepare.roi",
                    expected="mask: brain (or centre_mm: [0, -20, 10]) and shape: [64, 64, 64] (or size_mm)",
                    code="roi_target",
                )
        self.mask = mask
        self.values = values
        self.centre_mm = centre_mm
        self.shape = shape
        self.size_mm = size_mm
        self.fill = fill

    @classmethod
    def example(cls) -> Roi:
        return cls(mask="label", values=[1], shape=[8, 8, 8])

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        dims = image.space_dims
        if self.shape is not None:
            shape = self.shape
        else:
            assert self.size_mm is not None  # one of both is given
            shape = [max(1, round(size / each)) for size, each in zip(self.size_mm, image.spacing_mm, strict=False)]
        for name, given in (("shape", self.shape), ("size_mm", self.size_mm), ("centre_mm", self.centre_mm)):
            if given is not None and len(given) != dims:
                raise PrepareError(
                    f"roi.{name} has {len(given)} numbers, and the image {dims} axes",
                    expected="one number for each axis",
                    code="axes_mismatch",
                )
        if self.mask is not None:
            begin, extent = box_of(marked(sample, self.mask, "roi", self.values))
            centre = [a + (n - 1) / 2 for a, n in zip(begin, extent, strict=True)]
        else:
            centre = self._place(image.affine_mm, image.shape)
        # The voxel whose middle is nearest to the box's own; of two alike the lower.
        first = [int(np.ceil(c - (n - 1) / 2 - 0.5)) for c, n in zip(centre, shape, strict=True)]
        if tuple(shape) == image.shape and not any(first):
            return Nothing()
        return Spatial(window_map(first), tuple(shape), fill=self.fill, parameters={"first": first})

    def _place(self, affine_mm: np.ndarray, shape: tuple[int, ...]) -> list[float]:
        assert self.centre_mm is not None  # one of both is given
        dims = len(shape)
        # A plane's own position along its normal says nothing of the place meant.
        there = np.array([*self.centre_mm, *affine_mm[dims:3, 3]])
        voxel = (np.linalg.inv(affine_mm) @ [*there, 1.0])[:dims]
        if any(not -0.5 <= each <= size - 0.5 for each, size in zip(voxel, shape, strict=True)):
            raise PrepareError(
                "the place that the region is cut about lies outside the image",
                where="prepare.roi",
                expected="a place in RAS+ millimetres of the image as it then lies",
                remedy="register to the atlas that the place is given in before, or cut about a mask",
                code="roi_outside",
            )
        return [float(each) for each in voxel]
