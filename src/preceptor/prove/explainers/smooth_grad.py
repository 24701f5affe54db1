"""SmoothGrad: the gradient, averaged over noisy copies of the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.prove.explaining.attributing import gradients, only_present
from preceptor.prove.observing import undisturbed


class SmoothGrad:
    """SmoothGrad: the gradient averaged over noisy copies of the image, the largest size over channels.

    Calmer to look at than the gradient; it says the same thing, about a blurred neighbourhood of the image.

    Args:
        samples: Noisy copies.
        sigma: Standard deviation of the noise as a share of each image's range.
        seed: Of the noise.

    Returns:
        ``{view: (batch, *space)}``, at least 0, in score per unit of the prepared intensity; NaN where a view is
        missing.

    Source: Smilkov et al. 2017, "SmoothGrad: removing noise by adding noise", arXiv:1706.03825, section 3.

    Example:
        >>> SmoothGrad(samples=20, sigma=0.1).samples
        20
    """

    def __init__(
        self, samples: Annotated[int, Ge(1)] = 25, sigma: Annotated[float, Gt(0)] = 0.15, seed: int = 0
    ) -> None:
        self.samples = samples
        self.sigma = sigma
        self.seed = seed

    @classmethod
    def example(cls) -> SmoothGrad:
        return cls(samples=4)

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            total = {view: torch.zeros_like(image) for view, image in batch.images.items()}
            for sample in range(self.samples):
                noisy = {}
                for place, (view, image) in enumerate(batch.images.items()):
                    drawn = torch.Generator().manual_seed(self.seed + 1000 * sample + place)
                    # One draw for the batch: a case's map does not depend on its neighbours.
                    noise = torch.randn(image.shape[1:], generator=drawn).to(image)
                    flat = image.flatten(1)
                    spread = (flat.amax(1) - flat.amin(1)).view(-1, *[1] * (image.ndim - 1))
                    noisy[view] = image.detach() + self.sigma * spread * noise
                for view, slope in gradients(model, noisy, target).items():
                    total[view] += slope
        return only_present({view: (each / self.samples).abs().amax(1) for view, each in total.items()}, batch)
