"""Shepp-Logan heads: three subtypes over two labels."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.core.errors import RecipeError
from preceptor.maths.phantom_heads import draw_subtypes
from preceptor.maths.phantom_shepp_logan import subtype_slice, subtype_volume


class SheppLogan:
    """Heads after Shepp and Logan: two labels over three subtypes, and a best possible accuracy that is known.

    Controls (CN) are all of subtype 0, everything large. Patients (AD) are of subtype 1 mostly (85 %: lower regions
    small), of subtype 2 sometimes (10 %: upper region small), and one in twenty is of subtype 0 and looks like a
    control. The best balanced accuracy is 0.975; more is a leak. One that misses all of subtype 2 still reaches 0.925:
    the field ``subtype`` lets a report say so.

    Args:
        size: Pixels along each side of a slice (two equal numbers), or voxels along each axis of a volume.
        spacing_mm: Along each axis; by default the field of view is 256 mm wide.
        smoothing: Blur a slice by a standard deviation drawn from 0 to a hundredth of its size.
        noise: Standard deviation of the noise.
        label: Column of the label.

    Raises:
        RecipeError: A slice is not square.

    Source: ``clinicadl generate shepplogan`` (Thibeau-Sutre et al. 2022, Computer Methods and Programs in Biomedicine
    220) in two dimensions; in three, Toft's table with the subtypes' regions scaled alike, which is ours.

    Example:
        >>> [SheppLogan().draw(Turn(0, index, 4)).labels["label"] for index in range(4)]
        ['CN', 'AD', 'CN', 'AD']
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(16), Le(1024)]], Len(2, 3)] = [128, 128],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 3)] | None = None,
        smoothing: bool = False,
        noise: Annotated[float, Ge(0)] = 0.0,
        label: str = "label",
    ) -> None:
        if len(size) == 2 and size[0] != size[1]:
            raise RecipeError(
                f"a slice of {size[0]} x {size[1]} is not square",
                expected="the same number twice",
                code="phantom_not_square",
            )
        self.size, self.spacing_mm, self.smoothing, self.noise, self.label = size, spacing_mm, smoothing, noise, label

    @classmethod
    def example(cls) -> SheppLogan:
        return cls(size=[32, 32])

    def draw(self, turn: Turn) -> Drawn:
        label = ("CN", "AD")[turn.index % 2]
        subtype = int(draw_subtypes(turn.rng("subtype"), label, 1)[0])
        rng = turn.rng("head")
        if len(self.size) == 2:
            head = subtype_slice(rng, subtype, self.size[0], self.smoothing).T
        else:
            head = subtype_volume(rng, subtype, self.size)
        if self.noise:
            head = head + turn.rng("grain").normal(0, self.noise, head.shape)
        spacing_mm = tuple(self.spacing_mm or [256 / each for each in self.size])
        images = {"image": centred(head.astype(np.float32), spacing_mm)}
        return Drawn(images, labels={self.label: label}, fields={"subtype": subtype})
