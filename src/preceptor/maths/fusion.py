"""Putting features of several views together when some are missing."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_and_variance(features: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over the views that are there, feature by feature.

    The variance is unbiased (divisor k - 1), and exactly 0 with gradient exactly 0 where one view is there. Missing
    rows are replaced before anything is summed, so whatever is stored in them, NaN included, changes nothing. Without
    any view both are 0.

    Args:
        features: ``(view, batch, channel, *space)``.
        present: ``(view, batch)`` boolean.

    Returns:
        Two of ``(batch, channel, *space)``.

    Source: Havaei 2016 (arXiv:1607.05194, section 2.2), which leaves the divisor open; variance rather than standard
        deviation, whose gradient is NaN for one view.
    """
    mask = present.view(*present.shape, *[1] * (features.ndim - 2))
    kept = torch.where(mask, features, 0.0)
    number = mask.sum(0)
    mean = kept.sum(0) / number.clamp_min(1)
    deviation = torch.where(mask, kept - mean, 0.0)
    return mean, (deviation**2).sum(0) / (number - 1).clamp_min(1)


def concatenated(features: Tensor, present: Tensor, absent: Tensor) -> Tensor:
    """``(batch, view * channel)`` features side by side, with `absent` in the place of a view that is not there.

    Args:
        features: ``(view, batch, channel)``; rows of missing views may hold anything.
        present: ``(view, batch)`` boolean.
        absent: ``(view, channel)`` what stands for each missing view.
    """
    filled = torch.where(present[..., None], features, absent[:, None])
    return filled.transpose(0, 1).flatten(1)
