"""The sector of an ultrasound picture: what the probe saw, without the black around it, the scale and the writing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from .body import dilated, eroded, filled

#: Writing and scale are thinner than this share of the picture's shorter side.
_THIN = 0.02
#: Dark parts of the sector up to this share of the shorter side across are bridged.
_GAP = 0.06
#: A part of the picture counts if it is this large beside the largest: a dark band may cut a sector in two.
_BESIDE = 0.1
#: Black stays as it is; in a clip, what changes by more than this share of the brightest value is no black.
_CHANGING = 0.006


class Sector(NamedTuple):
    """Where the sector is.

    Args:
        mask: ``(x, y)`` bool, convex.
        quality: Share of the mask that was itself bright or moving: 1 for a clean sector, less where the shape is
            guessed over dark parts.
        share: Of the picture.
    """

    mask: np.ndarray
    quality: float
    share: float


def find_sector(frames: np.ndarray, dark: float) -> Sector:
    """The large parts that are not black, in any frame, with dark gaps bridged and made convex.

    The upper arc of a curved probe is thereby straightened: the mask holds a little black under the probe.

    Args:
        frames: ``(frame, x, y)``, one or more.
        dark: Share of the brightest value up to which a pixel is black.
    """
    from skimage.morphology import convex_hull_image

    brightest = frames.max(0).astype(np.float32)
    seen = brightest > dark * brightest.max()
    if len(frames) > 1:
        seen |= frames.std(0, dtype=np.float32) > _CHANGING * brightest.max()
    side = min(seen.shape)
    pixels = (1.0,) * 2
    # Surrounded by what is outside the picture: a sector may run to its edge, where nothing erodes it.
    core = _large(eroded(seen, _THIN * side / 2, pixels))
    seen = dilated(core, _THIN * side / 2 + 1, pixels) & seen
    room = int(np.ceil(_GAP * side)) + 1
    bridged = eroded(dilated(np.pad(seen, room), _GAP * side, pixels), _GAP * side, pixels)
    bridged = filled(bridged[room:-room, room:-room])
    if not bridged.any():
        return Sector(bridged, 0.0, 0.0)
    mask = np.asarray(convex_hull_image(ndimage.binary_fill_holes(bridged)))
    return Sector(mask, float(seen[mask].mean()), float(mask.mean()))


def _large(inside: np.ndarray) -> np.ndarray:
    """The largest connected part, and those that are not much smaller."""
    parts, number = ndimage.label(inside)
    if number < 2:
        return inside
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    kept: np.ndarray = (sizes >= _BESIDE * sizes.max())[parts] & inside
    return kept
