"""Motion: the patient moved while lines of k-space were still to be read."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Le

from preceptor.core.applied import Applied, Intensity, Nothing
from preceptor.core.cohort import Sample
from preceptor.maths.axis_operators import along, line_filter
from preceptor.maths.geometry import about_centre, rotation
from preceptor.maths.warps import control_points, read_linear, spread
from preceptor.prepare.axes import Axis, chosen_axis


class Motion:
    """Puts an MR image together from lines of k-space that were read in several positions of the body.

    The lines along the phase-encoding axis are cut into as many segments as there were movements, and one. Each
    segment comes from the body turned and shifted by its own offset, but for the one that holds the middle of k-space,
    and with it most of the picture: it stays where it was, so that anatomy stays under its mask. What is seen is the
    magnitude.

    A patch is treated as if it were all that was scanned: ringing wraps round at its edges.

    Args:
        shift_mm: Largest shift along each axis, in millimetres; drawn evenly from plus to minus.
        degrees: Largest turn about each axis (in a plane: about its normal); drawn evenly from plus to minus.
        movements: How often the body moves.
        axis: The phase-encoding axis of the array; ``any`` draws one.
        zero: The value of the prepared image that stands for no signal; None for the patch's lowest.
        chance: How often it happens.

    Returns:
        From `draw`: an `Intensity` (masks do not move), or `Nothing`.

    Raises:
        PrepareError: The image has no such axis.

    Source: Shaw 2019, "MRI k-space motion artefact augmentation: model robustness and task-specific uncertainty", MIDL.

    Example:
        >>> from preceptor.core.image import Image
        >>> sample = Sample("a", {"t1": Image(np.zeros((1, 8, 8, 8)), np.eye(4))})
        >>> sorted(Motion().draw(np.random.default_rng(0), sample).parameters)
        ['axis', 'degrees', 'lines', 'shift_mm']
    """

    reads_pixels = False
    neutral = {"shift_mm": 0.0, "degrees": 0.0}

    def __init__(
        self,
        shift_mm: Annotated[float, Ge(0)] = 3.0,
        degrees: Annotated[float, Ge(0), Le(180)] = 3.0,
        movements: Annotated[int, Ge(1)] = 2,
        axis: Axis = "any",
        zero: float | None = None,
        chance: Annotated[float, Ge(0), Le(1)] = 1.0,
    ) -> None:
        self.shift_mm = shift_mm
        self.degrees = degrees
        self.movements = movements
        self.axis = axis
        self.zero = zero
        self.chance = chance

    @classmethod
    def example(cls) -> Motion:
        return cls()

    def draw(self, rng: np.random.Generator, sample: Sample) -> Applied:
        chance, share = rng.random(2)
        if chance >= self.chance:
            return Nothing()
        shape, spacing = sample.reference.shape, np.asarray(sample.reference.spacing_mm)
        dims = len(shape)
        axis = chosen_axis(self.axis, float(share), sample, "motion")
        cuts = np.sort(np.floor(rng.random(self.movements) * (shape[axis] + 1)).astype(int))
        turns = rng.uniform(-1, 1, (self.movements + 1, 1 if dims == 2 else 3)) * self.degrees
        shifts = rng.uniform(-1, 1, (self.movements + 1, dims)) * self.shift_mm
        edges = [0, *cuts.tolist(), shape[axis]]
        moved = []
        for (first, last), turn, shift in zip(pairwise(edges), turns, shifts, strict=True):
            holds_the_middle = first <= shape[axis] // 2 < last
            if first == last or holds_the_middle or not (turn.any() or shift.any()):
                continue
            linear = rotation(np.deg2rad(turn)) * spacing / spacing[:, None]
            gains = np.zeros(shape[axis])
            gains[first:last] = 1
            moved.append((about_centre(linear, -shift / spacing, shape), gains))

        def function(image: torch.Tensor) -> torch.Tensor:
            zero = float(image.min()) if self.zero is None else self.zero
            still = image.sub_(zero).contiguous()
            real, imaginary = still.clone(), torch.zeros_like(still)
            for matrix, gains in moved:
                difference = _moved(still, matrix, shape).sub_(still)
                for part, operator in zip((real, imaginary), line_filter(gains), strict=True):
                    part.add_(along(difference, operator, axis))
            return real.hypot_(imaginary).add_(zero) if moved else image.add_(zero)

        parameters = {
            "axis": axis + dims,
            "lines": cuts.tolist(),
            "degrees": turns.tolist(),
            "shift_mm": shifts.tolist(),
        }
        return Intensity(function, parameters=parameters)


def _moved(image: torch.Tensor, matrix: np.ndarray, shape: tuple[int, ...]) -> torch.Tensor:
    """The image through a rigid map, its edge repeated outside."""
    corners = control_points((2,) * len(shape), shape)
    source = matrix[:-1, :-1] @ corners.reshape(len(shape), -1) + matrix[:-1, -1:]
    places = spread(source.reshape(corners.shape).astype(np.float32), shape)
    for along_axis, size in zip(places, shape, strict=True):
        np.clip(along_axis, 0, size - 1, out=along_axis)
    flat = image.view(-1, *shape)
    return read_linear(flat, torch.from_numpy(places), (0,) * len(shape)).view(image.shape)
