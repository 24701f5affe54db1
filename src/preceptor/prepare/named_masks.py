"""Masks that one step of the preparation makes and a later one asks for by name."""

from __future__ import annotations

import numpy as np

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image

from .compose import on_one_grid, resample_like

#: What to do where a mask is not there.
NOT_IN_PREDICTION = (
    "masks that come with the cohort are there in training alone, not when the model predicts: let an earlier step make "
    "the mask (tissue_mask, lung_mask, sector_mask, remove_background, skull_strip)"
)


def as_mask(inside: np.ndarray, like: Image) -> Image:
    """A mask of 0 and 1 on an image's grid.

    Args:
        inside: ``(*space)`` bool.
        like: Whose grid it is on.
    """
    facts = {key: like.meta[key] for key in ("geometry",) if key in like.meta}
    return Image(inside[None].astype(np.uint8), like.affine_mm, is_label=True, meta=facts)


def marked(sample: Sample, name: str, step: str, values: list[int] | None = None) -> np.ndarray:
    """What a named mask marks, on the grid of the case's images.

    Args:
        sample: The case as the step sees it.
        name: Of the mask.
        step: Name of the step that asks, for messages.
        values: Which of the mask's values count; None for all above 0.

    Returns:
        ``(*space)`` bool, somewhere true.

    Raises:
        PrepareError: The case has no such mask, or nothing is marked in it.
    """
    mask = sample.masks.get(name)
    if mask is None:
        raise PrepareError(
            f"the case has no mask '{name}', and {step} needs it",
            where=f"prepare.{step}",
            expected=f"one of {', '.join(sample.masks)}" if sample.masks else "a mask that an earlier step makes",
            remedy=NOT_IN_PREDICTION,
            code="mask_absent",
        )
    array, reference = mask.array[:1], sample.reference
    if not on_one_grid(mask, reference):
        array = resample_like(array, mask.affine_mm, reference, nearest=True)
    array = array[0].max(0) if mask.has_time else array[0]
    inside: np.ndarray = array > 0 if values is None else np.isin(array, values)
    if not inside.any():
        raise PrepareError(
            f"the mask '{name}' marks nothing" + (f" as {values}" if values else ""),
            where=f"prepare.{step}",
            expected="a voxel or more",
            remedy="look at the case's image and mask; exclude it, or mend the mask",
            code="mask_empty",
        )
    return inside
