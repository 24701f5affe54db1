"""Gradient SHAP: integrated gradients from many references, each at a place drawn on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.prove.explaining.attributing import gradients, only_present, references
from preceptor.prove.observing import undisturbed


class ShapGradient:
    """Gradient SHAP: gradients at places drawn between other cases and the image, times the way between (expected).

    References are as in ``shap_deep``. Contributions add up to the difference of the score from the references' mean,
    on average over draws.

    Args:
        samples: Gradients taken.
        references: How many cases to compare with, at most; they are taken in turn.
        seed: Of the places.

    Returns:
        ``{view: (batch, *space)}`` in units of the score, summed over channels; NaN where a view is missing.

    Source: Erion et al. 2021, "Improving performance of deep learning models with axiomatic attribution priors and
        expected gradients", doi:10.1038/s42256-021-00343-w, equation 3.

    Example:
        >>> ShapGradient(samples=32).samples
        32
    """

    def __init__(
        self, samples: Annotated[int, Ge(1)] = 32, references: Annotated[int, Ge(1)] = 8, seed: int = 0
    ) -> None:
        self.samples = samples
        self.references = references
        self.seed = seed

    @classmethod
    def example(cls) -> ShapGradient:
        return cls(samples=4)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            images = {view: image.detach() for view, image in batch.images.items()}
            total = {view: torch.zeros_like(image) for view, image in images.items()}
            others = references(model, images, self.references)
            # One place in each of as many equal parts of the way as there are samples, in an order of their own.
            drawn = torch.Generator().manual_seed(self.seed)
            order = torch.randperm(self.samples, generator=drawn)
            places = (order + torch.rand(self.samples, generator=drawn)) / self.samples
            for number, place in enumerate(places.tolist()):
                reference = others[number % len(others)]
                way = {view: reference[view] + place * (image - reference[view]) for view, image in images.items()}
                for view, slope in gradients(model, way, target).items():
                    total[view] += slope * (images[view] - reference[view]) / self.samples
        return only_present({view: each.sum(1) for view, each in total.items()}, batch)
