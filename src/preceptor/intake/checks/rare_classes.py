"""A rare condition judged by right answers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt

from preceptor.core.cohort import Case, Cohort, Sample
from preceptor.core.errors import Problem
from preceptor.core.plugins import Task

#: Evaluators that read the ranking, the probabilities, or the mix of the clinic: any of them shows what accuracy hides.
_TELLING = (
    "average_precision",
    "calibration",
    "decision_curve",
    "operating_point",
    "predictive_values",
    "roc",
    "roc_within",
)


class RareClasses:
    """A condition that few cases have, in a recipe that measures nothing but the share of right answers: a warning.

    Where one in fifty is ill, "healthy" to everybody is right in 98 % of cases; and of a model with a sensitivity and a
    specificity of 0.9 five alarms in six are false. Neither accuracy nor balanced accuracy shows it.

    Args:
        below: Share of the labelled cases under which a class or label is rare.
        judged_by: The evaluators of the recipe, filled in when it is read; None says nothing.

    Raises: nothing; it returns `Problem` records.

    Source: own; which measures fit which prevalence: Maier-Hein 2024 (Metrics Reloaded, doi:10.1038/s41592-023-02151-z).

    Example:
        >>> RareClasses(judged_by=["confusion"])(Cohort((), Path()), {}, None)
        []
    """

    reads = "nothing"

    def __init__(self, below: Annotated[float, Gt(0), Lt(1)] = 0.1, judged_by: list[str] | None = None) -> None:
        self.below = below
        self.judged_by = judged_by

    @classmethod
    def example(cls) -> RareClasses:
        return cls(judged_by=["confusion"])

    def look(self, case: Case, sample: Sample | None, error: Exception | None) -> Any:
        return None

    def __call__(self, cohort: Cohort, facts: Mapping[str, Any], task: Task | None) -> list[Problem]:
        if task is None or task.question.dense or task.question.is_regression:
            return []
        if not self.judged_by or set(self.judged_by) & set(_TELLING):
            return []
        cases = cohort.with_role("test", "external") or cohort.cases
        share = {name: each for name, each in _shares(cases, task).items() if 0 < each < self.below}
        if not share:
            return []
        rarest = min(share, key=lambda name: share[name])
        prevalence = share[rarest]
        right = 0.9 * prevalence / (0.9 * prevalence + 0.1 * (1 - prevalence))
        listed = ", ".join(f"{name} {each:.1%}" for name, each in share.items())
        return [
            Problem(
                f"rare among the cases to be tested ({listed}), and judged by right answers alone: saying no to all is "
                f"right in {1 - prevalence:.1%}, and with a sensitivity and a specificity of 0.9 only {right:.0%} of the "
                f"alarms for {rarest} would be true",
                "evaluate",
                "measures that fit a rare condition: roc and average_precision (ranking), calibration, and "
                "predictive_values at the clinic's prevalence or decision_curve at its threshold",
                f"add them: evaluate: [{', '.join(self.judged_by)}, roc, average_precision, "
                f"{{predictive_values: {{prevalences: [{prevalence:.2g}]}}}}]",
                "rare_by_accuracy",
                severity="warning",
            )
        ]


def _shares(cases: tuple[Case, ...], task: Task) -> dict[str, float]:
    """How common each class or label is among the labelled cases."""
    question = task.question
    encoded = [np.asarray(task.encode(case)[question.target]) for case in cases]
    if not encoded:
        return {}
    if question.exclusive:
        index = np.array([int(each) for each in encoded])
        counted = np.bincount(index[index >= 0], minlength=len(question.classes))
        return dict(zip(question.classes, (counted / max(counted.sum(), 1)).tolist(), strict=True))
    labels = np.array(encoded, dtype=float)
    known = ~np.isnan(labels)
    shares = np.where(known, labels, 0).sum(0) / np.maximum(known.sum(0), 1)
    return dict(zip(question.classes, shares.tolist(), strict=True))
