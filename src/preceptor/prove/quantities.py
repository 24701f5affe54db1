"""Numbers that were measured and answered, as evaluators of regression and counting read them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas

from preceptor.core.evidence import Finding
from preceptor.maths.intervals import mean_statistic
from preceptor.maths.regression import NORMAL_95, limit_interval, limits_statistic

from .measuring import Measuring, noted, refused


@dataclass(frozen=True, eq=False)
class Quantities:
    """Truth and answer of every row.

    Args:
        measuring: The rows and their resamples.
        truth, answer: ``(row,)``, NaN where unknown.
        unit: Of both.
    """

    measuring: Measuring
    truth: np.ndarray
    answer: np.ndarray
    unit: str

    @classmethod
    def of(cls, measuring: Measuring) -> Quantities:
        table = measuring.predictions.table
        truth, answer = (
            pandas.to_numeric(table[name], errors="coerce").to_numpy(dtype=float) for name in ("truth", "answer")
        )
        return cls(measuring, truth, answer, measuring.predictions.question.unit)

    @property
    def error(self) -> np.ndarray:
        """``(row,)`` answer minus truth."""
        return self.answer - self.truth

    @property
    def known(self) -> np.ndarray:
        """``(row,)`` where both are there."""
        return ~np.isnan(self.error)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out."""
        unanswered = int((~np.isnan(self.truth) & np.isnan(self.answer)).sum())
        return (
            *noted(int(np.isnan(self.truth).sum()), "case{s} without a truth, not measured"),
            *noted(unanswered, "case{s} without an answer, not measured"),
            *refused(self.measuring.predictions),
        )

    def root_mean_square(self, name: str, **more: object) -> Finding:
        """Root of the mean squared error."""
        squares = mean_statistic(self.error**2, self.measuring.resamples)
        return self.measuring.finding(
            name,
            "root of the mean squared difference of answer and truth",
            lambda counts: np.sqrt(squares(counts)),
            self.known,
            unit=self.unit,
            higher_is_better=False,
            **more,  # type: ignore[arg-type]
        )

    def agreement(self, name: str) -> dict[str, Finding]:
        """Bland and Altman's bias and limits of agreement.

        The standard deviation is that of all differences, several of one patient included: the limits are those of a
        single answer to a single image. Where every patient has one image, the limits' intervals are the exact ones of
        normal differences; else patients are resampled.

        Args:
            name: Of the whole finding.

        Source: Bland & Altman 1986, 2007 (several images of a patient); Carkeet 2015 (the exact intervals).
        """
        bias = self.measuring.mean(
            f"{name}.bias",
            "mean of answer minus truth: above 0 the answer is too high",
            self.error,
            unit=self.unit,
            higher_is_better=None,
        )
        return {"bias": bias} | {
            f"{side}_limit": self._limit(f"{name}.{side}_limit", side, factor)
            for side, factor in (("lower", -NORMAL_95), ("upper", NORMAL_95))
        }

    def differences(self) -> dict[str, list[float]]:
        """The curve that a plot of Bland and Altman draws: the mean of truth and answer, and their difference."""
        known = self.known
        mean = (self.truth[known] + self.answer[known]) / 2
        return {"mean of both": np.round(mean, 6).tolist(), "difference": np.round(self.error[known], 6).tolist()}

    def _limit(self, name: str, side: str, factor: float) -> Finding:
        found = self.measuring.finding(
            name,
            f"{side} limit of agreement: mean of answer minus truth {'-' if factor < 0 else '+'} 1.96 standard deviations, "
            "between which 95 % of differences lie if they are normal",
            limits_statistic(self.error, self.measuring.resamples, factor),
            self.known,
            unit=self.unit,
            higher_is_better=None,
        )
        errors = self.error[self.known]
        if len(errors) < 3 or self.measuring.clusters(self.known) < len(errors):
            return found
        interval = limit_interval(
            float(errors.mean()), float(errors.std(ddof=1)), len(errors), factor, self.measuring.level
        )
        method = f"exact for normal differences (Carkeet), {len(errors)} {self.measuring.unit}s"
        return replace(found, interval=interval, method=method, notes=())
