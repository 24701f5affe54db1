"""Gradient: which pixels would move the score most, if they changed a little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.prove.observing import undisturbed


class Gradient:
    """Gradient: which pixels would move the score most if they changed a little, the largest size over channels.

    Fine-grained and noisy: it shows what the score is sensitive to, which is not what it rests on.

    Returns:
        ``{view: (batch, *space)}``, at least 0, in score per unit of the prepared intensity; NaN where a view is
        missing.

    Source: Simonyan et al. 2014, "Deep Inside Convolutional Networks", arXiv:1312.6034, section 3.

    Example:
        >>> isinstance(Gradient(), Gradient)
        True
    """

    @classmethod
    def example(cls) -> Gradient:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            images = {view: image.detach().clone().requires_grad_() for view, image in batch.images.items()}
            score = target(model(images)).sum()
            taken = torch.autograd.grad(score, list(images.values()), allow_unused=True)
        maps = {}
        for (view, image), gradient in zip(images.items(), taken, strict=True):
            found = torch.zeros_like(image) if gradient is None else gradient
            there = batch.present[view].view(-1, *[1] * (image.ndim - 2))
            maps[view] = found.abs().amax(1).masked_fill(~there, float("nan"))
        return maps
