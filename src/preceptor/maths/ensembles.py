"""Several answers made one: votes, bags of resampled patients, boosting, and mixtures with a gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

#: Logarithms are taken of at least this much: one member that says "impossible" must not silence the others.
_FLOOR = 1e-12

Rule = Literal["mean", "product", "geometric", "min", "max"]


def combine(members: np.ndarray, rule: Rule = "mean") -> np.ndarray:
    """``(..., class)`` one distribution of several members' probabilities.

    Args:
        members: ``(member, ..., class)``.
        rule: ``mean`` (soft vote), ``product`` and ``geometric`` mean (in logarithms, with a floor), ``min``, ``max``;
            all but the mean are brought back to a sum of one.

    Source: Kittler 1998 (doi 10.1109/34.667881), eq. 7 to 16, equal priors.
    """
    members = np.asarray(members, dtype=np.float64)
    if rule == "mean":
        return members.mean(0)
    if rule in ("product", "geometric"):
        logs = np.log(np.maximum(members, _FLOOR))
        logs = logs.sum(0) if rule == "product" else logs.mean(0)
        found = np.exp(logs - logs.max(-1, keepdims=True))
    else:
        found = members.min(0) if rule == "min" else members.max(0)
    total = found.sum(-1, keepdims=True)
    return np.divide(found, total, out=np.full_like(found, 1 / found.shape[-1]), where=total > 0)


def hard_vote(members: np.ndarray, weights: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """``(..., class)`` share of the votes that each class gets; every member votes for its most likely class.

    `argmax` of it is the answer: of classes with as many votes the first. A member that is torn votes for the first too.

    Args:
        members: ``(member, ..., class)`` probabilities.
        weights: ``(member,)``, not negative; None gives all the same.

    Raises:
        ValueError: A weight is negative, or all are 0.
    """
    members = np.asarray(members, dtype=np.float64)
    given = np.ones(len(members)) if weights is None else np.asarray(weights, dtype=np.float64)
    if (given < 0).any() or given.sum() == 0:
        raise ValueError("votes need weights of 0 or more, not all of them 0")
    votes = np.eye(members.shape[-1])[members.argmax(-1)]
    return np.tensordot(given / given.sum(), votes, axes=1)


def log_odds_weights(accuracy: Sequence[float] | np.ndarray) -> np.ndarray:
    """``(member,)`` the weights that make a weighted vote best for independent members: the log-odds of being right.

    Args:
        accuracy: ``(member,)`` on cases no member learnt from, strictly between 0 and 1.

    Source: Shapley & Grofman 1984; Kuncheva 2014, section 4.3.
    """
    accuracy = np.asarray(accuracy, dtype=np.float64)
    return np.log(accuracy / (1 - accuracy))


# -------------------------------------------------------------------- bags


def bag(clusters: Sequence[Any] | np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Positions of the cases of one bag: as many patients as there are, drawn with replacement, with all their cases.

    Args:
        clusters: ``(case,)`` whom each case is of.
        generator: A draw of its own for every member: the same one again makes the same member.

    Source: Breiman 1996 (doi 10.1007/BF00058655).
    """
    _, member = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(member.max() + 2))
    drawn = generator.integers(0, member.max() + 1, member.max() + 1)
    return np.concatenate([order[starts[each] : starts[each + 1]] for each in drawn])


def expected_unique_share(number: int) -> float:
    """Share of `number` patients that a bag holds at least once, on average: 1 - 1/e in the limit."""
    return 1 - (1 - 1 / number) ** number


# -------------------------------------------------------------------- boosting


class BoostingStep(NamedTuple):
    """What a round of boosting leaves.

    Args:
        error: Weighted share of wrong answers.
        say: How much the learner says in the vote.
        weights: ``(case,)`` for the next round, summing to one.
    """

    error: float
    say: float
    weights: np.ndarray


def samme_step(truth: np.ndarray, answer: np.ndarray, weights: np.ndarray, classes: int) -> BoostingStep | None:
    """One round of boosting for several classes.

    Args:
        truth, answer: ``(case,)`` class index.
        weights: ``(case,)``.
        classes: How many; two give AdaBoost.

    Returns:
        None where the learner is no better than guessing (error of 1 - 1 / classes or more): boosting ends there, it
        does not turn the learner's answers round. A learner without an error has a large but finite say.

    Source: Zhu 2009 (doi 10.4310/SII.2009.v2.n3.a8), algorithm 2.
    """
    weights = np.asarray(weights, dtype=np.float64)
    wrong = np.asarray(truth) != np.asarray(answer)
    error = float(weights[wrong].sum() / weights.sum())
    if error >= 1 - 1 / classes:
        return None
    kept = max(error, _FLOOR)
    say = float(np.log((1 - kept) / kept) + np.log(classes - 1))
    # In logarithms: a learner that is nearly perfect makes the factor large.
    logs = np.log(np.maximum(weights, np.finfo(float).tiny)) + say * wrong
    grown = np.exp(logs - logs.max())
    return BoostingStep(error, say, grown / grown.sum())


