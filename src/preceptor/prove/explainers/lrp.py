"""LRP: relevance handed down layer by layer, from the score to the pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from annotated_types import Ge
from torch import Tensor

from preceptor.core.batch import Batch
from preceptor.maths.propagation import Relevance
from preceptor.prove.explaining.attributing import gradients, only_present
from preceptor.prove.observing import undisturbed


class LRP:
    """LRP: relevance handed down layer by layer in proportion to what each input contributed.

    Biases get no share, so the relevance of all pixels adds up to the score. With ``gamma: 0`` (LRP-0) contributions
    that cancel each other blow the relevance up in deep networks; the default keeps it in bounds.

    Args:
        gamma: How much more contributions of the output's own sign count in convolutions.
        epsilon: Added to every denominator, with its sign.

    Returns:
        ``{view: (batch, *space)}`` in units of the score, summed over channels; NaN where a view is missing.

    Source: Bach et al. 2015, doi:10.1371/journal.pone.0130140; rule gamma: Montavon et al. 2019, "Layer-Wise Relevance
        Propagation: An Overview", table 1, for signed inputs as in Andéol et al. 2021, arXiv:2105.14033.

    Example:
        >>> LRP(gamma=0.1).gamma
        0.1
    """

    def __init__(self, gamma: Annotated[float, Ge(0)] = 0.25, epsilon: Annotated[float, Ge(0)] = 1e-9) -> None:
        self.gamma = gamma
        self.epsilon = epsilon

    @classmethod
    def example(cls) -> LRP:
        return cls()

    def __call__(self, model: Any, batch: Batch, target: Callable[[Mapping[str, Tensor]], Tensor]) -> dict[str, Tensor]:
        with undisturbed(model.network):
            shares = gradients(model, batch.images, target, Relevance(self.gamma, self.epsilon))
        maps = {view: (shares[view] * image.detach()).sum(1) for view, image in batch.images.items()}
        return only_present(maps, batch)
