"""Grad-CAM: where the last features spoke for the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.maths.attribution import mean_gradient_weights
from preceptor.prove.observing import class_activation_maps


class GradCam:
    """Grad-CAM: where the last features spoke for the answer, channels weighed by their mean gradient.

    The map is as coarse as the layer it is read from and is brought to the input's grid after the cut. It says where
    the network looked, not what it saw there.

    Args:
        layer: Dotted name of the layer to read; None takes the one that the network names as ``last_features``.

    Returns:
        ``{view: (batch, *space)}``, at least 0, in units of the score times the activation; NaN where a view is
        missing.

    Raises:
        RecipeError: The network has no such layer, or names none.

    Source: Selvaraju et al. 2017, "Grad-CAM", arXiv:1610.02391, equations 1 and 2.

    Example:
        >>> GradCam(layer="encoder.3").layer
        'encoder.3'
    """

    def __init__(self, layer: str | None = None) -> None:
        self.layer = layer

    @classmethod
    def example(cls) -> GradCam:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        return class_activation_maps(model, batch, target, self.layer, mean_gradient_weights)
