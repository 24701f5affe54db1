"""Macenko: sections shown in the stains of a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le

from preceptor.core.applied import Applied, Derived, Nothing
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.maths.stain import Stains, macenko_stains, restain
from preceptor.prepare.stained import colours, first_of, some_pixels

_STEP = "macenko"


class Macenko:
    """Separates each section's two stains and shows it in the reference's: the training cases' median stains.

    Each stain's strength is scaled to the reference's 99th percentile. The reference is fitted once and stored, so a
    section prepared later is shown in the same stains. It is meant for one staining protocol (haematoxylin and eosin):
    over sections of several stains it makes colours differ more, not less.

    Args:
        bright: What is seen through no tissue, on a scale of 0 to 255.
        least_density: Pixels with a smaller optical density in any channel are not asked which stains there are.
        percent: Of the pixels that may lie beyond each stain.
        smallest_angle_degrees: Stains that lie closer are not told apart.
        most_scaling: A section whose stains would have to be raised further than this is nearly empty: its noise would
            be shown as tissue.
        unclear: What becomes of such a section, or of one whose stains can't be told apart: ``refuse`` it or ``keep``
            its colours. One whose stains can't be told apart takes no part in the reference either way.

    Shapes: ``(3, x, y)`` red, green, blue in 0..255, as read.

    Returns:
        From `draw`: a `Derived` with the sections on the same scale; `Nothing` where an unclear one is kept.

    Raises:
        PrepareError: The image is not in colour in 0..255, or its stains can't be told apart, or no training case's
            can.

    Source: Macenko et al. 2009, "A method for normalizing histology slides for quantitative analysis", ISBI.

    Example:
        >>> Macenko().bright
        240.0
    """

    def __init__(
        self,
        bright: Annotated[float, Gt(0), Le(255)] = 240.0,
        least_density: Annotated[float, Ge(0)] = 0.15,
        percent: Annotated[float, Ge(0), Le(20)] = 1.0,
        smallest_angle_degrees: Annotated[float, Ge(0), Le(90)] = 5.0,
        most_scaling: Annotated[float, Ge(1)] = 3.0,
        unclear: Literal["refuse", "keep"] = "refuse",
    ) -> None:
        self.bright = bright
        self.least_density = least_density
        self.percent = percent
        self.smallest_angle_degrees = smallest_angle_degrees
        self.most_scaling = most_scaling
        self.unclear = unclear
        self._reference: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def example(cls) -> Macenko:
        return cls()

    def fit(self, samples: Iterable[Sample]) -> dict[str, Any]:
        """The median stains and strengths of the training cases."""
        found = []
        for sample in samples:
            try:
                found.append(self._stains(first_of(sample, _STEP)))
            except PrepareError as error:
                if error.problem.code != "stains_unclear":
                    raise
        if not found:
            raise _unclear("in no training case can the stains be told apart")
        vectors = np.median([each.vectors for each in found], axis=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return {"vectors": vectors, "strongest": np.median([each.strongest for each in found], axis=0)}

    def with_state(self, state: Mapping[str, Any]) -> Macenko:
        fitted = copy(self)
        fitted._reference = np.asarray(state["vectors"]), np.asarray(state["strongest"])
        return fitted

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        if self._reference is None:
            return Nothing()
        shown, parameters = {}, {}
        try:
            for view, image in sample.images.items():
                shown[view], own = self._restained(image)
                parameters[view] = {"near_pure": own.near_pure, "angle_degrees": own.angle_degrees}
        except PrepareError as error:
            if self.unclear == "keep" and error.problem.code == "stains_unclear":
                return Nothing({"kept": error.problem.what})
            raise
        return Derived(shown, parameters=parameters)

    def _restained(self, image: Image) -> tuple[Image, Stains]:
        assert self._reference is not None  # `draw` has looked
        picture = colours(image, _STEP)
        own = self._stains(picture)
        raised = float((self._reference[1] / own.strongest).max())
        if raised > self.most_scaling:
            raise _unclear(f"a stain is so weak that it would have to be raised {raised:.1f}-fold")
        # Row by row of pixels: a slide's optical densities in double precision would not fit in memory at once.
        shown = np.stack([restain(row, own, *self._reference, self.bright).astype(np.float32) for row in picture])
        return image.with_array(np.ascontiguousarray(np.moveaxis(shown, -1, 0))), own

    def _stains(self, picture: np.ndarray) -> Stains:
        try:
            found = macenko_stains(some_pixels(picture), self.bright, self.least_density, self.percent)
        except ValueError as error:
            raise _unclear(f"no two stains can be told apart: {error}") from error
        if found.angle_degrees < self.smallest_angle_degrees:
            raise _unclear(f"the two stains lie {found.angle_degrees:.1f} degrees apart")
        # A stain absorbs in every channel, and there is some of it.
        if (found.vectors < -0.05).any() or (found.strongest <= 0).any():
            raise _unclear("a stain would have to give light off")
        return found


def _unclear(what: str) -> PrepareError:
    return PrepareError(
        what,
        where="prepare.macenko",
        expected="a section in two stains, such as haematoxylin and eosin",
        remedy="look at the picture; use reinhard for other stains, {macenko: {unclear: keep}} to leave such sections as "
        "they are, or exclude the case",
        code="stains_unclear",
    )
