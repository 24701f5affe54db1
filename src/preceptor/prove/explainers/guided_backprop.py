"""Guided backpropagation: a gradient that follows only what is positive. Known to fail its checks on deep networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.maths.propagation import GuidedRectifiers
from preceptor.prove.explaining.attributing import gradients, only_present
from preceptor.prove.observing import undisturbed


class GuidedBackprop:
    """Guided backprop: the gradient with every negative part dropped at each rectifier on its way back.

    Sharp, and mostly a picture of the image's edges: on deep networks it hardly changes when the upper layers are
    replaced by random ones, so it can't be showing what they learnt. Kept to be compared with. Rectifiers that let some
    of the negative through (leaky ones) are left as they are.

    Returns:
        ``{view: (batch, *space)}`` in score per unit of the prepared intensity, summed over channels; NaN where a view
        is missing.

    Source: Springenberg et al. 2015, "Striving for Simplicity", arXiv:1412.6806, section 3.4; its failure: Adebayo et
        al. 2018, arXiv:1810.03292.

    Example:
        >>> isinstance(GuidedBackprop(), GuidedBackprop)
        True
    """

    @classmethod
    def example(cls) -> GuidedBackprop:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            taken = gradients(model, batch.images, target, GuidedRectifiers())
        return only_present({view: each.sum(1) for view, each in taken.items()}, batch)
