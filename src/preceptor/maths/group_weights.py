"""What a group of people weighs in training: so that group and class are independent, or so that the worst-off counts."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def independence_weights(group: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """``(case,)`` P(group) P(class) / P(group, class): weighted so, every group has the same share of each class.

    Args:
        group: ``(case,)`` index, -1 where unknown.
        truth: ``(case,)`` class index, -1 where unlabelled. A case of which either is unknown weighs 1 and counts for
            no share.

    Source: Kamiran & Calders 2012 (doi 10.1007/s10115-011-0463-8), section 4.3.
    """
    group, truth = np.asarray(group), np.asarray(truth)
    weights = np.ones(len(group))
    known = (group >= 0) & (truth >= 0)
    number = known.sum()
    for each in np.unique(group[known]):
        for one in np.unique(truth[known]):
            cell = known & (group == each) & (truth == one)
            of_group, of_class = (known & (group == each)).sum(), (known & (truth == one)).sum()
            weights[cell] = of_group * of_class / (number * max(cell.sum(), 1))
    return weights


def raise_worst(share: Tensor, losses: Tensor, rate: float) -> Tensor:
    """``(group,)`` shares after one step of exponentiated gradient ascent: the worse a group fares, the more it counts.

    Args:
        share: ``(group,)`` adding up to 1.
        losses: ``(group,)`` mean loss of each group; NaN where the batch holds none, which leaves it as it is but for
            the normalisation.
        rate: Step size.

    Source: Sagawa 2020 (arXiv:1911.08731), algorithm 1.
    """
    raised = share * torch.exp(rate * torch.nan_to_num(losses))
    return raised / raised.sum()
