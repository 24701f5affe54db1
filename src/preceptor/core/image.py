"""`Image`: pixels and the place in the patient they come from, inseparable.

Axis order is ``(channel, x, y[, z])``, or ``(channel, time, x, y[, z])`` where `has_time`. `affine_mm` maps a voxel
index ``(x, y, z, 1)`` to RAS+ millimetres: x grows towards the patient's Right, y Anterior, z Superior.
A 2D image has a 4x4 affine too, with the plane's normal in the third column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .errors import PrepareError

#: What an image of no known geometry (PNG, JPEG) carries: one unit a pixel, axes as stored.
UNKNOWN_GEOMETRY = "unknown"


@dataclass(frozen=True)
class Image:
    """An array with its geometry. Valid at birth: an `Image` that exists can be placed in space.

    Args:
        array: ``(channel, x, y[, z])`` or ``(channel, time, x, y[, z])``, float32 or the native integer type.
        affine_mm: 4x4, voxel index to RAS+ millimetres.
        is_label: Integer codes rather than a quantity: resampled by nearest neighbour, never averaged.
        has_time: Whether the second axis is time.
        meta: What the reader knew (``modality``, ``geometry``, ``source_format``, ``padding_value`` …), JSON only.

    Raises:
        PrepareError: The affine is not finite or not invertible, or the array has not 2 or 3 axes of space.
    """

    array: np.ndarray
    affine_mm: np.ndarray
    is_label: bool = False
    has_time: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        affine = np.asarray(self.affine_mm, dtype=np.float64)
        object.__setattr__(self, "affine_mm", affine)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise PrepareError(
                "the image's affine is not a finite 4x4 matrix",
                expected="a voxel-to-millimetre matrix without NaN",
                remedy="repair the header at its source; a position can't be guessed",
                code="affine_not_finite",
            )
        columns = np.linalg.norm(affine[:3, :3], axis=0)
        if (columns < 1e-9).any() or abs(np.linalg.det(affine[:3, :3] / columns)) < 1e-4:
            raise PrepareError(
                "the image's affine is singular: two of its axes coincide or one has no length",
                expected="three independent axes",
                remedy="repair the header at its source",
                code="affine_singular",
            )
        if self.space_dims not in (2, 3):
            raise PrepareError(
                f"the array has {self.array.ndim} axes",
                expected="(channel, x, y), (channel, x, y, z), or the same with time after channel",
                code="axes",
            )

    @property
    def space_dims(self) -> int:
        """2 or 3."""
        return self.array.ndim - 1 - int(self.has_time)

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along x, y[, z]."""
        return tuple(self.array.shape[-self.space_dims :])

    @property
    def channels(self) -> int:
        return self.array.shape[0]

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Distance between voxel centres along x, y[, z], in millimetres."""
        return tuple(float(s) for s in np.linalg.norm(self.affine_mm[:3, : self.space_dims], axis=0))

    @property
    def orientation(self) -> str:
        """The closest anatomical axis of each array axis, for example ``RAS`` or ``LIP``."""
        import nibabel

        return "".join(nibabel.aff2axcodes(self.affine_mm))[: self.space_dims]

    @property
    def has_known_geometry(self) -> bool:
        """False for a picture whose file says nothing of millimetres."""
        return self.meta.get("geometry") != UNKNOWN_GEOMETRY

    def with_array(self, array: np.ndarray, affine_mm: np.ndarray | None = None) -> Image:
        """The same image with other pixels, and with another geometry where one is given."""
        return replace(self, array=array, affine_mm=self.affine_mm if affine_mm is None else affine_mm)
