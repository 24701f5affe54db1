"""Lesions of known volume."""

from __future__ import annotations

import json
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from preceptor.core.drawn import Drawn, Turn, centred
from preceptor.maths.phantom_partial_volume import lesion_share
from preceptor.maths.phantoms import Anatomy, body, draw_lesions


class Lesions:
    """A body with lesions whose volume is known to the last cubic millimetre, however coarse the voxels.

    A voxel that a lesion fills in part takes part of its contrast, and the parts add up to the lesion's exact volume;
    without noise the volume can be read from the grey values. The label map holds the voxels that are filled at least by
    half, so that counting them errs as counting voxels does. The truth: ``volume_mm3`` (``area_mm2`` where flat),
    ``count``, and ``lesions``, a list of centres and half axes in millimetres from the middle of the field of view.

    Args:
        size: Voxels along 2 or 3 axes.
        spacing_mm: Along each axis; 2 mm by default.
        most: Largest number of lesions; from none to that many are drawn alike.
        radius_mm: Shortest and longest half axis.
        contrast: What a lesion adds to the grey value (tissue is about 0.42).
        noise: Standard deviation of the noise.

    Source: own generator; for partial volume see Gonzalez Ballester et al. 2002, Medical Image Analysis 6(4).

    Example:
        >>> drawn = Lesions(size=[32, 32, 16]).draw(Turn(seed=1, index=0, cases=4))
        >>> len(json.loads(drawn.fields["lesions"])) == drawn.labels["count"], drawn.labels["volume_mm3"]
        (True, 1363.964907)
    """

    def __init__(
        self,
        size: Annotated[list[Annotated[int, Ge(8), Le(1024)]], Len(2, 3)] = [64, 64, 32],  # noqa: B006  read, never changed
        spacing_mm: Annotated[list[Annotated[float, Gt(0)]], Len(2, 3)] | None = None,
        most: Annotated[int, Ge(1), Le(50)] = 3,
        radius_mm: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (3.0, 8.0),
        contrast: Annotated[float, Gt(0), Le(0.5)] = 0.3,
        noise: Annotated[float, Ge(0)] = 0.02,
    ) -> None:
        self.size, self.spacing_mm, self.most = size, spacing_mm, most
        self.radius_mm, self.contrast, self.noise = radius_mm, contrast, noise

    @classmethod
    def example(cls) -> Lesions:
        return cls(size=[24, 20], radius_mm=(3.0, 5.0))

    def draw(self, turn: Turn) -> Drawn:
        spacing_mm = tuple(self.spacing_mm or [2.0] * len(self.size))
        extent_mm = [count * step for count, step in zip(self.size, spacing_mm, strict=True)]
        number = int(turn.rng("number").integers(0, self.most + 1))
        found = draw_lesions(turn.rng("lesions"), number, extent_mm, self.radius_mm, self.contrast)
        grey = body(Anatomy.draw(turn.rng("person")), self.size)
        truth = np.zeros(self.size, np.uint8)
        for lesion in found:
            share = lesion_share(lesion, self.size, spacing_mm)
            grey = grey + lesion.contrast * share
            truth[share >= 0.5] = 1
        shown = grey + turn.rng("grain").normal(0, self.noise, grey.shape) if self.noise else grey
        measure = "volume_mm3" if len(self.size) == 3 else "area_mm2"
        labels = {"count": len(found), measure: round(sum(lesion.size for lesion in found), 6)}
        places = [{"centre_mm": lesion.centre_mm, "radii_mm": lesion.radii_mm} for lesion in found]
        return Drawn(
            {"image": centred(shown.astype(np.float32), spacing_mm)},
            {"lesion": centred(truth, spacing_mm, is_label=True)},
            labels,
            {"lesions": json.dumps(places)},
        )
