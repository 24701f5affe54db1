"""Geometry as masks, and masks as geometry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.intake.limits import MAX_PICTURE_PIXELS, MAX_VOXELS
from preceptor.maths.polygons import inside_polygon, outlines, polygon_area
from preceptor.maths.run_lengths import from_run_lengths, run_lengths

from .record import Annotation

#: Most pixels of a plane that is painted at once; slides are painted tile by tile.
_MOST_PIXELS = 3 * MAX_PICTURE_PIXELS


def as_mask(row: Annotation, shape: Sequence[int]) -> np.ndarray:
    """The voxels that an annotation covers: those whose middle it holds.

    Args:
        row: A box, a polygon or a mask; ``none`` covers everything, a point the voxel it lies in.
        shape: Voxels along x, y[, z].

    Returns:
        ``(*shape)`` bool.

    Raises:
        CohortError: The image has more voxels than an image can have.
        ValueError: A line has no area, a mask is on another grid, or a polygon is asked for in a volume.
    """
    most = _MOST_PIXELS if len(shape) == 2 else MAX_VOXELS
    if math.prod(shape) > most:
        raise CohortError(
            f"an annotation lies on an image of {' x '.join(map(str, shape))} voxels, too many to paint",
            expected=f"at most {most:,}",
            remedy="paint it tile by tile, or look at the sizes that the export states",
            code="annotation_too_large",
        )
    found = np.zeros(tuple(shape), dtype=bool)
    if row.kind == "none":
        return ~found
    if row.kind == "mask":
        if list(row.geometry["shape"]) != list(shape):
            raise ValueError(f"the mask has {row.geometry['shape']} voxels, not {list(shape)}")
        return from_run_lengths(row.geometry["counts"], shape)
    if row.kind == "point":
        place = np.floor(np.array(row.geometry) + 0.5).astype(int)
        if all(0 <= at < size for at, size in zip(place, shape, strict=True)):
            found[tuple(place)] = True
        return found
    if row.kind == "box":
        low, high = (np.clip(np.ceil(each), 0, None).astype(int) for each in np.array(row.geometry))
        found[tuple(slice(first, last) for first, last in zip(low, high, strict=True))] = True
        return found
    if row.kind == "polygon" and len(shape) == 2:
        for how, ring in row.geometry:
            inside = inside_polygon(np.array(ring), shape)
            found = found | inside if how == "add" else found & ~inside
        return found
    raise ValueError(f"a {row.kind} covers no area of {len(shape)} axes")


def as_geometry(mask: np.ndarray, affine_mm: np.ndarray | None = None) -> dict[str, Any]:
    """A mask's geometry: its shape and run lengths, and where a volume lies."""
    geometry: dict[str, Any] = {"shape": list(mask.shape), "counts": run_lengths(mask)}
    return geometry if affine_mm is None else {**geometry, "affine_mm": np.asarray(affine_mm).tolist()}


def as_rings(mask: np.ndarray) -> list[list[Any]]:
    """A mask ``(x, y)`` as rings along the edges of its pixels, larger ones first: painted in order they give it back."""
    rings = sorted(outlines(mask), key=lambda ring: -abs(polygon_area(ring)))
    return [["add" if polygon_area(ring) > 0 else "cut", ring.tolist()] for ring in rings]


def surrounding_box(mask: np.ndarray) -> list[list[float]] | None:
    """The edges ``[low, high]`` of what is marked; None where nothing is."""
    where = np.argwhere(mask)
    if not len(where):
        return None
    return [(where.min(0) - 0.5).tolist(), (where.max(0) + 0.5).tolist()]