@dataclass(frozen=True)
class Boosted:
    """Learners that vote.

    Args:
        learners: ``learner(features) -> (case,)`` class index.
        says: How much each says.
        classes: How many.
    """

    learners: tuple[Callable[[Any], np.ndarray], ...]
    says: tuple[float, ...]
    classes: int

    def votes(self, features: Any) -> np.ndarray:
        """``(case, class)`` share of the votes."""
        cast = [say * np.eye(self.classes)[each(features)] for each, say in zip(self.learners, self.says, strict=True)]
        return np.sum(cast, axis=0) / sum(self.says)


def boost(
    learn: Callable[[Any, np.ndarray, np.ndarray, int], Callable[[Any], np.ndarray]],
    features: Any,
    truth: np.ndarray,
    classes: int,
    rounds: int,
) -> Boosted:
    """Boost a weak learner: each round looks hardest at what the last ones got wrong.

    Args:
        learn: ``learn(features, truth, weights, round)`` gives a learner fitted to weighted cases.
        features: As `learn` takes them.
        truth: ``(case,)`` class index.
        classes: How many.
        rounds: At most; it ends sooner where a learner is perfect, or no better than guessing.

    Raises:
        ValueError: Not even the first learner is better than guessing.

    Source: Zhu 2009, algorithm 2 (SAMME).
    """
    weights = np.full(len(truth), 1 / len(truth))
    learners, says = [], []
    for number in range(rounds):
        learner = learn(features, truth, weights, number)
        step = samme_step(truth, learner(features), weights, classes)
        if step is None:
            break
        learners.append(learner)
        says.append(step.say)
        weights = step.weights
        if step.error == 0:
            break
    if not learners:
        raise ValueError("the learner is no better than guessing: there is nothing to boost")
    return Boosted(tuple(learners), tuple(says), classes)


# -------------------------------------------------------------------- mixtures


def gates(logits: Any, top: int | None = None) -> Any:
    """``(..., expert)`` how much each expert says: a softmax, over the `top` largest alone where that is given.

    Args:
        logits: ``(..., expert)`` tensor.
        top: Experts that are heard; None hears all.
    """
    if top is not None:
        least = logits.topk(top, dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -float("inf"))
    return logits.softmax(-1)


def mixture(weights: Any, experts: Any) -> Any:
    """``(..., quantity)`` the experts' answers, each weighed by its gate.

    Args:
        weights: ``(..., expert)`` tensor from `gates`.
        experts: ``(..., expert, quantity)`` tensor.
    """
    return (weights[..., None] * experts).sum(-2)


def mixture_loss(logits: Any, experts: Any, truth: Any, variance: float = 1.0) -> Any:
    """``(...,)`` minus the logarithm of how likely the truth is under one of the experts.

    Experts compete: each is drawn to the cases that it answers best, which a loss of the mixture's mean would not do.
    Worked out in logarithms throughout, so that an expert far from all data still learns.

    Args:
        logits: ``(..., expert)`` tensor of the gate.
        experts: ``(..., expert, quantity)`` tensor.
        truth: ``(..., quantity)`` tensor.
        variance: Of the noise around an expert's answer.

    Source: Jacobs 1991 (doi 10.1162/neco.1991.3.1.79), eq. 1.3.
    """
    return -(_log_joint(logits, experts, truth, variance)).logsumexp(-1)


def responsibilities(logits: Any, experts: Any, truth: Any, variance: float = 1.0) -> Any:
    """``(..., expert)`` which expert a case is likely to be of, once the truth is known.

    Args:
        logits, experts, truth, variance: As for `mixture_loss`.
    """
    return _log_joint(logits, experts, truth, variance).softmax(-1)


def _log_joint(logits: Any, experts: Any, truth: Any, variance: float) -> Any:
    distance = ((truth.unsqueeze(-2) - experts) ** 2).sum(-1)
    return logits.log_softmax(-1) - distance / (2 * variance)
