"""Grad-CAM++: Grad-CAM that does not lose the smaller of several findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.maths.attribution import pixel_weighted_gradients
from preceptor.prove.observing import class_activation_maps


class GradCamPlusPlus:
    """Grad-CAM++: Grad-CAM that does not lose the smaller of several findings, gradients weighed position by position.

    Args:
        layer: Dotted name of the layer to read; None takes the one that the network names as ``last_features``.

    Returns:
        ``{view: (batch, *space)}``, at least 0; NaN where a view is missing.

    Raises:
        RecipeError: The network has no such layer, or names none.

    Source: Chattopadhay et al. 2018, "Grad-CAM++", arXiv:1710.11063, equation 19, for the exponential of the score.

    Example:
        >>> GradCamPlusPlus().layer is None
        True
    """

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    @classmethod
    def example(cls) -> GradCamPlusPlus:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        return class_activation_maps(model, batch, target, self.layer, pixel_weighted_gradients)
