"""Decision curves: does acting on the model do more good than acting on everybody, or on nobody?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.decisions import net_benefit_statistic
from preceptor.maths.intervals import Statistic, mean_statistic
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.one_against_rest import measure_classes, rates


class DecisionCurve:
    """Net benefit: true alarms less false ones at the rate at which the clinic trades one for the other, per case.

    The threshold is that rate: who acts from a probability of 10 % on takes nine false alarms for one true one. A model
    is of use at a threshold where its net benefit lies above that of treating all and above 0, that of treating
    nobody. A net benefit of 0.03 is as good as three true alarms in a hundred cases and no false one.

    Args:
        threshold: Probability from which on the clinic acts; it leads.
        lowest, highest: Of the thresholds the curve is drawn over.
        prevalence: Of the condition where the model is to be used; by default that of the tested cases.
        resamples: Of patients, for the intervals and the band.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding`: net benefit at the threshold (of several classes, their mean), with the parts ``treat_all`` and
        ``advantage`` (over the better of treating all and nobody), and curves.

    Source: Vickers & Elkin 2006 (Med Decis Making 26:565); intervals: Vickers 2008.

    Example:
        >>> DecisionCurve(threshold=0.1).suits(Question("classification", "finding", ("absent", "present")))
        True
    """

    def __init__(
        self,
        threshold: Annotated[float, Gt(0), Lt(1)],
        lowest: Annotated[float, Gt(0), Lt(1)] = 0.01,
        highest: Annotated[float, Gt(0), Lt(1)] = 0.6,
        prevalence: Annotated[float, Gt(0), Lt(1)] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.threshold = threshold
        self.lowest = lowest
        self.highest = highest
        self.prevalence = prevalence
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> DecisionCurve:
        return cls(threshold=0.3)

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        labelled = Labelled.of(predictions)

        def by_class(at: int, name: str) -> tuple[Statistic, Finding]:
            return self._of_class(name, labelled, at, measuring)

        definition = f"net benefit at a threshold of {self.threshold:.3g}"
        return measure_classes("decision_curve", definition, measuring, labelled, by_class)

    def _of_class(self, name: str, labelled: Labelled, at: int, measuring: Measuring) -> tuple[Statistic, Finding]:
        which, truth, known = labelled.classes[at], labelled.truth[:, at], labelled.known(at)
        model = self._benefit(truth, labelled.probability[:, at], self.threshold, measuring)
        everybody = self._benefit(truth, np.ones(len(truth)), self.threshold, measuring)

        def advantage(counts: np.ndarray) -> np.ndarray:
            return model(counts) - np.maximum(everybody(counts), 0.0)

        parts = {
            "treat_all": measuring.finding(
                f"{name}.treat_all",
                f"net benefit of acting on everybody at a threshold of {self.threshold:.3g}; acting on nobody has 0",
                everybody,
                known,
                higher_is_better=None,
            ),
            "advantage": measuring.finding(
                f"{name}.advantage",
                "net benefit of acting on the model less that of the better of acting on everybody and on nobody",
                advantage,
                known,
                accelerated=False,
            ),
        }
        mix = "as among the tested" if self.prevalence is None else f"{self.prevalence:.3g}"
        whole = measuring.finding(
            name,
            f"true alarms for {which} less false ones times {self.threshold / (1 - self.threshold):.3g}, per case, "
            f"acting from a probability of {self.threshold:.3g} on; prevalence {mix}",
            model,
            known,
            parts=parts,
        )
        notes = [_worth(which, parts["advantage"])] if not np.isnan(whole.value) else []
        curves = {} if np.isnan(whole.value) else self._curves(truth, labelled.probability[:, at], measuring)
        return model, replace(whole, curves=curves, notes=(*notes, *whole.notes))

    def _benefit(self, truth: np.ndarray, probability: np.ndarray, threshold: float, measuring: Measuring) -> Statistic:
        found = rates(truth, (probability >= threshold).astype(float), measuring)
        share = mean_statistic(truth, measuring.resamples) if self.prevalence is None else self.prevalence
        return net_benefit_statistic(found["sensitivity"], found["specificity"], share, threshold)

    def _curves(self, truth: np.ndarray, probability: np.ndarray, measuring: Measuring) -> dict[str, dict[str, list]]:
        """The model with its pointwise band, treating all, and treating nobody."""
        grid = np.linspace(self.lowest, max(self.highest, self.lowest + 1e-3), 60)
        said = probability[:, None] >= grid
        resamples = measuring.resamples
        has, has_not = ((truth == value)[:, None] for value in (1, 0))
        sums = [resamples.sum_by_cluster(each) for each in (said & has, said & has_not, has, has_not)]
        # Every threshold and resample in four products; a band needs fewer resamples than an interval.
        model, everybody = self._benefits(sums, grid, np.ones((len(resamples.names), 1)))
        drawn, _ = self._benefits(sums, grid, np.ascontiguousarray(resamples.counts[:, :500]))
        lower, upper = np.nanquantile(drawn, [(1 - self.level) / 2, (1 + self.level) / 2], axis=1)
        lines = {"threshold": grid, "net_benefit": model[:, 0], "lower": lower, "upper": upper}
        return {
            "decision": {axis: line.tolist() for axis, line in lines.items()},
            "decision_treat_all": {"threshold": grid.tolist(), "net_benefit": everybody[:, 0].tolist()},
            "decision_treat_nobody": {"threshold": grid.tolist(), "net_benefit": [0.0] * len(grid)},
        }

    def _benefits(self, sums: list[np.ndarray], grid: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(threshold, column)`` net benefit of the model, and of acting on everybody."""
        hits, alarms, ill, healthy = (each.T @ counts for each in sums)
        share = ill / (ill + healthy) if self.prevalence is None else np.full_like(ill, self.prevalence)
        odds = (grid / (1 - grid))[:, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            return hits / ill * share - alarms / healthy * (1 - share) * odds, share - (1 - share) * odds


def _worth(which: str, advantage: Finding) -> str:
    """The number in plain words."""
    hundred = 100 * advantage.value
    if advantage.interval is not None and advantage.interval[0] > 0:
        return (
            f"acting on the model is worth {hundred:.1f} more true alarms for {which} in 100 cases, at no more false "
            "ones, than the better of acting on everybody and on nobody"
        )
    if advantage.interval is not None and advantage.interval[1] < 0:
        return (
            f"at this threshold acting on everybody, or on nobody, does more good than acting on the model for {which}"
        )
    return f"at this threshold no advantage of the model for {which} is shown over acting on everybody or on nobody"
