"""The body in a picture: the largest bright thing, without the table, the collimator's shade or the air."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def largest(inside: np.ndarray) -> np.ndarray:
    """The largest connected part (faces touching) of a mask; nothing where there is nothing."""
    parts, number = ndimage.label(inside)
    if number < 2:
        return inside
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    found: np.ndarray = parts == sizes.argmax()
    return found


def filled(inside: np.ndarray, planes_too: bool = True) -> np.ndarray:
    """A mask without holes: in space, and (`planes_too`) in each plane across the last axis.

    The airways of a chest reach the outside at the neck: they are holes in planes alone.
    """
    inside = ndimage.binary_fill_holes(inside)
    if inside.ndim == 3 and planes_too:
        inside = np.stack([ndimage.binary_fill_holes(inside[..., z]) for z in range(inside.shape[-1])], axis=-1)
    return inside


def eroded(inside: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Further than a radius from anything outside; the image's own edge is no outside.

    Args:
        inside: ``(*space)`` bool.
        radius: In the unit of the spacing.
        spacing: Along each axis.
    """
    if inside.all():
        return inside
    found: np.ndarray = ndimage.distance_transform_edt(inside, sampling=spacing) > radius
    return found


def dilated(inside: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Within a radius of the inside; see `eroded`."""
    if not inside.any():
        return inside
    found: np.ndarray = ndimage.distance_transform_edt(~inside, sampling=spacing) <= radius
    return found


def find_body(
    grey: np.ndarray, threshold: float | None, opening: float, spacing: tuple[float, ...], levels: int = 2
) -> tuple[np.ndarray, float]:
    """The largest part above a threshold, its holes filled.

    Args:
        grey: ``(*space)``.
        threshold: None for Otsu's.
        opening: Bridges thinner than twice this, in the unit of the spacing, are cut before the largest part is
            chosen (a table that touches the back).
        spacing: Along each axis.
        levels: Of grey that Otsu splits the image into; what is not the darkest counts.

    Returns:
        ``(*space)`` bool, and the threshold.
    """
    from skimage.filters import threshold_multiotsu

    if threshold is None:
        many = len(np.unique(grey)) >= levels
        threshold = float(threshold_multiotsu(grey, levels)[0]) if many else float(grey.max())
    above = filled(grey > threshold)  # before it is opened: the wall between lung and skin is thin
    if opening > 0:
        above = dilated(largest(eroded(above, opening, spacing)), opening, spacing) & above
    return filled(largest(above)), threshold
