"""Auxiliary outputs: further answers of the network that learn the same truth."""

from __future__ import annotations

import re
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from preceptor.core.batch import Step

_COARSER = re.compile(r"deep_(\d+)")


class AuxiliaryOutputs(nn.Module):
    """Adds the recipe's loss of every output other than ``answer``: heads on single views, answers on coarser grids.

    ``loss = L(answer) + sum over outputs of weight * L(output)``: a sum, not a mean. An output named like a view counts
    only in the cases where that view is there. Outputs ``deep_1``, ``deep_2`` … (deep supervision) weigh ``halving``,
    ``halving^2`` …; the truth is brought to their grid by nearest neighbour.

    Outputs are ``(batch, width, *space)``; the penalty is a scalar in the unit of the loss.

    Args:
        weight: Of each auxiliary output.
        halving: Factor from one coarser grid to the next.

    Returns:
        From `penalty`: a scalar; 0 where the network has no further output.

    Raises:
        RecipeError: An objective does not fit the output (from the objective).

    Source: Hashir 2020 (arXiv:2002.02582), AuxLoss; deep supervision: Lee 2015 (arXiv:1409.5185), weights halved as in
        nnU-Net (Isensee 2021).

    Example:
        >>> AuxiliaryOutputs(weight=0.3).weight_of("lateral"), AuxiliaryOutputs().weight_of("deep_2")
        (0.3, 0.25)
    """

    def __init__(self, weight: Annotated[float, Ge(0)] = 0.3, halving: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        super().__init__()
        self.weight = weight
        self.halving = halving

    @classmethod
    def example(cls) -> AuxiliaryOutputs:
        return cls()

    def weight_of(self, output: str) -> float:
        """What the loss of an output is multiplied with."""
        coarser = _COARSER.fullmatch(output)
        return self.halving ** int(coarser[1]) if coarser else self.weight

    def penalty(self, step: Step) -> Tensor:
        # Shares as in the loss itself, by the first objective's counts: unlabelled cases do not dilute the mean.
        counts = next(iter(step.counts.values()))
        share = counts / counts.sum().clamp_min(torch.finfo(counts.dtype).tiny)
        total = share.new_zeros(())
        for name, output in step.outputs.items():
            if name == "answer":
                continue
            each = step.loss_of(output)
            if name in step.batch.present:
                each = torch.where(step.batch.present[name].bool(), each, 0.0)
            total = total + self.weight_of(name) * (each * share).sum()
        return total
