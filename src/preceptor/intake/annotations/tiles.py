"""Annotations of a slide as masks of its tiles: painted for the tile alone, at any level, never the whole slide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.maths.polygons import inside_polygon

from .record import Annotations


@dataclass(frozen=True)
class _Area:
    value: int
    rings: tuple[tuple[str, np.ndarray], ...]
    low: np.ndarray
    high: np.ndarray


class TilePainter:
    """Outlines and boxes of one slide, ready to be painted tile by tile.

    Args:
        annotations: In pixels of the full resolution, from any format.
        values: ``{label: value in the mask}`` in the order they are painted: where two overlap the later one stays. Labels
            that are not there are left out; by default all, as 1.
        image: Whose, where the annotations are of several.

    Raises:
        CohortError: A mask among them, which has a grid of its own; or annotations of several images.

    Example:
        >>> from .record import Annotation
        >>> row = Annotation("slide", "tumour", "box", [[3.5, -0.5], [7.5, 3.5]], image="slide")
        >>> TilePainter(Annotations((row,))).paint((2, 0), (4, 2), downsample=2).T.tolist()
        [[0, 1, 1, 0], [0, 1, 1, 0]]
    """

    def __init__(
        self, annotations: Annotations, values: Mapping[str, int] | None = None, image: str | None = None
    ) -> None:
        rows = [row for row in annotations.rows if row.kind in ("box", "polygon", "mask")]
        if image is not None:
            rows = [row for row in rows if (row.image or row.case) == image]
        images = {row.image or row.case for row in rows}
        if len(images) > 1 or any(row.kind == "mask" for row in rows):
            raise CohortError(
                f"the annotations are of {len(images)} images" if len(images) > 1 else "a mask is on a grid of its own",
                where="annotations",
                expected="outlines and boxes of one slide",
                remedy="name the image" if len(images) > 1 else "read the mask as a slide of its own",
                code="annotation_tiles",
            )
        chosen = dict.fromkeys((row.label for row in rows), 1) if values is None else values
        if any(not 0 <= value <= 255 for value in chosen.values()):
            raise CohortError(
                "a value does not fit a mask of 8 bits",
                where="annotations",
                expected="0 to 255",
                code="annotation_tiles",
            )
        self._areas = [
            _area(value, row.kind, row.geometry)
            for label, value in chosen.items()
            for row in rows
            if row.label == label
        ]
        self._lows = np.array([area.low for area in self._areas]).reshape(-1, 2)
        self._highs = np.array([area.high for area in self._areas]).reshape(-1, 2)

    def paint(
        self, corner: Sequence[float], size: Sequence[int], downsample: float | Sequence[float] = 1.0
    ) -> np.ndarray:
        """The mask of one tile: a pixel has the value of the outline that holds its middle.

        Args:
            corner: Outer corner of the tile's first pixel in pixels of the full resolution, x and y.
            size: Pixels of the tile along x and y, at its own level.
            downsample: Pixels of the full resolution to one of the level's; one number, or along x and y.

        Returns:
            ``(x, y)`` uint8; 0 where nothing was drawn.

        Raises:
            ValueError: The downsampling is not positive.
        """
        step = np.broadcast_to(np.asarray(downsample, dtype=float), 2)
        if not (step > 0).all():
            raise ValueError(f"a level can't be downsampled by {downsample}")
        start = np.asarray(corner, dtype=float)
        end = start + np.asarray(size) * step
        painted = np.zeros(tuple(size), dtype=np.uint8)
        # Whole numbers are middles of pixels here, while corners are edges: half a pixel lies between them.
        meets = ((self._lows + 0.5 < end) & (self._highs + 0.5 > start)).all(axis=1)
        for number in np.flatnonzero(meets):
            area = self._areas[number]
            inside = np.zeros(tuple(size), dtype=bool)
            for how, ring in area.rings:
                covered = _covered((ring + 0.5 - start) / step - 0.5, size)
                if covered is not None:
                    inside = inside | covered if how == "add" else inside & ~covered
            painted[inside] = area.value
        return painted


def _area(value: int, kind: str, geometry: Any) -> _Area:
    if kind == "box":
        (left, top), (right, bottom) = geometry
        geometry = [["add", [[left, top], [right, top], [right, bottom], [left, bottom]]]]
    rings = tuple((str(how), np.array(ring, dtype=float)[:, :2]) for how, ring in geometry)
    outer = np.concatenate([ring for how, ring in rings if how == "add"])
    return _Area(value, rings, outer.min(0), outer.max(0))


def _covered(ring: np.ndarray, size: Sequence[int]) -> np.ndarray | None:
    """What a ring in the tile's own pixels covers; None where it lies beside the tile."""
    if (ring.max(0) < 0).any() or (ring.min(0) > np.asarray(size) - 1).any():
        return None  # no middle of a pixel is inside
    return inside_polygon(ring, size)
