"""Losses of time to an event: Cox, discrete hazards, DeepHit, and Cox with effects that change over time.

Every function gives one number a case, 0 where a case adds none, so that whoever sums can weigh and count them. A batch
without an event gives zeros, never NaN.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, softplus


def cox(score: Tensor, time: Tensor, event: Tensor, ties: Literal["breslow", "efron"] = "breslow") -> Tensor:
    """``(case,)`` negative log partial likelihood of each event, 0 for censored cases.

    The sum over cases divided by the number of events is the loss. Adding a constant to all scores changes nothing.

    Args:
        score: ``(case,)`` log hazard ratios: higher means sooner.
        time: ``(case,)`` of follow-up.
        event: ``(case,)`` whether it ended with the event.
        ties: How events at one time are ordered: "breslow" leaves them all in the risk set, "efron" takes them out in
            equal shares, which is nearer the truth where they are many.

    Source: Cox 1972; Breslow 1974; Efron 1977.
    """
    order = torch.argsort(time, descending=True, stable=True)
    score_, time_, event_ = score[order], time[order], event[order].bool()
    # The risk set of a tied case holds all that tie with it: the last of them in this order has the whole sum.
    _, group, sizes = torch.unique_consecutive(time_, return_inverse=True, return_counts=True)
    log_risk = torch.logcumsumexp(score_, 0)[torch.cumsum(sizes, 0) - 1][group]
    if ties == "efron":
        log_risk = log_risk + _efron(score_, event_, group, log_risk, len(sizes))
    terms = torch.where(event_, log_risk - score_, torch.zeros_like(score_))
    return torch.zeros_like(score).index_copy(0, order, terms)


def _efron(score: Tensor, event: Tensor, group: Tensor, log_risk: Tensor, groups: int) -> Tensor:
    """What is added to the log of each tied event's risk set: the l-th of d leaves l/d of the tied ones out."""
    flags = event.to(score.dtype)
    number = torch.zeros(groups, dtype=score.dtype, device=score.device).index_add(0, group, flags)[group]
    # Numbered from 0 within each group.
    before = torch.cumsum(flags, 0) - flags
    start = torch.full((groups,), float("inf"), dtype=score.dtype, device=score.device)
    start = start.scatter_reduce(0, group, before, "amin")
    # Censored cases are taken out before the logarithm: an infinity that does not count would make derivatives NaN.
    place = torch.where(event, before - start[group], torch.zeros_like(score))
    share = torch.exp(score - log_risk) * flags  # of the risk set, never overflowing
    tied = torch.zeros(groups, dtype=score.dtype, device=score.device).index_add(0, group, share)[group]
    return torch.log1p(-place / number.clamp(min=1) * tied)


def logistic_hazard(logits: Tensor, interval: Tensor, event: Tensor) -> Tensor:
    """``(case,)`` negative log likelihood of hazards in intervals of time.

    Args:
        logits: ``(case, interval)`` of the chance of the event in each interval, for who is still without it.
        interval: ``(case,)`` whole number, from 0: in which the follow-up ended.
        event: ``(case,)`` whether it ended with the event. A censored case counts as without it to the interval's end.

    Source: Gensheimer & Narasimhan 2019; Kvamme & Borgan 2019 (arXiv:1910.06724), eq. 9.
    """
    place = torch.arange(logits.shape[1], device=logits.device)
    happened = ((place == interval[:, None]) & event.bool()[:, None]).to(logits.dtype)
    terms = binary_cross_entropy_with_logits(logits, happened, reduction="none")
    return (terms * (place <= interval[:, None])).sum(1)


def hazard_survival(logits: Tensor) -> Tensor:
    """``(case, interval)`` share without the event at the end of each interval.

    Args:
        logits: As in `logistic_hazard`.
    """
    return torch.exp(-torch.cumsum(softplus(logits), 1))


