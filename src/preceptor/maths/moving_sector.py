"""The sector of an ultrasound clip from what moves in it: speckle does, forms and writing do not."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

#: Grey levels of 255 by which speckle moves and compressed black does not.
MOVING_LEVELS = 6.0


def moving_sector(frames: np.ndarray, levels: float = MOVING_LEVELS) -> np.ndarray:
    """The convex hull of the largest part of the picture that moves.

    A pixel moves where its 90th percentile over the frames lies more than `levels` above its 10th. Gaps are closed and
    specks opened away first. A clip that was cropped to its sector moves all over, writing in its corners included: this
    alone removes no writing there.

    Args:
        frames: ``(frame, row, column)``, in grey levels of 255; 8 or more tell something.
        levels: What counts as moving.

    Returns:
        ``(row, column)`` bool; empty where nothing moves.

    Source: own; range of percentiles, closing by 2, opening by 1, largest component, hull.
    """
    low, high = np.percentile(frames, (10, 90), axis=0)
    moving = high - low > levels
    # Padded: closing would otherwise erode what runs to the picture's edge.
    moving = ndimage.binary_closing(np.pad(moving, 2), iterations=2)[2:-2, 2:-2]
    moving = ndimage.binary_opening(moving)
    parts, number = ndimage.label(moving)
    if not number:
        return np.zeros(moving.shape, bool)
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return convex_hull(largest)


def convex_hull(mask: np.ndarray) -> np.ndarray:
    """The pixels whose centres lie in the convex hull of a mask's pixel centres.

    Args:
        mask: ``(row, column)`` bool.

    Returns:
        ``(row, column)`` bool; the mask itself where all its pixels lie on one line.
    """
    points = np.argwhere(mask ^ ndimage.binary_erosion(mask))
    try:
        faces = ConvexHull(points).equations
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        return mask.copy()
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    inside = np.ones(mask.shape, bool)
    for down, across, offset in faces:
        inside &= down * rows + across * columns + offset <= 1e-9
    return inside


def static_border(frames: np.ndarray, levels: float = MOVING_LEVELS) -> np.ndarray:
    """What neither moves nor is brighter than black in any frame, and reaches the picture's edge: the ground outside.

    Args:
        frames: ``(frame, row, column)``, in grey levels of 255.
        levels: Up to here a pixel is black, and still.

    Returns:
        ``(row, column)`` bool.
    """
    black = frames.max(0) <= levels
    parts, _ = ndimage.label(np.pad(black, 1, constant_values=True))
    outside: np.ndarray = (parts == parts[0, 0])[1:-1, 1:-1]
    return outside
