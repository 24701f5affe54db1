"""Points and boxes move with the image: by the inverse of the map that says where each voxel comes from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from preceptor.core.applied import Spatial
from preceptor.maths.inversion import TOLERANCE, deformed_back

#: Places along each edge of a box that are followed through a deformation: its corners alone would cut what bulges.
_PLACES = 5


def moved_points(points: np.ndarray, spatial: Spatial, shape: Sequence[int]) -> np.ndarray:
    """Where points of the input come to lie in the output.

    Exact for maps without a displacement, else to a thousandth of a voxel.

    Args:
        points: ``(point, axis)`` in voxels of the input.
        spatial: The whole map.
        shape: Of the output grid.

    Returns:
        ``(point, axis)`` in voxels of the output, outside its grid where the image moved out of view; NaN where a deformation
        that folds leaves no place that shows the point.
    """
    points = np.asarray(points, dtype=float).reshape(-1, len(shape))
    linear, shift = spatial.matrix[:-1, :-1], spatial.matrix[:-1, -1]
    places = np.linalg.solve(linear, (points - shift).T).T
    if spatial.displacement is None or not len(points):
        return places
    found, missed = deformed_back(spatial.displacement.control, places, shape)
    return np.where((missed < TOLERANCE)[:, None], found, np.nan)


def moved_boxes(boxes: np.ndarray, spatial: Spatial, shape: Sequence[int]) -> np.ndarray:
    """The tight boxes, along the axes of the output, around what boxes of the input held.

    Args:
        boxes: ``(box, 2, axis)`` lowest and highest corner, in voxels of the input.
        spatial: The whole map.
        shape: Of the output grid.

    Returns:
        ``(box, 2, axis)`` in voxels of the output; they may reach beyond its grid. A turned box grows: it holds all of the old
        one. Through a deformation the old box's surface is followed at five places along each edge.
    """
    dims = len(shape)
    boxes = np.asarray(boxes, dtype=float).reshape(-1, 2, dims)
    along = np.linspace(0, 1, 2 if spatial.displacement is None else _PLACES)
    shares = np.array([each for each in product(along, repeat=dims) if {0.0, 1.0} & set(each)])
    surface = boxes[:, None, 0] + shares * (boxes[:, None, 1] - boxes[:, None, 0])
    moved = moved_points(surface.reshape(-1, dims), spatial, shape).reshape(len(boxes), len(shares), dims)
    return np.stack([moved.min(1), moved.max(1)], axis=1)
