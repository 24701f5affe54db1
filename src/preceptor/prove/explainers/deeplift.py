"""DeepLIFT: how the difference of the score from a reference is shared among the differences of the pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.prove.explaining.attributing import absent, only_present
from preceptor.prove.explaining.contributing import contributions
from preceptor.prove.observing import undisturbed


class DeepLIFT:
    """DeepLIFT: what each pixel contributes to the difference of the score from that of a reference image.

    Contributions of all pixels add up to that difference wherever the network is made of convolutions, curves,
    normalisations, maxima and products of two. Two passes, so as quick as a gradient.

    Args:
        fill: The reference: the ``mean`` or ``minimum`` of each image and channel, or ``zero``.

    Returns:
        ``{view: (batch, *space)}`` in units of the score, summed over channels; NaN where a view is missing.

    Source: Shrikumar et al. 2017, "Learning Important Features Through Propagating Activation Differences",
        arXiv:1704.02685, section 3.5.1 (rescale rule).

    Example:
        >>> DeepLIFT(fill="zero").fill
        'zero'
    """

    def __init__(self, fill: Literal["mean", "minimum", "zero"] = "mean") -> None:
        self.fill: Literal["mean", "minimum", "zero"] = fill

    @classmethod
    def example(cls) -> DeepLIFT:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            reference = {view: absent(image, self.fill) for view, image in batch.images.items()}
            found = contributions(model, batch.images, reference, target)
        return only_present({view: each.sum(1) for view, each in found.items()}, batch)