def deephit_likelihood(logits: Tensor, interval: Tensor, event: Tensor) -> Tensor:
    """``(case,)`` negative log likelihood of DeepHit's first loss, for one kind of event.

    Args:
        logits: ``(case, interval + 1)``; softmax gives the chance of the event in each interval, the last column that
            of none within them.
        interval, event: As in `logistic_hazard`.

    Source: Lee 2018, eq. 2.
    """
    place = torch.arange(logits.shape[1], device=logits.device)
    log_share = torch.log_softmax(logits, 1)
    later = torch.where(place > interval[:, None], log_share, torch.full_like(log_share, -torch.inf))
    then = log_share.gather(1, interval[:, None])[:, 0]
    return -torch.where(event.bool(), then, torch.logsumexp(later, 1))


class Ranking(NamedTuple):
    """DeepHit's second loss.

    Args:
        total: Sum over admissible pairs.
        pairs: How many there are.
        cases: How many cases.
    """

    total: Tensor
    pairs: int
    cases: int

    @property
    def per_pair(self) -> Tensor:
        """Over the admissible pairs; 0 without one."""
        return self.total / max(self.pairs, 1)

    @property
    def per_square(self) -> Tensor:
        """Over all ordered pairs of cases: the scale of pycox, several times smaller."""
        return self.total / max(self.cases, 1) ** 2


def deephit_ranking(logits: Tensor, interval: Tensor, event: Tensor, sigma: float = 0.1) -> Ranking:
    """At each event, whoever is still without one should have the lower cumulative chance of it.

    It buys concordance at the cost of calibration.

    Args:
        logits, interval, event: As in `deephit_likelihood`.
        sigma: Scale of the penalty.

    Source: Lee 2018, eq. 3; the exponential's two usual divisors differ by a factor of several.
    """
    cumulative = torch.cumsum(torch.softmax(logits, 1), 1)
    at = cumulative[:, interval].T  # (case i, case j): chance of j by the time of i
    mine = at.diagonal()[:, None]
    admissible = (interval[:, None] < interval[None]) | ((interval[:, None] == interval[None]) & ~event.bool()[None])
    admissible = admissible & event.bool()[:, None]
    # Chosen before the exponential: an infinity in a pair that does not count would make the gradient NaN.
    gap = torch.where(admissible, mine - at, torch.zeros_like(at))
    penalty = torch.exp(-gap / sigma) * admissible
    return Ranking(penalty.sum(), int(admissible.sum()), len(interval))


def cox_time(at_events: Tensor, time: Tensor, event: Tensor) -> Tensor:
    """``(event,)`` negative log partial likelihood where the log hazard ratio changes over time, over full risk sets.

    Args:
        at_events: ``(event, case)``: ``g(time of the event, features of the case)``, events in the cases' order.
        time, event: ``(case,)``.

    Source: Kvamme, Borgan & Scheel 2019 (arXiv:1907.00825), eq. 7.
    """
    happened = torch.nonzero(event.bool())[:, 0]
    at_risk = time[None] >= time[happened, None]
    log_risk = torch.logsumexp(torch.where(at_risk, at_events, torch.full_like(at_events, -torch.inf)), 1)
    return log_risk - at_events.gather(1, happened[:, None])[:, 0]


def cox_case_control(case: Tensor, controls: Tensor) -> Tensor:
    """``(event,)`` the same with sampled controls in place of the risk set.

    Args:
        case: ``(event,)`` ``g`` of the case with the event at its time.
        controls: ``(event, control)`` ``g`` of others at risk, at the same time.

    Source: Kvamme, Borgan & Scheel 2019, eq. 8.
    """
    return torch.log1p(torch.exp(controls - case[:, None]).sum(1))


def cox_time_baseline(at_events: Tensor, time: Tensor, event: Tensor) -> tuple[Tensor, Tensor]:
    """Cumulative baseline hazard of a `cox_time` model.

    Args:
        at_events, time, event: As in `cox_time`, of the training cases.

    Returns:
        ``(event,)`` times in ascending order, and the steps of the hazard at them, each event one step. The survival of
        a case is ``exp(-sum of steps exp(g(time, case)))``.
    """
    happened = torch.nonzero(event.bool())[:, 0]
    at_risk = time[None] >= time[happened, None]
    log_risk = torch.logsumexp(torch.where(at_risk, at_events, torch.full_like(at_events, -torch.inf)), 1)
    order = torch.argsort(time[happened], stable=True)
    return time[happened][order], torch.exp(-log_risk)[order]
