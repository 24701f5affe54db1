"""Conformal coverage: is the promise of the sets, intervals and bounds kept, and in every subgroup?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.prove.case_losses import case_losses
from preceptor.prove.measuring import Measuring, noted


class ConformalCoverage:
    """Share of cases whose truth lies in the set, the interval, or above the bound that `conformal` gave.

    The promise holds on average over all cases; so the coverage of each true class stands beside it, and of each value
    of the fields named. With them stands how much the sets say: the mean number of classes, the mean width of intervals,
    or the mean bound on Dice; and the share of cases with exactly one class.

    Args:
        by: Fields of the cohort to divide by: a part for each value.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A `Finding` in 0..1 with the parts ``set size`` and ``single`` (or ``width``, or ``bound``), ``true <class>``, and
        ``field=value``. Neither higher nor lower is better: it should be what was promised.

    Raises:
        CohortError: The predictions hold nothing that `conformal` leaves.

    Source: Vovk 2005; coverage by group: Romano 2020 (arXiv:1908.05428).

    Example:
        >>> ConformalCoverage(by=["site"]).by
        ['site']
    """

    def __init__(
        self,
        by: list[str] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.by = by
        self.resamples = resamples
        self.level = level
        self.seed = seed

    @classmethod
    def example(cls) -> ConformalCoverage:
        return cls()

    def suits(self, question: Question) -> bool:
        return (question.exclusive and not question.is_regression) or question.task == "regression"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        question, table = predictions.question, predictions.table
        covered, sizes = _read(predictions)
        parts = {
            name: measuring.mean(f"conformal_coverage.{name}", definition, values, share=share, higher_is_better=better)
            for name, (definition, values, share, better) in sizes.items()
        }
        if not question.dense and not question.is_regression:
            for name in question.classes:
                of_class = np.where(table["truth"].to_numpy() == name, covered, np.nan)
                if not np.isnan(of_class).all():
                    parts[f"true {name}"] = self._covered(f"true {name}", of_class, measuring)
        missing = []
        for field in self.by or ():
            column = table.get(f"field:{field}", table.get(field))
            if column is None:
                missing.append(f"no field '{field}' to divide by")
                continue
            for value in sorted(column.dropna().unique(), key=str):
                of_value = np.where(column.to_numpy() == value, covered, np.nan)
                if not np.isnan(of_value).all():
                    parts[f"{field}={value}"] = self._covered(f"{field}={value}", of_value, measuring)
        unknown = noted(int(np.isnan(covered).sum()), "case{s} without a truth or without a set, not measured")
        return measuring.mean(
            "conformal_coverage",
            "share of cases whose truth is in what conformal prediction promises",
            covered,
            share=True,
            higher_is_better=None,
            notes=(*unknown, *missing),
            parts=parts,
        )

    def _covered(self, name: str, values: np.ndarray, measuring: Measuring) -> Finding:
        definition = f"{name}: share of cases whose truth is in what conformal prediction promises"
        return measuring.mean(f"conformal_coverage.{name}", definition, values, share=True, higher_is_better=None)


_Size = tuple[str, np.ndarray, bool, bool]


def _read(predictions: Predictions) -> tuple[np.ndarray, dict[str, _Size]]:
    """``(row,)`` 1 where the truth is covered; and how much the promises say."""
    table, question = predictions.table, predictions.question
    if question.dense:
        bound = _stored(predictions, "dice_at_least")
        reached = 1 - case_losses(predictions).values
        covered = np.where(np.isnan(bound + reached), np.nan, (reached >= bound - 1e-9).astype(float))
        return covered, {"bound": ("mean lower bound on the Dice", bound, True, True)}
    if question.is_regression:
        lower, upper = _stored(predictions, "lower"), _stored(predictions, "upper")
        truth = table["truth"].to_numpy(dtype=float)
        inside = (truth >= lower) & (truth <= upper)
        unit = f", in {question.unit}" if question.unit else ""
        covered = np.where(np.isnan(truth + lower + upper), np.nan, inside.astype(float))
        width = np.where(np.isfinite(upper - lower), upper - lower, np.nan)
        return covered, {"width": (f"mean width of the intervals that have ends{unit}", width, False, False)}
    held = np.stack([_stored(predictions, f"in_set_{name}") for name in question.classes], axis=1)
    truth = predictions.truth_index()
    of_truth = np.take_along_axis(held, np.maximum(truth, 0)[:, None], 1)[:, 0]
    size = held.sum(1)
    single = np.where(np.isnan(size), np.nan, (size == 1).astype(float))
    return np.where(truth >= 0, of_truth, np.nan), {
        "set size": ("mean number of classes in a set", size, False, False),
        "single": ("share of cases with exactly one class in the set", single, True, True),
    }


def _stored(predictions: Predictions, name: str) -> np.ndarray:
    column = predictions.table.get(f"part:{name}")
    if column is None:
        raise CohortError(
            "the predictions hold no conformal set, interval or bound",
            where=f"the column part:{name}",
            expected="what the safeguard conformal leaves",
            remedy="add conformal to the recipe's safeguards",
            code="conformal_missing",
        )
    return column.to_numpy(dtype=float)
