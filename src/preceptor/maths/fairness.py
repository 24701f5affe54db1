"""How differently groups of people are answered: penalties with a gradient, and gaps of thresholded answers.

A penalty is a sum over strata and groups of the squared distance between the mean probability of the group in the
stratum and the mean of the stratum. Strata make the criterion: everyone (demographic parity), the truly positive
(equal opportunity), the truly positive and the truly negative apart (equalised odds). The criteria exclude one another
where groups differ in prevalence. A group of -1 is unknown and enters nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stratified_penalty(probability: Tensor, group: Tensor, stratum: Tensor) -> Tensor:
    """Scalar: sum over strata and groups of (mean of the group in the stratum - mean of the stratum)^2.

    A group that a stratum lacks contributes 0, and the mean of a stratum is over cases, not over groups. The gradient
    flows through both means.

    Args:
        probability: ``(case,)``.
        group: ``(case,)`` index, -1 where unknown.
        stratum: ``(case,)`` index, -1 where the case is in none.
    """
    known = group >= 0
    total = probability.new_zeros(())
    for each in stratum[known & (stratum >= 0)].unique():
        inside = known & (stratum == each)
        centre = probability[inside].mean()
        for name in group[inside].unique():
            total = total + (probability[inside & (group == name)].mean() - centre) ** 2
    return total


def demographic_parity(probability: Tensor, group: Tensor) -> Tensor:
    """Scalar: groups should be answered alike on average, whatever is true of them."""
    return stratified_penalty(probability, group, torch.zeros_like(group))


def equal_opportunity(probability: Tensor, group: Tensor, truth: Tensor) -> Tensor:
    """Scalar: among the truly positive, groups should be answered alike on average."""
    return stratified_penalty(probability, group, torch.where(truth == 1, 0, -1))


def equalised_odds(probability: Tensor, group: Tensor, truth: Tensor) -> Tensor:
    """Scalar: groups should be answered alike among the truly positive, and among the truly negative."""
    return stratified_penalty(probability, group, truth.long())


def rates_by_group(positive: Tensor, group: Tensor, among: Tensor | None = None) -> Tensor:
    """``(group,)`` share of positive answers in each group; NaN where a group has no case.

    Args:
        positive: ``(case,)`` boolean: the thresholded answer.
        group: ``(case,)`` index, -1 where unknown.
        among: ``(case,)`` boolean: which cases count (the truly positive for a true positive rate); None for all.
    """
    counted = group >= 0 if among is None else (group >= 0) & among
    kept = group[counted].long()
    number = int(group.max()) + 1
    return torch.bincount(kept, positive[counted].double(), number) / torch.bincount(kept, minlength=number)


def gap_and_ratio(rates: Tensor) -> tuple[float, float]:
    """Largest minus smallest rate, and smallest over largest; groups without a rate are left out."""
    known = rates[~torch.isnan(rates)]
    high, low = float(known.max()), float(known.min())
    return high - low, low / high if high > 0 else float("nan")
