"""The border of a structure whose mask came from an atlas: moved to where the image's own grey values say it runs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

#: What lies deeper inside shows what the structure looks like, and further outside than half of it what does not.
_SURE_MM = 6.0
#: A voxel as far as this from the atlas' border needs grey values e times as common on the other side to change sides.
_TRUST_MM = 3.0
#: Widths of the bias field that is divided out, and of the grain.
_FIELD_MM, _GRAIN_MM = 20.0, 1.5
_BINS = 48
#: No grey value is more telling than e to this power, however rare.
_MOST = 4.0
_HALVINGS = 12


def settled(values: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Exchange voxels at a mask's border for those that look more like the structure; its volume stays.

    A map of a few degrees of freedom carries a structure's place and size from another person, and not its shape. Deep
    inside the mask and well outside, the image itself shows which grey values are the structure's, whatever its
    contrast. Near the border every voxel gets the log of their ratio, and the distance from the atlas' border as its
    prior; as many as the mask had, of the highest, are the structure: its largest part, with holes filled.

    Args:
        values: ``(*space)``, any contrast.
        inside: ``(*space)`` bool, off by 12 mm at most.
        spacing_mm: Along each axis.

    Returns:
        ``(*space)`` bool; `inside` itself where nothing of it is deep.

    Source: own; the idea of tissue likelihoods under an atlas' prior is that of Avants 2011, "An open source
        multivariate framework for n-tissue segmentation", Neuroinformatics 9:381.
    """
    deep_mm = ndimage.distance_transform_edt(inside, sampling=spacing_mm)
    deep_mm -= ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    core, outside = deep_mm > _SURE_MM, (deep_mm < -_SURE_MM / 2) & (deep_mm > -3 * _SURE_MM)
    if not core.any() or not outside.any():
        return inside
    telling = _log_ratio(_without_field(values, core, spacing_mm), core, outside)
    score = ndimage.gaussian_filter(telling, [_GRAIN_MM / each for each in spacing_mm]) + deep_mm / _TRUST_MM
    score[core] = np.inf
    score[deep_mm <= -2 * _SURE_MM] = -np.inf
    return _of_volume(score, int(inside.sum()))


def _without_field(values: np.ndarray, core: np.ndarray, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Values as a share of what the structure has nearby."""
    width = [_FIELD_MM / each for each in spacing_mm]
    near = ndimage.gaussian_filter(core.astype(np.float32), width)
    field = ndimage.gaussian_filter(np.where(core, values, 0).astype(np.float32), width) / np.maximum(near, 1e-3)
    return values / np.maximum(field, 1e-6 * float(field.max()) or 1.0)


def _log_ratio(values: np.ndarray, core: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """How much commoner each voxel's value is in the one than in the other, as a natural logarithm."""
    edges = np.linspace(values[core].min(), 1.2 * np.percentile(values[core], 99.5), _BINS + 1)
    bins = np.clip(np.digitize(values, edges) - 1, 0, _BINS - 1)
    one, other = (
        ndimage.gaussian_filter1d(np.bincount(bins[each], minlength=_BINS) / each.sum(), 1.0) + 1e-4
        for each in (core, outside)
    )
    ratio: np.ndarray = np.clip(np.log(one / other), -_MOST, _MOST)[bins]
    return ratio


def _of_volume(score: np.ndarray, voxels: int) -> np.ndarray:
    """The largest part above a threshold, holes filled, of no more voxels than asked, and as many as can be."""
    low, high = (float(each) for each in np.percentile(score[np.isfinite(score)], (0, 100)))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _whole(score >= middle).sum() > voxels else (low, middle)
    return _whole(score >= high)


def _whole(mask: np.ndarray) -> np.ndarray:
    parts, number = ndimage.label(mask)
    if number > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        mask = parts == sizes.argmax()
    filled: np.ndarray = ndimage.binary_fill_holes(mask)
    return filled
