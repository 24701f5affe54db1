"""What a step learns of each view of the training cases: one table of numbers a channel, averaged over the cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, from_numpy

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError

from .region import Over, region


def mean_tables(
    samples: Iterable[Sample], over: Over, mask: str | None, step: str, look: Callable[[Tensor], np.ndarray]
) -> dict[str, Any]:
    """The mean over cases of what is seen in each view and channel.

    Args:
        samples: Training cases; a case counts for the views that it has.
        over, mask: Which voxels are looked at, as in `preceptor.prepare.region.region`.
        step: Name of the step, for messages.
        look: ``(voxel,) -> (number,)``; NaN for an image of which nothing can be learnt.

    Returns:
        ``{"views": {view: {"table": (channel, number), "cases": int}}}``.

    Raises:
        PrepareError: Nothing can be learnt of a view in any case.
    """
    sums: dict[str, np.ndarray] = {}
    cases: dict[str, int] = {}
    for sample in samples:
        for view, image in sample.images.items():
            counts = region(_alone(sample, view), over, mask, step)
            channels = from_numpy(image.array.astype(np.float32))
            table = np.stack([_look(channel[counts(channel)], look) for channel in channels])
            cases.setdefault(view, 0)
            if np.isfinite(table).all():
                sums[view] = sums[view] + table if view in sums else table
                cases[view] += 1
    for view, number in cases.items():
        if not number:
            raise PrepareError(
                f"{step} can learn nothing of the view '{view}': every training image is one value where it looks",
                where=f"prepare.{step}",
                expected="an image with two grey values or more",
                remedy="look at the training images, or choose another region",
                code="nothing_to_fit",
            )
    return {"views": {view: {"table": total / cases[view], "cases": cases[view]} for view, total in sums.items()}}


def _look(values: Tensor, look: Callable[[Tensor], np.ndarray]) -> np.ndarray:
    return look(values) if values.numel() else np.full(1, np.nan)


def _alone(sample: Sample, view: str) -> Sample:
    """The case with one view: its grid is then the one that masks are brought to."""
    return Sample(sample.key, {view: sample.images[view]}, sample.masks)


def table_of(state: Mapping[str, Any], view: str, channels: int, step: str) -> np.ndarray:
    """What was learnt of a view, ``(channel, number)``.

    Raises:
        PrepareError: The step was not fitted, or no training case had the view, or not with as many channels.
    """
    if not state:
        raise PrepareError(f"{step} is used before it was fitted", where=f"prepare.{step}", code="not_fitted")
    known = state["views"].get(view)
    if known is None or len(known["table"]) != channels:
        raise PrepareError(
            f"{step} learnt nothing of the view '{view}' with {channels} channel{'s' if channels > 1 else ''}",
            where=f"prepare.{step}",
            expected=f"one of {', '.join(state['views'])}, with the channels of the training images",
            remedy="name the view as the training cohort did",
            code="view_not_fitted",
        )
    return np.asarray(known["table"])
