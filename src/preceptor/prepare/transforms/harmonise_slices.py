"""Harmonise slices: stacks of any slice thickness and number made alike."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.maths.geometry import anatomical_axis, closest_axes, stack_map


class HarmoniseSlices:
    """Gives every stack the same slice thickness, the same number of slices, or both; the plane stays as it is.

    Thicker slices are the average over the thickness they now have (as the scanner would have seen them), so that what
    is finer fades instead of turning into false patterns; thinner ones are interpolated linearly. Labels go to the
    nearest slice. Where a new slice covers a thin one in part, that one counts by the share: what it shows is then off
    by an eighth of a thin slice's share of it at most (0.05 mm from 1 to 2.5 mm), and nothing is lost of the whole.

    A thickness alone keeps the coverage: the outer edge of the first slice stays, and the last one may reach beyond by
    less than a slice. A number alone keeps the coverage exactly and deals it out: the thickness then differs from
    stack to stack. Both together keep the physical centre, and cut away or add at both ends: how many millimetres is
    told as ``lost_mm`` and ``padded_mm`` of what was drawn, and may be limited.

    The thickness meant is the distance from slice to slice. A stack with gaps is treated as if its slices filled them.

    Args:
        thickness_mm: Distance from slice to slice, or None.
        slices: How many, or None.
        axis: Which axis is counted as the stack's: ``thickest`` is the one of the largest spacing, the last where
            several are; or the anatomical axis it runs along most closely.
        most_lost_mm: Refuse a stack that would lose more than this, both ends together; None takes any loss.

    Returns:
        From `draw`: a `Spatial`, or `Nothing` where the stack is as asked.

    Raises:
        RecipeError: Neither a thickness nor a number is asked for.
        PrepareError: The image is a plane, or says nothing of millimetres, or would lose too much.

    Source: none needed: a thick slice is the mean of the thin ones it covers, an average intensity projection.

    Example:
        >>> from preceptor.core.image import Image
        >>> stack = Image(np.zeros((1, 4, 4, 200)), np.eye(4))
        >>> step = HarmoniseSlices(thickness_mm=5, axis="inferior-superior")
        >>> step.draw(None, Sample("a", {"ct": stack})).shape
        (4, 4, 40)
    """

    reads_pixels = False

    def __init__(
        self,
        thickness_mm: Annotated[float, Gt(0)] | None = None,
        slices: Annotated[int, Ge(1)] | None = None,
        axis: Literal["thickest", "left-right", "posterior-anterior", "inferior-superior"] = "thickest",
        most_lost_mm: Annotated[float, Ge(0)] | None = None,
    ) -> None:
        if thickness_mm is None and slices is None:
            raise RecipeError(
                "harmonise_slices needs a thickness, a number of slices, or both",
                where="prepare.harmonise_slices",
                expected="thickness_mm: 5, or slices: 64",
                code="harmonise_target",
            )
        self.thickness_mm = thickness_mm
        self.slices = slices
        self.axis = axis
        self.most_lost_mm = most_lost_mm

    @classmethod
    def example(cls) -> HarmoniseSlices:
        return cls(thickness_mm=3.0, slices=8)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if image.space_dims != 3 or not image.has_known_geometry:
            raise PrepareError(
                "the image is no stack of slices in millimetres",
                where="prepare.harmonise_slices",
                expected="a volume whose file tells its spacing",
                code="no_stack",
            )
        axis = self._axis(image.affine_mm, image.spacing_mm)
        old, number = image.spacing_mm[axis], image.shape[axis]
        matrix, slices = stack_map(number, old, self.thickness_mm, self.slices)
        new = matrix[0, 0] * old
        # How far the new stack's two ends lie outside the old one's, in millimetres; negative: inside.
        ends = [(-0.5 - (matrix[0, 1] - matrix[0, 0] / 2)) * old]
        ends.append((matrix[0, 1] + matrix[0, 0] * (slices - 0.5) - (number - 0.5)) * old)
        lost_mm, padded_mm = (sum(max(sign * end, 0.0) for end in ends) for sign in (-1, 1))
        if self.most_lost_mm is not None and lost_mm > self.most_lost_mm + 1e-6:
            raise PrepareError(
                f"{slices} slices of {new:.3g} mm would lose {lost_mm:.1f} mm of the stack",
                where="prepare.harmonise_slices",
                expected=f"at most {self.most_lost_mm:g} mm lost",
                remedy="ask for more or thicker slices, or give the number alone: the whole stack is then kept",
                code="slices_lost",
            )
        if slices == number and abs(new - old) < 1e-4 * old:
            return Nothing()
        whole = np.eye(4)
        whole[axis, axis], whole[axis, 3] = matrix[0]
        shape = tuple(slices if each == axis else size for each, size in enumerate(image.shape))
        told = {"thickness_mm": new, "slices": slices, "lost_mm": lost_mm, "padded_mm": padded_mm}
        return Spatial(whole, shape, antialias="slab", parameters=told)

    def _axis(self, affine_mm: np.ndarray, spacing_mm: tuple[float, ...]) -> int:
        if self.axis == "thickest":
            largest = max(spacing_mm)
            return max(axis for axis, each in enumerate(spacing_mm) if each > largest * 0.999)
        wanted = anatomical_axis(self.axis)
        return next(axis for axis, (along, _) in enumerate(closest_axes(affine_mm, 3)) if along == wanted)
