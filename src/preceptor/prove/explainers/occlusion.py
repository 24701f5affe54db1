"""Occlusion: how far the score falls when a window of the image is covered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.maths.attribution import mean_over_windows, window_corners
from preceptor.prove.observing import undisturbed


class Occlusion:
    """Occlusion: how far the score falls when a window of the image is covered, averaged over windows.

    Positive where the image spoke for the answer, negative where it spoke against it. What the window is filled with
    is part of the answer, for no value means "absent" everywhere: after a z-score zero is the mean, in CT zero
    Hounsfield units is water.

    Args:
        window: Side of the window in pixels of the prepared image; None takes a sixth of the longest side. Cut to the
            image along short axes.
        stride: Pixels from one window to the next, at most a window, so that every pixel is covered once at least;
            None takes half a window in 2D and a whole one in 3D. The last window along each axis lies flush with the
            border.
        fill: What the window is filled with: the ``mean`` or the ``minimum`` of that image and channel, or ``zero``.
        batch_size: Images per forward pass.

    Returns:
        ``{view: (batch, *space)}`` in units of the score; NaN where a view is missing.

    Source: Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", arXiv:1311.2901, section 4.2.

    Example:
        >>> Occlusion(window=8, stride=4, fill="minimum").fill
        'minimum'
    """

    def __init__(
        self,
        window: Annotated[int, Ge(1)] | None = None,
        stride: Annotated[int, Ge(1)] | None = None,
        fill: Literal["mean", "minimum", "zero"] = "mean",
        batch_size: Annotated[int, Ge(1)] = 16,
    ) -> None:
        self.window = window
        self.stride = stride
        self.fill = fill
        self.batch_size = batch_size

    @classmethod
    def example(cls) -> Occlusion:
        return cls(window=8)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        images = {view: image.detach().clone() for view, image in batch.images.items()}
        with undisturbed(model.network), torch.no_grad():
            score = target(model(images))
            return {view: self._map(model, batch, images, view, target, score) for view in images}

    def _map(
        self,
        model: Any,
        batch: Batch,
        images: dict[str, Tensor],
        view: str,
        target: Callable[..., Tensor],
        score: Tensor,
    ) -> Tensor:
        image = images[view]
        shape = tuple(image.shape[2:])
        there = batch.present[view]
        if not there.any():
            return image.new_full((len(batch), *shape), float("nan"))
        window, stride = self._sizes(shape)
        corners = window_corners(shape, window, stride)
        cover = self._cover(image)
        at_once = max(1, self.batch_size // len(batch))
        drops = []
        for first in range(0, len(corners), at_once):
            group = corners[first : first + at_once]
            # The batch stands several times over, once a window; the model ties `present` and `fields` alike.
            tiled = {name: each.repeat(len(group), *[1] * (each.ndim - 1)) for name, each in images.items()}
            for number, corner in enumerate(group):
                rows = slice(number * len(batch), (number + 1) * len(batch))
                place = tuple(slice(start, start + width) for start, width in zip(corner, window, strict=True))
                tiled[view][(rows, slice(None), *place)] = cover
            drops.append(score - target(model(tiled)).view(len(group), len(batch)))
        found = mean_over_windows(torch.cat(drops), corners, window, shape)
        return found.masked_fill(~there.view(-1, *[1] * len(shape)), float("nan"))

    def _sizes(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        side = self.window or max(1, round(max(shape) / 6))
        step = self.stride or (side if len(shape) == 3 else max(1, side // 2))
        window = tuple(min(side, size) for size in shape)
        return window, tuple(min(step, width) for width in window)

    def _cover(self, image: Tensor) -> Tensor:
        """``(batch, channel, 1, ...)``: what covers a window of each image."""
        flat = image.flatten(2)
        value = {"mean": flat.mean(2), "minimum": flat.amin(2), "zero": torch.zeros_like(flat[:, :, 0])}[self.fill]
        return value.view(*value.shape, *[1] * (image.ndim - 2))
