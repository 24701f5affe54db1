"""Points and boxes of a case as tensors of a batch: moved with the patch, and as many for every case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from preceptor.core.applied import Spatial
from preceptor.core.cohort import Case

from .points import moved_boxes, moved_points
from .prepared import PreparedCase

#: ``("points" or "boxes", name)``.
_Name = tuple[str, str]


def most_places(cases: Sequence[Case]) -> dict[_Name, int]:
    """How many places of each name a case has at most; 1 where all have none, so that a batch can say so."""
    most: dict[_Name, int] = {}
    for case in cases:
        for kind, named in (("points", case.points), ("boxes", case.boxes)):
            for name, places in named.items():
                most[kind, name] = max(most.get((kind, name), 1), len(places))
    return most


def moved_places(
    prepared: PreparedCase | None,
    most: Mapping[_Name, int],
    first: Sequence[int],
    spatial: Spatial | None,
    shape: Sequence[int],
) -> dict[_Name, Tensor]:
    """The places of a case in the voxels of a patch.

    Args:
        prepared: The case; None where its labels are hidden.
        most: As `most_places` gives it.
        first: The patch's first voxel.
        spatial: From patch voxel to unvaried patch voxel; None for the patch as it is.
        shape: Of the patch.

    Returns:
        ``(most, axis)`` of points, ``(most, 2, axis)`` of boxes; infinite beyond the case's own, NaN where nobody looked.
    """
    made = {}
    for (kind, name), number in most.items():
        lead = (number,) if kind == "points" else (number, 2)
        known = None if prepared is None else (prepared.points if kind == "points" else prepared.boxes).get(name)
        found = np.full((*lead, len(shape)), np.nan if known is None else np.inf, dtype=np.float32)
        if known is not None and len(known):
            moved = known - np.asarray(first, dtype=float)
            if spatial is not None:
                moved = (moved_points if kind == "points" else moved_boxes)(moved, spatial, shape)
            found[: len(moved)] = moved
        made[kind, name] = torch.from_numpy(found)
    return made
