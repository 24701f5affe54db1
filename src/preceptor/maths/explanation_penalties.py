"""Penalties on where an answer comes from: the gradient of the answer with respect to the image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def sum_of_log_probabilities(logits: Tensor, exclusive: bool = True) -> Tensor:
    """``(batch,)`` sum of the logarithms of all classes' probabilities (and voxels', where the answer is dense).

    Args:
        logits: ``(batch, class, *space)``.
        exclusive: Softmax over the classes; otherwise each class is "yes" or "no", and both logarithms are summed.
    """
    if exclusive:
        return functional.log_softmax(logits, 1).flatten(1).sum(1)
    return (functional.logsigmoid(logits) + functional.logsigmoid(-logits)).flatten(1).sum(1)


def right_reasons(gradients: Tensor, forbidden: Tensor) -> Tensor:
    """``(batch,)`` sum over the image of the squared gradient where it is forbidden.

    Args:
        gradients: ``(batch, channel, *space)`` of `sum_of_log_probabilities` with respect to the image, made with
            ``create_graph=True``: without, the penalty has no effect on the weights.
        forbidden: ``(batch, *space)``, 1 where the answer must not come from. Zeros where a case has no mask.

    Source: Ross 2017 (arXiv:1703.03717), eq. 1, second term.
    """
    return ((gradients * forbidden[:, None]) ** 2).flatten(1).sum(1)


def forbidden_of(mask: Tensor, marks_allowed: bool = False) -> Tensor:
    """A stored mask as 1 where forbidden and 0 elsewhere; all zeros for a case that has none.

    Args:
        mask: ``(batch, *space)``; a case without a mask holds NaN or negative values, or nothing but zeros.
        marks_allowed: The mask marks where the answer may come from, as segmentations do, instead of where it must not.
    """
    marked = torch.nan_to_num(mask.float(), nan=-1.0)
    has_mask = (marked > 0).flatten(1).any(1).view(-1, *[1] * (mask.ndim - 1))
    forbidden = marked == 0 if marks_allowed else marked > 0
    return (forbidden & has_mask).float()
