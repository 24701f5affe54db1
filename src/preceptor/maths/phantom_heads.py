"""Heads after Shepp and Logan: two labels over three subtypes, and the best accuracy that can be reached.

A head is a bright skull, grey brain, dark ventricles and two regions, one above and one below, each large or small.
Subtype 0 has both large, 1 the lower small, 2 the upper small. Controls (CN) are all of subtype 0; patients (AD) are of
subtype 1 mostly, sometimes 2, and one in twenty of subtype 0: such a patient looks like a control, and no honest
classifier finds him.

Source: the synthetic data of ClinicaDL (Thibeau-Sutre et al. 2022, Computer Methods and Programs in Biomedicine 220);
the head is that of Shepp & Logan 1974, IEEE Transactions on Nuclear Science 21(3).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .phantoms import ellipsoid, share_inside

#: Shares of the subtypes 0, 1, 2 under each label.
SUBTYPES: Mapping[str, tuple[float, float, float]] = {"CN": (1.0, 0.0, 0.0), "AD": (0.05, 0.85, 0.10)}

#: Which of the two regions is small in each subtype: (upper, lower).
_SMALL = ((False, False), (False, True), (True, False))


def best_balanced_accuracy(patients: np.ndarray) -> float:
    """What somebody who knows the subtypes reaches on such patients and as many controls: more is a leak.

    Args:
        patients: ``(case,)`` subtypes of the patients.
    """
    return (1 + float(np.mean(np.asarray(patients) != 0))) / 2


def draw_subtypes(rng: np.random.Generator, label: str, number: int) -> np.ndarray:
    """``(number,)`` subtypes of cases with that label (`SUBTYPES`)."""
    return rng.choice(3, number, p=SUBTYPES[label])


def head(rng: np.random.Generator, subtype: int, size: int = 64, noise: float = 0.0) -> np.ndarray:
    """One head.

    Args:
        rng: Draws the regions' sizes (large 1 to 1.2, small 0.8 to 0.9) and grey value (0.4 to 0.6), then the noise.
        subtype: 0, 1 or 2.
        size: Pixels along each side.
        noise: Standard deviation of what is added.

    Returns:
        ``(size, size)`` float32; skull 1, brain 0.2, ventricles and background 0. The second axis runs from below up.
    """
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    grid = np.meshgrid(axis, axis, indexing="ij", sparse=True)

    def paint(
        picture: np.ndarray, value: float, centre: tuple[float, float], radii: tuple[float, float], turn: float = 0.0
    ) -> np.ndarray:
        inside = share_inside(ellipsoid(grid, centre, radii, turn), (size, size), radii)
        return picture * (1 - inside) + value * inside

    grey = rng.uniform(0.4, 0.6)
    scales = [rng.uniform(0.8, 0.9) if small else rng.uniform(1.0, 1.2) for small in _SMALL[subtype]]
    picture = paint(np.zeros((size, size)), 1.0, (0, 0), (0.69, 0.92))
    picture = paint(picture, 0.2, (0, -0.018), (0.6624, 0.874))
    picture = paint(picture, 0.0, (0.22, 0), (0.11, 0.31), 0.314)
    picture = paint(picture, 0.0, (-0.22, 0), (0.16, 0.41), -0.314)
    upper, lower = scales
    picture = paint(picture, grey, (0, 0.52), (0.25 * upper, 0.21 * upper))
    picture = paint(picture, grey, (0, -0.58), (0.25 * lower, 0.21 * lower))
    if noise:
        picture = picture + rng.normal(0, noise, picture.shape)
    return picture.astype(np.float32)


def dim_one_side(volume: np.ndarray, left: bool, by: float = 0.6) -> np.ndarray:
    """The trivial task: one half of the first axis is made darker, so that one sum tells the label.

    Args:
        volume: ``(x, …)``, first axis from left to right.
        left: Which half.
        by: How much is taken away.
    """
    half = volume.shape[0] // 2
    factor = np.ones(volume.shape[0])
    factor[slice(None, half) if left else slice(volume.shape[0] - half, None)] = 1 - by
    return volume * factor.reshape(-1, *[1] * (volume.ndim - 1))
