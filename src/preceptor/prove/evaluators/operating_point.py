"""The operating point: how the model does at a threshold that was chosen before the test cases were looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError, RecipeError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.decisions import choose_threshold
from preceptor.maths.intervals import Statistic, average_of
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring, by_field
from preceptor.prove.one_against_rest import measure_classes, rates

_TOLD = {
    "sensitivity": "cases with {name} that score at the threshold or above, over all cases with it",
    "specificity": "cases without {name} that score below the threshold, over all cases without it",
    "positive_predictive_value": "cases with {name}, over all that score at the threshold or above",
    "negative_predictive_value": "cases without {name}, over all that score below the threshold",
}


class OperatingPoint:
    """Sensitivity and specificity at a threshold chosen on the tuning cases by a rule, never on the test cases.

    A threshold that is chosen on the cases it is then measured on looks better than it is. Each fit has its own; of
    classes that exclude each other each is held against the rest. The threshold is a part of the finding, and so
    stated.

    Args:
        rule: ``youden`` (the largest sum of sensitivity and specificity), ``sensitivity`` or ``specificity`` (the
            threshold that just reaches `at`), ``threshold`` (`at` itself, named beforehand).
        at: What is asked of sensitivity or specificity, or the threshold, each in 0..1; of thresholds also ``{class:
            threshold}``.
        resamples: Of patients, for the intervals. They do not include the choice of the threshold.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding`: balanced accuracy (the mean of the two rates), with the parts ``sensitivity``, ``specificity``,
        ``positive_predictive_value``, ``negative_predictive_value`` and ``threshold``, and a part per class where there
        are several.

    Raises:
        RecipeError: `at` is missing, or given where the rule takes none.
        CohortError: No tuning case was predicted, or a class is absent among them.

    Source: Youden 1950; why another split: Leeflang 2008 (Clin Chem 54:729).

    Example:
        >>> OperatingPoint("sensitivity", at=0.95).fit_role
        'tune'
    """

    fit_role = "tune"

    def __init__(
        self,
        rule: Literal["youden", "sensitivity", "specificity", "threshold"],
        at: float | dict[str, float] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        given = list(at.values()) if isinstance(at, dict) else [] if at is None else [at]
        if bool(given) == (rule == "youden") or (isinstance(at, dict) and rule != "threshold"):
            raise RecipeError(
                f"the rule {rule} {'takes no such' if given else 'asks for'} `at`",
                expected="{rule: youden}, or such as {rule: sensitivity, at: 0.95}",
                code="operating_point_at",
            )
        if not all(0 <= each <= 1 for each in given):
            raise RecipeError("`at` lies within 0..1", expected="such as 0.95", code="operating_point_at")
        self.rule = rule
        self.at = at
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by
        self._thresholds: Mapping[str, Mapping[str, float]] | None = None
        self._chosen_on = ""

    @classmethod
    def example(cls) -> OperatingPoint:
        return cls("threshold", at=0.5)

    def suits(self, question: Question) -> bool:
        named = not isinstance(self.at, dict) or set(self.at) <= set(question.classes)
        return not question.dense and not question.is_regression and named

    def fit(self, predictions: Predictions) -> dict[str, Any]:
        """The threshold of every fit and class.

        Args:
            predictions: Of the tuning cases.

        Raises:
            CohortError: There are none, or a class is absent among them.
        """
        if self.rule == "threshold":
            return {"thresholds": {}, "cases": 0}
        if not len(predictions):
            raise _no_tuning_case()
        thresholds: dict[str, dict[str, float]] = {}
        for fit in predictions.table["fit"].astype(str).unique():
            labelled = Labelled.of(predictions.where(predictions.table["fit"].astype(str) == fit))
            thresholds[fit] = {labelled.classes[at]: self._chosen(labelled, at) for at in labelled.asked}
        return {"thresholds": thresholds, "cases": int(predictions.table["key"].nunique())}

    def with_state(self, state: Mapping[str, Any]) -> OperatingPoint:
        fitted = OperatingPoint(self.rule, self.at, self.resamples, self.level, self.seed, self.by)
        if self.rule != "threshold":
            fitted._thresholds = state["thresholds"]
            asked = f" of at least {self.at:g}" if isinstance(self.at, float | int) else ""
            fitted._chosen_on = f"chosen on {state['cases']} tuning cases by {self.rule}{asked}"
        return fitted

    def stated(self, finding: Finding) -> dict[str, Any]:
        """With the thresholds that a run chose named, for cohorts without tuning cases.

        Args:
            finding: Of this evaluator in that run.
        """
        own = finding.parts.get("threshold")
        at: Any = own.value if own else {k: p.parts["threshold"].value for k, p in finding.parts.items() if p.parts}
        settings = {"rule": "threshold", "at": at, "resamples": self.resamples, "level": self.level, "seed": self.seed}
        return {"operating_point": {**settings, "by": self.by}}

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        if self.rule != "threshold" and self._thresholds is None:
            raise _no_tuning_case()
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _chosen(self, labelled: Labelled, at: int) -> float:
        known, asked = labelled.known(at), self.at if isinstance(self.at, float | int) else None
        assert self.rule != "threshold"  # `fit` chooses none then
        try:
            return choose_threshold(labelled.truth[known, at], labelled.probability[known, at], self.rule, asked)
        except ValueError as error:
            raise CohortError(
                f"no threshold can be chosen for {labelled.classes[at]}: {error}",
                where="evaluate.operating_point",
                expected="tuning cases with and without it",
                remedy="a larger tune share, stratified by the label",
                code="tune_one_sided",
            ) from error

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        labelled = Labelled.of(predictions)

        def by_class(at: int, name: str) -> tuple[Statistic, Finding]:
            return self._of_class(name, labelled, at, measuring)

        definition = "mean of sensitivity and specificity at the threshold"
        return measure_classes("operating_point", definition, measuring, labelled, by_class)

    def _of_class(self, name: str, labelled: Labelled, at: int, measuring: Measuring) -> tuple[Statistic, Finding]:
        which, truth = labelled.classes[at], labelled.truth[:, at]
        threshold = self._threshold_of(measuring.predictions, which)
        said = (labelled.probability[:, at] >= threshold).astype(float)
        found = rates(truth, said, measuring)
        known = labelled.known(at)
        trials = {"sensitivity": truth == 1, "specificity": truth == 0}
        trials |= {"positive_predictive_value": known & (said == 1), "negative_predictive_value": known & (said == 0)}
        parts = {
            part: measuring.finding(
                f"{name}.{part}",
                told.format(name=which),
                found[part],
                trials[part],
                trials=measuring.clusters(trials[part]),
            )
            for part, told in _TOLD.items()
        }
        used = np.unique(threshold)
        where = self._chosen_on or "named beforehand"
        parts["threshold"] = replace(
            measuring.finding(f"{name}.threshold", "", lambda counts: np.full(counts.shape[1], used.mean()), known),
            definition=f"probability of {which} from which on a case is called positive, {where}",
            method=where,
            interval=None,
            higher_is_better=None,
            bootstrap=None,
            notes=() if len(used) == 1 else (f"{len(used)} fits with thresholds of their own; this is their mean",),
        )
        both = average_of([found["sensitivity"], found["specificity"]])
        shown = f"threshold {used[0]:.3f}" if len(used) == 1 else f"thresholds {used.min():.3f} to {used.max():.3f}"
        whole = measuring.finding(
            name,
            f"mean of sensitivity and specificity for {which} at the threshold",
            both,
            known,
            trials=min(measuring.clusters(truth == 1), measuring.clusters(truth == 0)),
            parts=parts,
            notes=(f"{shown}, {where}",),
        )
        return both, whole

    def _threshold_of(self, predictions: Predictions, which: str) -> np.ndarray:
        """``(row,)`` each row's threshold: that of its fit."""
        if self._thresholds is None:
            at = self.at.get(which) if isinstance(self.at, dict) else self.at
            if at is None:
                raise CohortError(f"no threshold is named for {which}", where="evaluate.operating_point", code="no_at")
            return np.full(len(predictions), float(at))
        fits = predictions.table["fit"].astype(str)
        unknown = sorted(set(fits) - set(self._thresholds))
        if unknown:
            raise CohortError(
                f"no threshold was chosen for the fit {unknown[0]}: none of its tuning cases was predicted",
                where="evaluate.operating_point",
                code="no_tune_predictions",
            )
        return fits.map({fit: each[which] for fit, each in self._thresholds.items()}).to_numpy(dtype=float)


def _no_tuning_case() -> CohortError:
    return CohortError(
        "no threshold can be chosen: the predictions hold no case with the role 'tune'",
        where="evaluate.operating_point",
        expected="stored predictions of the tuning cases, and a tune share in `split`",
        remedy="name the threshold beforehand: {operating_point: {rule: threshold, at: 0.5}}",
        code="no_tune_predictions",
    )
