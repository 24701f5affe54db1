"""Deep SHAP: DeepLIFT averaged over several references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.prove.explaining.attributing import only_present, references
from preceptor.prove.explaining.contributing import contributions
from preceptor.prove.observing import undisturbed


class ShapDeep:
    """Deep SHAP: contributions to the score on top of other cases' scores, averaged over those cases.

    Where no other cases are at hand, four ways of seeing nothing stand in: the image's mean, the image blurred, zero,
    and its minimum.

    Args:
        references: How many to average over, at most.

    Returns:
        ``{view: (batch, *space)}`` in units of the score, summed over channels; NaN where a view is missing.

    Source: Lundberg & Lee 2017, "A Unified Approach to Interpreting Model Predictions", arXiv:1705.07874, section 4.2.

    Example:
        >>> ShapDeep(references=4).references
        4
    """

    def __init__(self, references: Annotated[int, Ge(1)] = 8) -> None:
        self.references = references

    @classmethod
    def example(cls) -> ShapDeep:
        return cls(references=2)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            total = {view: torch.zeros_like(image) for view, image in batch.images.items()}
            others = references(model, batch.images, self.references)
            for reference in others:
                for view, each in contributions(model, batch.images, reference, target).items():
                    total[view] += each / len(others)
        return only_present({view: each.sum(1) for view, each in total.items()}, batch)
