"""Predicted quality: does the Dice that a safeguard foretold agree with the real one, and does it find the failures?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import Resamples, Statistic
from preceptor.maths.overlap import dice, overlap
from preceptor.maths.roc import auroc_statistic
from preceptor.prove.maps import pairs
from preceptor.prove.measuring import Measuring, by_field, noted


class PredictedQuality:
    """Pearson correlation between the Dice that was foretold without truth and the real one.

    Reads what a safeguard such as ``reverse_classification`` or ``member_agreement`` left of each case, and measures the
    real Dice (mean over structures; a structure that truth and answer both lack does not enter).

    Args:
        part: Which part of the answers foretells.
        failure: A real Dice below this is a failure.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in -1..1 with the parts ``mean_absolute_error``, ``mean_absolute_error.<tenth>`` for each tenth of
        the real Dice (such as ``0.6-0.7``), ``bias`` (foretold minus real), ``failures`` (AUROC of a low foretold Dice
        for a real failure; undefined without any, or without a success), and the curve ``agreement`` with the axes
        ``real, foretold``.

    Raises:
        CohortError: A stored answer is missing or holds a value that stands for no class.

    Source: Valindria 2017 (arXiv:1702.03407), section III (correlation, mean absolute error); AUROC: Hanley & McNeil
        1982.

    Example:
        >>> question = Question("segmentation", "label", ("background", "organ"), dense=True, values=(0, 1))
        >>> PredictedQuality().suits(question)
        True
    """

    def __init__(
        self,
        part: str = "predicted_dice",
        failure: Annotated[float, Gt(0), Lt(1)] = 0.7,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.part = part
        self.failure = failure
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> PredictedQuality:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.dense and question.exclusive and not question.is_regression

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        real = np.full(len(predictions), np.nan)
        classes = len(predictions.question.classes)
        for pair in pairs(predictions):
            each = dice(overlap(pair.truth, pair.answer, classes))[1:]
            real[pair.row] = np.mean(each[~np.isnan(each)]) if not np.isnan(each).all() else np.nan
        column = predictions.table.get(f"part:{self.part}")
        foretold = np.full(len(real), np.nan) if column is None else column.to_numpy(dtype=float)
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        return self.compare(foretold, real, measuring)

    def compare(self, foretold: np.ndarray, real: np.ndarray, measuring: Measuring) -> Finding:
        """The finding, from both numbers of each row.

        Args:
            foretold, real: ``(row,)``, NaN where unknown.
            measuring: Of the same rows.
        """
        known = ~np.isnan(foretold) & ~np.isnan(real)
        notes = noted(int((np.isnan(foretold) & ~np.isnan(real)).sum()), f"case{{s}} without the part {self.part}")
        foretold, real = np.where(known, foretold, np.nan), np.where(known, real, np.nan)
        error = np.abs(foretold - real)
        failed = np.where(known, real < self.failure, np.nan)
        parts = {
            "mean_absolute_error": self._error(measuring, error, real),
            "bias": measuring.mean(
                "predicted_quality.bias",
                "foretold minus real Dice, mean over cases",
                foretold - real,
                higher_is_better=None,
            ),
            "failures": measuring.finding(
                "predicted_quality.failures",
                f"chance that a case whose real Dice is below {self.failure:g} was foretold a lower Dice than one whose "
                "is not, ties counting one half",
                auroc_statistic(failed, np.where(known, -foretold, 0.0), measuring.resamples),
                known,
                trials=measuring.clusters(known),
                notes=(f"{int(np.nansum(failed))} failures among {int(known.sum())}",),
            ),
        }
        at = known.nonzero()[0]
        curve = {"real": np.round(real[at], 6).tolist(), "foretold": np.round(foretold[at], 6).tolist()}
        return measuring.finding(
            "predicted_quality",
            "Pearson correlation between the Dice foretold without truth and the real one, over cases",
            _correlation_statistic(foretold, real, measuring.resamples),
            known,
            notes=notes,
            parts=parts,
            per_case=measuring.per_case(foretold),
            curves={"agreement": curve},
        )

    def _error(self, measuring: Measuring, error: np.ndarray, real: np.ndarray) -> Finding:
        tenths = np.clip(np.floor(np.nan_to_num(real, nan=-1.0) * 10 + 1e-9), -1, 9)
        parts = {}
        for tenth in range(10):
            inside = tenths == tenth
            if inside.any():
                name = f"{tenth / 10:.1f}-{(tenth + 1) / 10:.1f}"
                parts[name] = measuring.mean(
                    f"predicted_quality.mean_absolute_error.{name}",
                    f"absolute difference between foretold and real Dice where the real one is {name}",
                    np.where(inside, error, np.nan),
                    higher_is_better=False,
                )
        definition = "absolute difference between foretold and real Dice, mean over cases"
        name = "predicted_quality.mean_absolute_error"
        return measuring.mean(name, definition, error, higher_is_better=False, parts=parts)


def _correlation_statistic(first: np.ndarray, second: np.ndarray, resamples: Resamples) -> Statistic:
    """Pearson correlation of resampled clusters from five sums a cluster; NaN where either is constant."""
    known = ~np.isnan(first) & ~np.isnan(second)
    # About their means, so that the difference of large sums loses no digits.
    x = np.where(known, first - np.mean(first[known]) if known.any() else 0.0, 0.0)
    y = np.where(known, second - np.mean(second[known]) if known.any() else 0.0, 0.0)
    columns = (known.astype(float), x, y, x * x, y * y, x * y)
    sums = [resamples.sum_by_cluster(column) for column in columns]

    def statistic(counts: np.ndarray) -> np.ndarray:
        n, sx, sy, sxx, syy, sxy = (column @ counts for column in sums)
        with np.errstate(divide="ignore", invalid="ignore"):
            above = sxy - sx * sy / n
            below = np.sqrt(np.maximum(sxx - sx**2 / n, 0) * np.maximum(syy - sy**2 / n, 0))
            return np.where((n > 1) & (below > 1e-12), above / below, np.nan)

    return statistic
