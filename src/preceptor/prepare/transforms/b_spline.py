"""B-spline: a free-form deformation by a grid of control points."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Gt, Le
from scipy import ndimage

from preceptor.core.applied import Applied, Displacement, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.folding import unfolded


class BSpline:
    """Deforms the image by cubic B-splines over a grid of control points: no place moves further than the control points do.

    ``elastic`` draws displacements that its spline passes through, without a bound; here each place moves by a weighted mean of
    its control points' displacements, which is smoother and stays below `displacement_mm`. Deformations that would fold the
    image are drawn anew; below 0.4 times the spacing hardly one does.

    Args:
        spacing_mm: Distance between control points. There is one at every corner, so it is rounded to fit.
        displacement_mm: Largest displacement of a control point along each axis; drawn evenly from plus to minus.
        border: "free", or "fixed" for control points on the border that stay where they are.
        chance: How often it happens.

    Returns:
        From `draw`: a `Spatial` with a `Displacement`, or `Nothing`.

    Source: Rueckert 1999, "Nonrigid registration using free-form deformations", eq. 2; folding: Choi & Lee 2000, "Injectivity
        conditions of 2D and 3D uniform cubic B-spline functions". Beyond the border the control points go on in a straight
        line.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 32, 40, 32)), np.eye(4))
        >>> applied = BSpline(spacing_mm=16).draw(np.random.default_rng(0), Sample("a", {"t1": image}))
        >>> applied.displacement.control.shape
        (3, 3, 3, 3)
    """

    reads_pixels = False
    neutral = {"displacement_mm": 0.0}

    def __init__(
        self,
        spacing_mm: Annotated[float, Gt(0)] = 32.0,
        displacement_mm: Annotated[float, Ge(0)] = 8.0,
        border: Literal["free", "fixed"] = "free",
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.spacing_mm = spacing_mm
        self.displacement_mm = displacement_mm
        self.border = border
        self.chance = chance

    @classmethod
    def example(cls) -> BSpline:
        return cls(spacing_mm=6.0, displacement_mm=2.0)

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if rng.random() >= self.chance:
            return Nothing()
        image = sample.reference
        spacing = image.spacing_mm
        points = [
            max(2, round((size - 1) * each / self.spacing_mm) + 1)
            for size, each in zip(image.shape, spacing, strict=True)
        ]
        most = np.array([self.displacement_mm / each for each in spacing]).reshape(-1, *[1] * len(points))

        def drawn() -> np.ndarray:
            coefficients = rng.uniform(-1, 1, size=(len(points), *points)) * most
            if self.border == "fixed":
                inner = tuple(slice(1, -1) for _ in points)
                kept = np.zeros_like(coefficients)
                kept[(slice(None), *inner)] = coefficients[(slice(None), *inner)]
                coefficients = kept
            return _at_control_points(coefficients).astype(np.float32)

        control = unfolded(drawn, image.shape)
        largest = float((np.abs(control) * np.reshape(spacing, (-1, *[1] * len(points)))).max())
        parameters = {"control_points": points, "largest_shift_mm": largest}
        return Spatial(np.eye(len(points) + 1), displacement=Displacement(control), parameters=parameters, fill=0.0)


def _at_control_points(coefficients: np.ndarray) -> np.ndarray:
    """The B-spline's value at each control point.

    With coefficients that go on in a straight line beyond the border its second derivative is 0 there: it then *is* the natural
    cubic spline through these values, which is how a `Displacement` is read.
    """
    values = coefficients
    for axis in range(1, values.ndim):
        inside = ndimage.convolve1d(values, [1 / 6, 4 / 6, 1 / 6], axis=axis, mode="nearest")
        ends = np.zeros(values.shape[axis], dtype=bool)
        ends[[0, -1]] = True
        # (c[-1] + 4 c[0] + c[1]) / 6 with c[-1] = 2 c[0] - c[1] is c[0].
        values = np.where(ends.reshape([-1 if a == axis else 1 for a in range(values.ndim)]), values, inside)
    return values
