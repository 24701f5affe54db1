"""DeepHit: the chance of the event in each interval of time, and the order in which it comes."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit
from preceptor.learn.follow_up import Ended, is_followed, log_mean_hazard
from preceptor.maths import survival_losses


class Deephit:
    """The likelihood of the interval in which the event falls, and a penalty for pairs of cases in the wrong order.

    Time is divided at the task's `times`; one more column is the chance that it happens later or never. The penalty buys
    concordance at the cost of calibration: with ``ranking: 0`` the likelihood alone is left. It looks across the batch,
    so that it can't be accumulated nor divided over processes.

    Output: ``(batch, time + 1)`` logits. Target: ``(batch, 3)`` of the task `survival`, NaN where unlabelled (loss and
    gradient exactly 0; in no pair).

    Args:
        ranking: Factor of the penalty, which is the mean over the batch's admissible pairs; 0 leaves it out.
        sigma: Scale of the penalty: a difference in risk of so much counts as clear.

    Returns:
        `loss`: ``(batch,)`` negative log likelihood of each case, and the penalty in equal shares. `decode`: the survival
        at each of the times, and as risk the logarithm of the mean cumulative hazard over them.

    Raises:
        RecipeError: The task is not survival.

    Source: Lee 2018 (doi 10.1609/aaai.v32i1.11842), eq. 2 and 3, for one kind of event.

    Example:
        >>> target = torch.tensor([[18.0, 1, 1]])
        >>> round(Deephit().loss(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), target).item(), 4)
        1.3863
    """

    def __init__(self, ranking: Annotated[float, Ge(0)] = 0.2, sigma: Annotated[float, Gt(0)] = 0.1) -> None:
        self.ranking = ranking
        self.sigma = sigma
        self.whole_batch = ranking > 0

    @classmethod
    def example(cls) -> Deephit:
        return cls()

    def width(self, question: Question) -> int:
        if question.task != "survival":
            raise misfit("deephit", question, "a task that asks for the time to an event", "take the task survival")
        return len(question.times) + 1

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        ended = Ended.of(target, output.shape[1] - 1)
        terms = survival_losses.deephit_likelihood(output, ended.interval, ended.event)
        loss = torch.where(ended.told, terms, torch.zeros_like(terms))
        told = ended.told
        if not self.ranking or not bool(told.any()):
            return loss
        pairs = survival_losses.deephit_ranking(output[told], ended.interval[told], ended.event[told], self.sigma)
        return loss + torch.where(is_followed(target), self.ranking * pairs.per_pair, torch.zeros_like(loss))

    def count(self, target: Tensor) -> Tensor:
        return is_followed(target).float()

    def decode(self, output: Tensor, question: Question) -> Decoded:
        # What is left after each interval, summed on the logarithmic scale: 1 - cumulative chance would round to 0.
        log_share = torch.log_softmax(output, 1)
        log_survival = torch.logcumsumexp(log_share.flip(1), 1).flip(1)[:, 1:]
        return Decoded(log_mean_hazard(log_survival), survival=log_survival.exp())
