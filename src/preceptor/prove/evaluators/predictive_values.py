"""Predictive values where the model is to be used: of those it calls ill, how many are?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.errors import RecipeError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.decisions import predictive_values
from preceptor.maths.intervals import Statistic, clopper_pearson
from preceptor.prove.labelled import Labelled, answer_matrix
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.one_against_rest import measure_classes, rates

_SIDES = ("positive", "negative")


class PredictiveValues:
    """Positive and negative predictive value at the prevalences of the clinic, by Bayes' rule.

    A test set with as many ill as healthy says nothing of how often an alarm is right where one in a hundred is ill.
    Sensitivity and specificity are taken from the test cases (by the stored answers), the mix from the clinic. They
    hold there if the clinic's ill and healthy resemble the tested ones; if milder disease is seen, they do not.

    Args:
        prevalences: Of the condition where the model is to be used, each between 0 and 1. The first one leads.
        of: The class or label meant; by default the second of two classes, and every class or label of more.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding`: the positive predictive value at the first prevalence (of several classes, their mean), with the
        parts ``positive at 0.02``, ``negative at 0.02`` … and curves over the prevalence.

    Raises:
        RecipeError: A prevalence lies outside 0..1, or there is none.

    Source: Altman & Bland 1994 (BMJ 309:102); intervals by resampling both rates.

    Example:
        >>> PredictiveValues(prevalences=[0.02, 0.1]).prevalences
        [0.02, 0.1]
    """

    def __init__(
        self,
        prevalences: list[float],
        of: str | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        if not prevalences or not all(0 < each < 1 for each in prevalences):
            raise RecipeError(
                "the clinic's prevalence lies between 0 and 1",
                expected="a list such as [0.02, 0.1]",
                code="prevalence_range",
            )
        self.prevalences = prevalences
        self.of = of
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> PredictiveValues:
        return cls(prevalences=[0.1])

    def suits(self, question: Question) -> bool:
        return not question.dense and not question.is_regression and self.of in (None, *question.classes)

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        labelled, said = Labelled.of(predictions), answer_matrix(predictions)
        if self.of is not None:
            labelled = replace(labelled, asked=(labelled.classes.index(self.of),))

        def by_class(at: int, name: str) -> tuple[Statistic, Finding]:
            return self._of_class(name, labelled, said[:, at], at, measuring)

        definition = f"positive predictive value at a prevalence of {self.prevalences[0]:.3g}"
        return measure_classes("predictive_values", definition, measuring, labelled, by_class)

    def _of_class(
        self, name: str, labelled: Labelled, said: np.ndarray, at: int, measuring: Measuring
    ) -> tuple[Statistic, Finding]:
        which, truth = labelled.classes[at], labelled.truth[:, at]
        known = labelled.known(at) & ~np.isnan(said)
        found = rates(truth, said, measuring)
        counted = {rate: measuring.clusters(known & (truth == value)) for rate, value in _OF_WHOM.items()}
        one = np.ones((len(measuring.resamples.names), 1))
        rate = {each: float(found[each](one)[0]) for each in _OF_WHOM}
        parts: dict[str, Finding] = {}
        for prevalence in dict.fromkeys(self.prevalences):
            for side in (0, 1):
                made = measuring.finding(
                    f"{name}.{_SIDES[side]} at {prevalence:g}",
                    f"of cases called {'with' if side == 0 else 'without'} {which} the share that is so, where "
                    f"{prevalence:.3g} of all have it",
                    _statistic(found, prevalence, side),
                    known,
                )
                parts[f"{_SIDES[side]} at {prevalence:g}"] = self._bounded(made, rate, counted, prevalence, side)
        lead = parts[f"positive at {self.prevalences[0]:g}"]
        tested = float(np.mean(truth[known])) if known.any() else float("nan")
        notes = (
            f"sensitivity {rate['sensitivity']:.3f}, specificity {rate['specificity']:.3f}; "
            f"among the tested {tested:.3f} have {which}",
            *lead.notes,
        )
        curves = {} if np.isnan(lead.value) else {"predictive": _curve(rate, 0), "predictive_negative": _curve(rate, 1)}
        whole = replace(lead, name=name, parts=parts, notes=notes, curves=curves)
        return _statistic(found, self.prevalences[0], 0), whole

    def _bounded(
        self, made: Finding, rate: dict[str, float], counted: dict[str, int], prevalence: float, side: int
    ) -> Finding:
        """Where no error was seen every resample says 0 or 1: then the exact bound of the rate that was perfect."""
        if made.interval is None or made.interval[0] != made.interval[1] or made.value not in (0.0, 1.0):
            return made
        bound = {}
        for each, value in rate.items():
            exact = clopper_pearson(round(value * counted[each]), counted[each], self.level)
            bound[each] = (exact.lower, exact.upper)
        ends = [
            float(
                predictive_values(np.array(bound["sensitivity"][k]), np.array(bound["specificity"][k]), prevalence)[
                    side
                ]
            )
            for k in (0, 1)
        ]
        interval = (min(*ends, made.value), max(*ends, made.value))
        return replace(
            made,
            interval=interval,
            method=f"the same in every resample: from the exact intervals of both rates ({counted['sensitivity']} and "
            f"{counted['specificity']} clusters, Clopper-Pearson)",
        )


_OF_WHOM = {"sensitivity": 1, "specificity": 0}


def _statistic(found: Mapping[str, Statistic], prevalence: float, side: int) -> Statistic:
    return lambda counts: predictive_values(found["sensitivity"](counts), found["specificity"](counts), prevalence)[
        side
    ]


def _curve(rate: dict[str, float], side: int) -> dict[str, list]:
    grid = np.geomspace(0.001, 0.5, 60)
    values = predictive_values(np.array(rate["sensitivity"]), np.array(rate["specificity"]), grid)[side]
    shown = np.isfinite(values)
    axis = f"{_SIDES[side]}_predictive_value"
    return {"prevalence": grid[shown].tolist(), axis: values[shown].tolist()}
