"""Logistic hazard: in each interval of time, the chance of the event for who is still without it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from preceptor.core.evidence import Question
from preceptor.core.plugins import Decoded
from preceptor.learn.answers import misfit
from preceptor.learn.follow_up import Ended, is_followed, log_mean_hazard
from preceptor.maths import survival_losses


class LogisticHazard:
    """The likelihood of the follow-up in discrete time, with a hazard of its own for every interval.

    Time is divided at the task's `times`. Nothing is assumed of the shape of the hazard or of proportional effects, and
    the curves need no baseline. Batches of any size do, for no case is held against another. About ten times or more,
    narrow where events are many, lose little; with two or three the ranking within an interval is lost.

    Output: ``(batch, time)`` logits. Target: ``(batch, 3)`` of the task `survival`, NaN where unlabelled (loss and
    gradient exactly 0).

    Returns:
        `loss`: ``(batch,)`` negative log likelihood; a case that was lost within an interval speaks of those before.
        `decode`: the survival at each of the times, and as risk the logarithm of the mean cumulative hazard over them.

    Raises:
        RecipeError: The task is not survival.

    Source: Gensheimer & Narasimhan 2019 (arXiv:1805.00917); Kvamme & Borgan 2019 (arXiv:1910.06724), eq. 9.

    Example:
        >>> target = torch.tensor([[18.0, 1, 1]])
        >>> round(LogisticHazard().loss(torch.tensor([[0.0, 0.0, 0.0]]), target).item(), 4)
        1.3863
    """

    def __init__(self) -> None:
        pass

    @classmethod
    def example(cls) -> LogisticHazard:
        return cls()

    def width(self, question: Question) -> int:
        if question.task != "survival":
            raise misfit(
                "logistic_hazard", question, "a task that asks for the time to an event", "take the task survival"
            )
        return len(question.times)

    def loss(self, output: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        ended = Ended.of(target, output.shape[1])
        terms = survival_losses.logistic_hazard(output, ended.interval, ended.event)
        return torch.where(ended.told, terms, torch.zeros_like(terms))

    def count(self, target: Tensor) -> Tensor:
        return is_followed(target).float()

    def decode(self, output: Tensor, question: Question) -> Decoded:
        log_survival = -torch.cumsum(softplus(output), 1)
        return Decoded(log_mean_hazard(log_survival), survival=log_survival.exp())
