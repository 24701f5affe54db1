"""Orient to RAS: axes in anatomical order, without interpolation."""

from __future__ import annotations

import numpy as np

from preceptor.core.applied import Applied, Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.maths.geometry import orient_ras_map


class OrientRas:
    """Reorders and reverses axes until they grow towards Right, Anterior and Superior, as closely as the grid allows.

    Pixels are copied, never interpolated: an oblique scan stays oblique. The axes of a plane keep the anatomical order
    among themselves. A picture that says nothing of millimetres (PNG, JPEG) stays as it is.

    Returns:
        From `draw`: a `Spatial` that is exact, or `Nothing`.

    Source: closest canonical orientation, as in NIfTI tools ("as_closest_canonical").

    Example:
        >>> from preceptor.core.image import Image
        >>> image = Image(np.zeros((1, 4, 5, 6)), np.diag([-1.0, -1.0, 1.0, 1.0]))
        >>> OrientRas().draw(None, Sample("a", {"t1": image})).matrix[0].tolist()
        [-1.0, 0.0, 0.0, 3.0]
    """

    reads_pixels = False

    def __init__(self) -> None:
        pass

    @classmethod
    def example(cls) -> OrientRas:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        image = sample.reference
        if not image.has_known_geometry:
            return Nothing()
        matrix, shape = orient_ras_map(image.affine_mm, image.shape)
        return Spatial(matrix, shape)
