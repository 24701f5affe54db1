"""Contributions of pixels to the difference of a score from a reference's: DeepLIFT's rule, for whoever averages it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from preceptor.maths.propagation import Rescaling
from preceptor.prove.explaining.attributing import Target, gradients


def contributions(
    model: Any, images: Mapping[str, Tensor], reference: Mapping[str, Tensor], target: Target
) -> dict[str, Tensor]:
    """What each pixel adds to the score on top of the reference's.

    Args:
        model: As explainers get it, in evaluation mode.
        images: ``{view: (batch, channel, *space)}``.
        reference: Likewise.
        target: The score.

    Returns:
        ``{view: (batch, channel, *space)}``.

    Source: Shrikumar et al. 2017, arXiv:1704.02685, equation 3.
    """
    before = Rescaling()
    # With gradients on: a product of two factors is told by both asking for one.
    with before:
        model({view: image.detach().clone().requires_grad_() for view, image in reference.items()})
    with torch.enable_grad():
        multipliers = gradients(model, images, target, Rescaling(before.seen))
    return {view: multipliers[view] * (image.detach() - reference[view]) for view, image in images.items()}
