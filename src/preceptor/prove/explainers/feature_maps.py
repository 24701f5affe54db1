"""Feature maps: what a layer answered, without asking why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.core.errors import RecipeError
from preceptor.maths.attribution import on_grid
from preceptor.prove.observing import layer_maps


class FeatureMaps:
    """Feature maps: how strongly a layer answered at each place, for one of its channels or over all of them.

    The plainest look inside. It is the same whatever is asked of the network, so it explains no answer: it shows what
    there was to answer from.

    Args:
        layer: Dotted name of the layer to read; None takes the one that the network names as ``last_features``.
        channel: Which of its channels; None takes the root of the mean square over channels.

    Returns:
        ``{view: (batch, *space)}`` brought to the input's grid, at least 0, in units of the activation; NaN where a
        view is missing.

    Raises:
        RecipeError: The network has no such layer or channel, or names no layer.

    Source: Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, section 2,
        without the way back to the pixels.

    Example:
        >>> FeatureMaps(layer="features", channel=0).channel
        0
    """

    def __init__(self, layer: str | None = None, channel: Annotated[int, Ge(0)] | None = None) -> None:
        self.layer = layer
        self.channel = channel

    @classmethod
    def example(cls) -> FeatureMaps:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        return layer_maps(model, batch, target, self.layer, self._draw)

    def _draw(self, activation: Tensor, gradient: Tensor, shape: Sequence[int]) -> Tensor:
        if self.channel is None:
            return on_grid(activation.square().mean(1).sqrt(), shape)
        if self.channel >= activation.shape[1]:
            raise RecipeError(
                f"the layer has no channel {self.channel}",
                expected=f"0 to {activation.shape[1] - 1}",
                code="layer_channel",
            )
        return on_grid(activation[:, self.channel].relu(), shape)
