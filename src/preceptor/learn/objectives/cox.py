"""Cox's partial likelihood: who has the event first?"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit
from preceptor.learn.follow_up import is_followed
from preceptor.maths import survival_losses


class Cox:
    """At every event: how likely is it that it happened to this case, of all that were still without it?

    The network answers one number, the log hazard ratio. The baseline hazard drops out, so the answer ranks and gives
    no survival: the safeguard `baseline_hazard` adds Breslow's curves.

    Risk sets are those of the batch: a case is held against those that stand in its batch and were followed at least as
    long. In expectation the gradient points the same way as with all cases, the smaller the batch the noisier: take one
    as large as fits (32 or more), for a batch without an event teaches nothing and one with a single case of each event
    time little. As it looks across the batch it can't be accumulated nor divided over processes.

    Output: ``(batch, 1)``. Target: ``(batch, 3)`` of the task `survival`, NaN where unlabelled (loss and gradient exactly
    0; such a case is in no risk set).

    Args:
        ties: How events at the same time are ordered: "efron" takes them out of the risk set in equal shares, "breslow"
            leaves them all in.

    Returns:
        `loss`: ``(batch,)`` negative log partial likelihood of each event, 0 for cases without; `count`: 1 for each event,
        so that their mean is over events; `decode`: the risk.

    Raises:
        RecipeError: The task is not survival.

    Source: Cox 1972; Breslow 1974; Efron 1977; with a network: Katzman 2018 (doi 10.1186/s12874-018-0482-1), eq. 4.

    Example:
        >>> target = torch.tensor([[1.0, 1, 0], [2.0, 0, 0]])
        >>> round(Cox().loss(torch.tensor([[0.0], [0.0]]), target).sum().item(), 4)
        0.6931
    """

    whole_batch = True
    gives_curves = False

    def __init__(self, ties: Literal["efron", "breslow"] = "efron") -> None:
        self.ties = ties

    @classmethod
    def example(cls) -> Cox:
        return cls()

    def width(self, question: Question) -> int:
        if question.task != "survival":
            raise misfit("cox", question, "a task that asks for the time to an event", "take the task survival")
        return 1

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        known = is_followed(target)
        terms = survival_losses.cox(output[known, 0], target[known, 0], target[known, 1] == 1, self.ties)
        return torch.zeros_like(output[:, 0]).masked_scatter(known, terms)

    def count(self, target: Tensor) -> Tensor:
        return ((target[:, 1] == 1) & is_followed(target)).float()

    def decode(self, output: Tensor, question: Question) -> Decoded:
        return Decoded(output)
