"""Integrated gradients: gradients added up on the way from nothing to the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.prove.explaining.attributing import absent, gradients, only_present, repeated
from preceptor.prove.observing import undisturbed


class IntegratedGradients:
    """Integrated gradients: what each pixel adds to the score on the straight way from a baseline to the image.

    The contributions of all pixels of all views add up to the difference of the score between image and baseline, up to
    the error of the sum over steps (midpoint rule): with 100 steps at most 5 % on the networks tried, with 10 up to a
    third. What "nothing" looks like is part of the answer: pixels equal to the baseline get none.

    Args:
        steps: Gradients taken on the way.
        fill: The baseline: the ``mean`` or ``minimum`` of each image and channel, or ``zero``.
        batch_size: Images per forward pass.

    Returns:
        ``{view: (batch, *space)}`` in units of the score, summed over channels; NaN where a view is missing.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", arXiv:1703.01365, equation 1.

    Example:
        >>> IntegratedGradients(steps=100).steps
        100
    """

    def __init__(
        self,
        steps: Annotated[int, Ge(1)] = 50,
        fill: Literal["mean", "minimum", "zero"] = "mean",
        batch_size: Annotated[int, Ge(1)] = 16,
    ) -> None:
        self.steps = steps
        self.fill: Literal["mean", "minimum", "zero"] = fill
        self.batch_size = batch_size

    @classmethod
    def example(cls) -> IntegratedGradients:
        return cls(steps=8)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            images = {view: image.detach() for view, image in batch.images.items()}
            baseline = {view: absent(image, self.fill) for view, image in images.items()}
            total = {view: torch.zeros_like(image) for view, image in images.items()}
            places = (torch.arange(self.steps) + 0.5) / self.steps
            at_once = max(1, self.batch_size // len(batch))
            for group in places.split(at_once):
                way = repeated(baseline, len(group))
                for view, image in images.items():
                    share = group.to(image).repeat_interleave(len(batch)).view(-1, *[1] * (image.ndim - 1))
                    way[view] += share * (image - baseline[view]).repeat(len(group), *[1] * (image.ndim - 1))
                for view, slope in gradients(model, way, target).items():
                    total[view] += slope.view(len(group), *images[view].shape).sum(0)
            maps = {
                view: (total[view] / self.steps * (image - baseline[view])).sum(1) for view, image in images.items()
            }
        return only_present(maps, batch)
