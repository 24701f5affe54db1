"""Failure detection: does the model doubt its wrong answers more than its right ones?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.roc import auroc_statistic
from preceptor.prove.case_losses import CaseLosses, case_losses, failure_limit, has_losses, names_of, score_column
from preceptor.prove.measuring import Measuring, noted


class FailureDetection:
    """AUROC of the stored uncertainty for wrong against right answers: 0.5 is no better than a coin.

    It says how well doubt ranks, and nothing about how many answers are wrong: a poor model may detect its failures
    well. All cases enter, those that a safeguard refused too.

    Args:
        limit: The loss above which an answer has failed. None: any wrong class, any wrong label, a mean Dice below 0.7
            (a loss of 0.3). For a quantity it must be given, in its unit.
        scores: Stored numbers to rank by: ``uncertainty``, or parts such as ``epistemic`` or ``mahalanobis``. The first
            is the headline, each further one a part. None takes the uncertainty.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A `Finding` in 0..1; undefined where no answer, or every answer, is wrong.

    Raises:
        RecipeError: A quantity is asked for, and no limit is given.
        CohortError: A score is not stored, or a map can't be read.

    Source: Hendrycks & Gimpel 2017 (arXiv:1610.02136), section 3; for label maps Jungo 2020
        (doi 10.3389/fnins.2020.00282).

    Example:
        >>> FailureDetection(limit=0.2).limit
        0.2
    """

    def __init__(
        self,
        limit: Annotated[float, Ge(0)] | None = None,
        scores: list[str] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.limit = limit
        self.scores = scores
        self.resamples = resamples
        self.level = level
        self.seed = seed

    @classmethod
    def example(cls) -> FailureDetection:
        return cls()

    def suits(self, question: Question) -> bool:
        return has_losses(question) and (self.limit is not None or not question.is_regression)

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        limit = failure_limit(predictions.question, self.limit, "failure_detection")
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        losses = case_losses(predictions)
        first, *further = names_of(self.scores)
        parts = {
            name: self._measure(f"failure_detection.{name}", name, losses, limit, measuring, {}) for name in further
        }
        return self._measure("failure_detection", first, losses, limit, measuring, parts)

    def _measure(
        self,
        name: str,
        score: str,
        losses: CaseLosses,
        limit: float,
        measuring: Measuring,
        parts: dict[str, Finding],
    ) -> Finding:
        doubt, failed = score_column(measuring.predictions, score), losses.failed(limit)
        failed = np.where(np.isnan(doubt), np.nan, failed)
        entered = ~np.isnan(failed)
        wrong, right = int((failed == 1).sum()), int((failed == 0).sum())
        notes = [f"{wrong} failed, {right} did not"]
        if not wrong or not right:
            notes.append("undefined: there is nothing to tell apart")
        notes += noted(int((~entered).sum()), f"case{{s}} without a truth or without {score}, not measured")
        return measuring.finding(
            name,
            f"chance that an answer that failed has more {score} than one that did not, ties counting one half; failed: "
            f"{losses.meaning}, above {limit:g}{' ' + losses.unit if losses.unit else ''}",
            auroc_statistic(failed, doubt, measuring.resamples),
            entered,
            accelerated=False,
            trials=min(measuring.clusters(failed == 1), measuring.clusters(failed == 0)),
            notes=notes,
            parts=parts,
        )
