"""Flip: mirror the image along anatomical axes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.evidence import Question
from preceptor.maths.geometry import ANATOMICAL_AXES, anatomical_axis, closest_axes, flip_map
from preceptor.prepare.sides import exchanged, has_sides, refuse_laterality, refuse_side_labels

_ARRAY_AXES = ("x", "y", "z")


class Flip:
    """Mirrors the image, each axis by its own throw of the dice.

    A mirrored left hippocampus is a right one. So a flip along left-right exchanges structures whose names differ in their side
    alone ("left lung" and "right lung"), and refuses what it would make wrong: a structure that has no partner, a label that is
    a side, a record that says which side the image shows (ImageLaterality), and a structure that lies on one side of the body
    (the heart and its chambers, the liver).

    Args:
        axes: Anatomical axes (``left-right``, ``anterior-posterior``, ``superior-inferior``), found through the image's affine;
            or ``x``, ``y``, ``z`` for array axes, for pictures that say nothing of millimetres.
        chance: Of each axis.
        sides: ``{structure: structure}`` that a mirror along left-right exchanges, both ways; a structure named with itself
            stays. None finds pairs by their names.
        one_sided: "refuse", or "mirror" organs that lie on one side and images of one side: asked for, then, and meant.

    Returns:
        From `draw`: a `Spatial` that is exact, or `Nothing`.

    Raises:
        RecipeError: An axis is none of these.
        PrepareError: The image has no such axis, a side has no partner, or something lies on one side.

    Source: none needed.

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 4, 4, 4)), np.eye(4))
        >>> Flip(axes=["left-right"], chance=1.0).draw(np.random.default_rng(0), Sample("a", {"t1": image})).parameters
        {'flip': ['left-right']}
    """

    reads_pixels = False

    def __init__(
        self,
        axes: list[str],
        chance: Annotated[float, Ge(0), Le(1)] = 0.5,
        sides: dict[str, str] | None = None,
        one_sided: Literal["refuse", "mirror"] = "refuse",
    ) -> None:
        for axis in axes:
            if axis not in _ARRAY_AXES:
                _anatomical(axis)
        self.axes = axes
        self.chance = chance
        self.sides = sides
        self.one_sided = one_sided

    @classmethod
    def example(cls) -> Flip:
        return cls(axes=["left-right"], chance=1.0)

    def suits(self, question: Question) -> bool:
        """Whether the classes keep their meaning: no class of a whole image may be a side, no structure without a partner."""
        if not any(self._is_left_right(axis) for axis in self.axes):
            return True
        if not question.dense:
            return not has_sides(question)
        try:
            self._exchanged(dict(enumerate(question.classes)))
        except PrepareError:
            return False
        return True

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        thrown = rng.random(len(self.axes))
        chosen = [axis for axis, number in zip(self.axes, thrown, strict=True) if number < self.chance]
        image = sample.reference
        turned = {self._array_axis(axis, sample): axis for axis in chosen}
        if not turned:
            return Nothing()
        relabel = {}
        if self._mirrors_sides(list(turned), sample):
            refuse_side_labels(sample)
            if self.one_sided == "refuse":
                refuse_laterality(sample)
            relabel = {mask: self._exchanged(values) for mask, values in sample.mask_values.items()}
            relabel = {mask: values for mask, values in relabel.items() if values}
        return Spatial(flip_map(image.shape, list(turned)), relabel=relabel, parameters={"flip": chosen}, fill=0.0)

    def _exchanged(self, values: Mapping[int, str]) -> dict[int, int]:
        return exchanged(values, self.sides, one_sided=self.one_sided == "mirror")

    def _is_left_right(self, axis: str) -> bool:
        return axis == "x" or (axis not in _ARRAY_AXES and _anatomical(axis) == 0)

    def _array_axis(self, name: str, sample: Sample) -> int:
        image = sample.reference
        if name in _ARRAY_AXES[: image.space_dims]:
            return _ARRAY_AXES.index(name)
        if name not in _ARRAY_AXES and image.has_known_geometry:
            for axis, (anatomical, _) in enumerate(closest_axes(image.affine_mm, image.space_dims)):
                if anatomical == _anatomical(name):
                    return axis
        raise PrepareError(
            f"the image has no axis '{name}' that is known for certain",
            where=f"case {sample.key}, augment.flip",
            expected="an anatomical axis the image's affine tells, or x, y, z for the array's own",
            remedy="name the array axis: {flip: {axes: [x]}}",
            code="flip_axis",
        )

    def _mirrors_sides(self, turned: list[int], sample: Sample) -> bool:
        """Whether left and right trade places: along the array axis that runs so, or along any axis where none is known."""
        image = sample.reference
        if not image.has_known_geometry:
            return True
        axes = closest_axes(image.affine_mm, image.space_dims)
        return any(axes[axis][0] == 0 for axis in turned)


def _anatomical(name: str) -> int:
    try:
        return anatomical_axis(name)
    except KeyError:
        raise RecipeError(
            f"'{name}' is no axis",
            where="flip.axes",
            expected=f"one of {', '.join(ANATOMICAL_AXES)}, x, y, z",
            code="flip_axis_unknown",
        ) from None
