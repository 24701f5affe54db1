"""How far two sets of images lie from each other as distributions: maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

#: Widths of the kernels, in multiples of the median squared distance.
WIDTHS = (0.1, 0.3, 1.0, 3.0)


def mean_discrepancy(first: Tensor, second: Tensor, widths: Sequence[float] = WIDTHS) -> Tensor:
    """Squared maximum mean discrepancy under a sum of Gaussian kernels ``exp(-d^2 / (2 scale width))``.

    It is 0 where the two sets are alike in all that the kernels see. It compares sets: which image became which does
    not matter to it. The scale is the median squared distance of both sets together, so that sets far apart still pull
    on each other; it is a constant of the gradient.

    Args:
        first, second: ``(sample, feature)``.
        widths: One kernel each.

    Source: Gretton 2012, eq. 5 (the biased estimate: never negative) and section 8 (the median as scale).
    """
    both = torch.cat([first, second])
    # Squared distances from the products: a root would have no gradient at 0.
    length = (both**2).sum(1)
    squared = (length[:, None] + length[None] - 2 * both @ both.T).clamp(min=0)
    scale = median_of_pairs(squared.detach())
    kernel = torch.stack([torch.exp(-squared / (2 * scale * width)) for width in widths]).sum(0)
    size = len(first)
    return kernel[:size, :size].mean() + kernel[size:, size:].mean() - 2 * kernel[:size, size:].mean()


def median_of_pairs(squared: Tensor) -> Tensor:
    """The median of the entries above the diagonal.

    Args:
        squared: ``(sample, sample)`` squared distances.
    """
    above = torch.triu_indices(len(squared), len(squared), offset=1)
    return squared[above[0], above[1]].median()
