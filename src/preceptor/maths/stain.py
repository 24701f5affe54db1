"""Stain separation: how much of two dyes each pixel of a stained section holds, and which colours the dyes have.

Light is absorbed by Beer and Lambert's law: ``intensity = bright * exp(-concentrations @ stains)``, a stain being the
unit vector of its optical density in red, green and blue (natural logarithm). All arrays here have the colour last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: From linear red, green, blue to the responses of the eye's cones, as Reinhard gives it.
_TO_CONES = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_TO_OPPONENT = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1.0, 1, 1], [1, 1, -2], [1, -1, 0]])
#: A stain takes part in a pixel alone where it makes up this share of all stain.
_NEAR_PURE = 0.9


@dataclass(frozen=True)
class Stains:
    """The two stains of a picture.

    Args:
        vectors: ``(2, 3)`` unit optical densities, the one that absorbs more red (haematoxylin) first.
        strongest: ``(2,)`` the 99th percentile of each one's concentration.
        near_pure: Share of the stained pixels in which one stain makes up nine tenths of both or more. Where it is
            low, no pixel shows a stain alone, and both vectors lie too close together.
        pixels: How many stained pixels the vectors were taken from.
    """

    vectors: np.ndarray
    strongest: np.ndarray
    near_pure: float
    pixels: int

    @property
    def angle_degrees(self) -> float:
        """Between the two."""
        return math.degrees(math.acos(float(np.clip(self.vectors[0] @ self.vectors[1], -1, 1))))


def optical_density(rgb: np.ndarray, bright: float = 240.0) -> np.ndarray:
    """``(..., 3)`` natural optical density; 0 where as bright as no tissue, less than 0 where brighter.

    Args:
        rgb: ``(..., 3)`` on the scale of `bright`.
        bright: What is seen through no tissue. What is darker than 1/255 of it counts as that: a black pixel's density
            is not known.
    """
    density: np.ndarray = -np.log(np.maximum(np.asarray(rgb, dtype=float), bright / 255) / bright)
    return density


def concentrations(density: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``(pixel, 2)`` concentrations of two stains, by least squares.

    Args:
        density: ``(pixel, 3)``.
        vectors: ``(2, 3)``.
    """
    found: np.ndarray = density @ np.linalg.pinv(vectors)
    return found


def macenko_stains(rgb: np.ndarray, bright: float = 240.0, least_density: float = 0.15, percent: float = 1.0) -> Stains:
    """The two stains that a picture's optical densities lie between.

    The densities of stained pixels lie near a plane; the stains are the extreme directions in it, `percent` of the
    pixels being let off on either side.

    Args:
        rgb: ``(pixel, 3)``.
        bright: What is seen through no tissue.
        least_density: Pixels with less in any channel are background. Pure eosin absorbs little red and falls to this
            rule, which turns its vector by some four degrees at the usual 0.15.
        percent: Of the pixels beyond each stain.

    Raises:
        ValueError: Fewer than three stained pixels, or all of one colour.

    Source: Macenko et al. 2009, "A method for normalizing histology slides for quantitative analysis", ISBI.
    """
    density = optical_density(rgb, bright)
    stained = density[(density >= least_density).all(1)]
    if len(stained) < 3:
        raise ValueError("fewer than three stained pixels")
    values, vectors = np.linalg.eigh(np.cov(stained.T))
    if values[1] <= 1e-12:
        raise ValueError("the stained pixels are of one colour")
    plane = vectors[:, [2, 1]] * np.where(vectors[:, [2, 1]].sum(0) < 0, -1, 1)
    angles = np.arctan2(stained @ plane[:, 1], stained @ plane[:, 0])
    extremes = np.percentile(angles, [percent, 100 - percent])
    found = np.stack([np.cos(extremes), np.sin(extremes)], 1) @ plane.T
    if found[0, 0] < found[1, 0]:
        found = found[::-1]
    amount = concentrations(stained, found)
    share = amount[:, 0] / np.maximum(amount.sum(1), 1e-9)
    near_pure = float(np.mean((share >= _NEAR_PURE) | (share <= 1 - _NEAR_PURE)))
    strongest = np.percentile(concentrations(density, found), 99, axis=0)
    return Stains(found, strongest, near_pure, len(stained))


def restain(
    rgb: np.ndarray, own: Stains, vectors: np.ndarray, strongest: np.ndarray, bright: float = 240.0
) -> np.ndarray:
    """The same tissue in other stains: what is not explained by the two is dropped.

    Args:
        rgb: ``(pixel, 3)``.
        own: The picture's stains.
        vectors, strongest: ``(2, 3)`` and ``(2,)`` of the reference.
        bright: What is seen through no tissue.

    Returns:
        ``(pixel, 3)`` in 0..255.

    Source: Macenko et al. 2009, section 2.3.
    """
    amount = concentrations(optical_density(rgb, bright), own.vectors) * (strongest / own.strongest)
    shown: np.ndarray = np.clip(bright * np.exp(-amount @ vectors), 0, 255)
    return shown


def ruderman(rgb: np.ndarray) -> np.ndarray:
    """``(..., 3)`` Ruderman's l, alpha, beta (decimal logarithm of the cones' responses): not CIELAB.

    Args:
        rgb: ``(..., 3)`` in 0..1. A channel of 0 has no logarithm and counts as 1/255.

    Source: Reinhard et al. 2001, "Color transfer between images", eq. 1-6.
    """
    cones = np.maximum(np.asarray(rgb, dtype=float), 1 / 255) @ _TO_CONES.T
    found: np.ndarray = np.log10(cones) @ _TO_OPPONENT.T
    return found


def from_ruderman(lab: np.ndarray) -> np.ndarray:
    """``(..., 3)`` red, green, blue in 0..1, clipped: the way back from `ruderman`."""
    cones = 10 ** (lab @ np.linalg.inv(_TO_OPPONENT).T)
    shown: np.ndarray = np.clip(cones @ np.linalg.inv(_TO_CONES).T, 0, 1)
    return shown
