"""A linear Cox model with a ridge penalty, fitted by Newton's method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Ties = Literal["efron", "breslow"]

_MOST_STEPS = 100
_MOST_HALVINGS = 30


@dataclass(frozen=True, eq=False)
class _Followed:
    """Cases in the order of their time, with the places of their events.

    Args:
        features: ``(case, feature)``.
        group: ``(case,)`` which distinct time ends the follow-up.
        first: ``(time,)`` first case of each distinct time.
        events: ``(event,)`` places of the cases with the event.
        share: ``(event,)`` how much of the events tied with it an event finds gone from its risk set.
    """

    features: np.ndarray
    group: np.ndarray
    first: np.ndarray
    events: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, time: np.ndarray, event: np.ndarray, ties: Ties) -> _Followed:
        order = np.argsort(time, kind="stable")
        _, first, group = np.unique(np.asarray(time, dtype=float)[order], return_index=True, return_inverse=True)
        events = np.flatnonzero(np.asarray(event, dtype=bool)[order])
        number = np.bincount(group[events], minlength=len(first))
        begins = np.concatenate([[0], np.cumsum(number)[:-1]])
        rank = np.arange(len(events)) - begins[group[events]]
        share = rank / number[group[events]] if ties == "efron" else np.zeros(len(events))
        return cls(np.asarray(features, dtype=float)[order], group, first, events, share)

    def log_likelihood(self, weights: np.ndarray) -> float:
        risk = self.features @ weights
        left, _, _ = self._left(risk)
        return float((risk[self.events] - np.log(left) - risk.max()).sum())

    def derivatives(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(feature,)`` slope and ``(feature, feature)`` curvature (minus the second derivative)."""
        risk = self.features @ weights
        left, hazard, tied = self._left(risk)
        weighted = hazard[:, None] * self.features
        mine = self.group[self.events]
        sums = self._at_risk(weighted)[mine] - self.share[:, None] * self._summed(weighted[self.events], mine)[mine]
        mean = sums / left[:, None]
        slope = self.features[self.events].sum(0) - mean.sum(0)
        # A case is weighed by every risk set it stands in: those of all events up to its own time.
        counted = np.cumsum(np.bincount(mine, 1 / left, minlength=len(self.first)))[self.group]
        counted[self.events] -= np.bincount(mine, self.share / left, minlength=len(self.first))[mine]
        return slope, weighted.T @ (counted[:, None] * self.features) - mean.T @ mean

    def _left(self, risk: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sum of hazards in each event's risk set; each case's hazard; hazards of the events at each distinct time."""
        hazard = np.exp(risk - risk.max())
        mine = self.group[self.events]
        tied = np.bincount(mine, hazard[self.events], minlength=len(self.first))
        return self._at_risk(hazard)[mine] - self.share * tied[mine], hazard, tied

    def _at_risk(self, values: np.ndarray) -> np.ndarray:
        """``(time, …)`` sums over all cases that are followed at least as long."""
        return np.cumsum(np.add.reduceat(values, self.first, axis=0)[::-1], axis=0)[::-1]

    def _summed(self, values: np.ndarray, mine: np.ndarray) -> np.ndarray:
        found = np.zeros((len(self.first), values.shape[1]))
        np.add.at(found, mine, values)
        return found


def fit_cox(
    features: np.ndarray, time: np.ndarray, event: np.ndarray, *, ridge: float = 0.0, ties: Ties = "efron"
) -> np.ndarray:
    """Coefficients with the highest penalised partial likelihood, ``log likelihood - ridge / 2 * sum(weights ** 2)``.

    Args:
        features: ``(case, feature)``, of about the same spread, for the penalty is the same for all.
        time: ``(case,)`` of follow-up.
        event: ``(case,)`` whether it ended with the event.
        ridge: Of the penalty; 0 for none, and then features that rank the cases without error have no finite answer.
        ties: How events at one time are ordered.

    Returns:
        ``(feature,)`` log hazard ratios per unit of each feature; zeros where nobody had the event.

    Raises:
        ValueError: It does not converge: some combination of features ranks the events without error, and there is no
            penalty.

    Source: Cox 1972; Efron 1977; Verweij & Van Houwelingen 1994 (ridge).
    """
    followed = _Followed.of(features, time, event, ties)
    weights = np.zeros(followed.features.shape[1])
    if not len(followed.events):
        return weights

    def height(at: np.ndarray) -> float:
        return followed.log_likelihood(at) - ridge / 2 * float(at @ at)

    reached = height(weights)
    for _ in range(_MOST_STEPS):
        slope, curvature = followed.derivatives(weights)
        slope = slope - ridge * weights
        curvature = curvature + (ridge + 1e-12 * max(float(np.trace(curvature)), 1.0)) * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        gained = float(slope @ step)  # twice the height that a parabola promises
        for _ in range(_MOST_HALVINGS):
            found = height(weights + step)
            if np.isfinite(found) and found >= reached - 1e-12 * abs(reached):
                break
            step = step / 2
        weights, reached = weights + step, found
        if gained < 1e-12 * max(1.0, abs(reached)):
            if np.abs(followed.features @ step).max() > 1e-3:
                break  # the likelihood levels off, and the coefficients still grow: there is no end to that
            return weights
    raise ValueError("the partial likelihood has no highest point that is finite: give a ridge penalty")


def choose_ridge(
    features: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    candidates: Sequence[float],
    *,
    folds: int = 5,
    seed: int = 0,
) -> float:
    """The penalty with the highest cross-validated partial likelihood.

    Each fold is scored by what it adds: the likelihood of all cases less that of the cases without it, at the
    coefficients fitted without it, so that small folds have whole risk sets.

    Args:
        features, time, event: As in `fit_cox`.
        candidates: Penalties to choose from, above 0.
        folds: How many.
        seed: Deals the cases to the folds, those with the event and those without evenly.

    Source: Verweij & Van Houwelingen 1993 (doi 10.1002/sim.4780122407), eq. 4.
    """
    event = np.asarray(event, dtype=bool)
    fold = np.empty(len(event), dtype=int)
    rng = np.random.default_rng(seed)
    for group in (event, ~event):
        fold[group] = rng.permutation(np.arange(group.sum()) % folds)
    everyone = _Followed.of(features, time, event, "efron")
    scores = np.zeros(len(candidates))
    for each in range(folds):
        kept = fold != each
        rest = _Followed.of(features[kept], time[kept], event[kept], "efron")
        for place, ridge in enumerate(candidates):
            weights = fit_cox(features[kept], time[kept], event[kept], ridge=ridge)
            scores[place] += everyone.log_likelihood(weights) - rest.log_likelihood(weights)
    return float(candidates[int(scores.argmax())])
