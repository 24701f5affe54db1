"""A case with all its views, masks and places: what a cohort names, read behind the door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.cohort import Case, Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

from .door import read_apart
from .read import placed


def open_case(cohort_root: Path, case: Case, masks: Sequence[str] | None = None) -> Sample:
    """Read every view and mask of a case.

    Args:
        cohort_root: Folder that the case's sources are relative to.
        case: Its sources; views and masks it has not are left out of the sample.
        masks: Which masks to read; None for all of them.

    Returns:
        The case with its pixels, points and boxes. Nothing is resampled and no grid compared.

    Raises:
        PrepareError: As `read_image`, with the case's key and the view or mask named.
    """
    wanted = case.masks if masks is None else [name for name in masks if name in case.masks]
    images = {view: _read(cohort_root, case, view, source, False) for view, source in case.images.items()}
    return Sample(
        key=case.key,
        images=images,
        masks={name: _read(cohort_root, case, name, case.masks[name], True) for name in wanted},
        labels=case.labels,
        fields=case.fields,
        points={name: _places(case, name, places, images, (-1,)) for name, places in case.points.items()},
        boxes={name: _places(case, name, places, images, (-1, 2)) for name, places in case.boxes.items()},
    )


def _places(
    case: Case, name: str, places: Sequence[Any], images: Mapping[str, Image], shape: tuple[int, ...]
) -> np.ndarray:
    """Points or boxes as an array ``(*shape, axis)``."""
    axes = next((image.space_dims for image in images.values()), 0)
    try:
        found = np.array(places, dtype=float)
        if found.size and (found.ndim != len(shape) + 1 or found.shape[-1] != axes or not np.isfinite(found).all()):
            raise ValueError
        return found.reshape(-1, *shape[1:], axes)
    except (ValueError, TypeError) as error:
        raise PrepareError(
            "the places do not fit the image",
            where=f"case {case.key}, places {name}",
            expected=f"{axes} finite numbers each, in voxels of the first view",
            remedy="look at the annotations that they come from",
            code="places_unfit",
        ) from error


def _read(root: Path, case: Case, name: str, source: str, is_label: bool) -> Image:
    try:
        return read_apart(root, source, is_label=is_label)
    except PrepareError as error:
        kind = "mask" if is_label else "view"
        raise placed(error, f"case {case.key}, {kind} {name} ({error.problem.where})") from error
