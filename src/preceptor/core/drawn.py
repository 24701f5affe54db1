"""What a phantom is asked, a `Turn`, and what it answers, a `Drawn`: one case at a time, each from its own numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from .image import Image


@dataclass(frozen=True)
class Turn:
    """Whose turn it is to be drawn in a study of phantoms, and the random numbers that belong to it.

    Every decision names its stream, so that turning one dial leaves the draws of the others as they are. No stream
    depends on what was drawn before: cases can be made in any order, by any number of processes, to the same bytes.

    Args:
        seed: Of the study.
        index: Number of the case, from 0.
        cases: How many the study has.
    """

    seed: int
    index: int
    cases: int

    def rng(self, stream: str) -> np.random.Generator:
        """The generator of one decision about this case."""
        return self.of(stream, self.index)

    def of(self, stream: str, number: int) -> np.random.Generator:
        """The generator of something that several cases share: a patient, a site, a scanner.

        Args:
            stream: The decision.
            number: Which patient, site or scanner, from 0.
        """
        return np.random.default_rng([self.seed, _letters(stream), 1 + number])

    def shared(self, stream: str) -> np.random.Generator:
        """The generator of a decision that is the same for the whole study."""
        return np.random.default_rng([self.seed, _letters(stream), 0])

    def dealt(self, stream: str, shares: int) -> int:
        """Which of several equal shares of the study this case falls into, dealt like shuffled cards.

        Args:
            stream: The decision.
            shares: How many; their sizes differ by one case at most.

        Returns:
            0 to ``shares - 1``.
        """
        return int(_dealt(self.seed, stream, self.cases, shares)[self.index])


@dataclass(frozen=True)
class Drawn:
    """One case that was drawn, with its truth.

    Args:
        images: ``{view: Image}``: grey values or colours in 0 to 1, ``(channel, [time,] x, y[, z])``. No image where the
            case is a row of a table. In DICOM volumes are MR series, grey pictures radiographs, colours microscopy,
            flat films secondary captures.
        masks: ``{name: Image}`` label maps on the grid of the first image.
        labels: What there is to be answered.
        fields: What else is known, the truth of the drawing included: numbers and text, one column each.
        patient: Who it is; by default every case is another person.
        body_part: What DICOM volumes say was examined (a defined term of PS3.16, annex L), the head by default.
    """

    images: Mapping[str, Image] = field(default_factory=dict)
    masks: Mapping[str, Image] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    patient: str | None = None
    body_part: str | None = None


def centred(
    array: np.ndarray, spacing_mm: tuple[float, ...], *, is_label: bool = False, time_step_s: float | None = None
) -> Image:
    """An image of one channel whose field of view is centred in space, axes along RAS+.

    Args:
        array: ``(x, y[, z])``, or ``(channel, x, y[, z])`` where it has one axis more than `spacing_mm`; of a film
            ``(time, x, y[, z])``, or ``(channel, time, x, y[, z])``.
        spacing_mm: Between voxel centres, along each axis of space.
        is_label: A label map.
        time_step_s: Seconds from one frame to the next of a film; None where it is none.
    """
    has_time = time_step_s is not None
    array = array if array.ndim > len(spacing_mm) + has_time else array[None]
    affine_mm = np.eye(4)
    for axis, step in enumerate(spacing_mm):
        affine_mm[axis, axis] = step
        affine_mm[axis, 3] = -(array.shape[axis - len(spacing_mm)] - 1) / 2 * step
    meta = {} if time_step_s is None else {"time_step_s": float(time_step_s)}
    return Image(array, affine_mm, is_label=is_label, has_time=has_time, meta=meta)


def _letters(stream: str) -> int:
    return int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "big")


@cache
def _dealt(seed: int, stream: str, cases: int, shares: int) -> np.ndarray:
    return np.random.default_rng([seed, _letters(stream), 0]).permutation(np.arange(cases) % shares)
