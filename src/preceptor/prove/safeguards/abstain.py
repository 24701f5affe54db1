"""Abstaining: answers that are doubted too much are not given, at a level that the recipe asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Le, Lt

from preceptor.core.cohort import Sample
from preceptor.core.errors import RecipeError, Refusal
from preceptor.core.evidence import Predictions, Question
from preceptor.core.plugins import Prediction
from preceptor.maths.conformal import conformal_quantile
from preceptor.maths.overlap import dice, overlap
from preceptor.maths.selective import threshold_for_error
from preceptor.prove.case_losses import FAILED_DICE, case_losses, score_column


class Abstain:
    """Refuses an answer whose uncertainty is above a threshold, chosen on calibration cases so that a level is kept.

    By ``coverage``: of new cases like those at least that share is answered, on average. By ``error``: of the patients
    that are answered at most that share is answered wrongly, with the stated confidence; the threshold is the largest
    one tried that keeps it. Wrong is a wrong class, any wrong label, or a mean Dice below `dice` (as estimated on the
    stored voxels of each calibration case). Nothing is promised for a subgroup, or for cases of another kind: put
    `input_control` or `mahalanobis` beside it.

    Put it after whatever changes the uncertainty. It reads ``Prediction.uncertainty``, or one of its `parts`.

    Args:
        coverage: Share of cases to answer; None, where `error` is given.
        error: Share of wrong answers among the answered; None, where `coverage` is given.
        confidence: That the error is kept.
        score: ``uncertainty``, or a part that is there by then, such as ``epistemic``.
        dice: Label maps with a lower mean Dice are wrong.

    Raises:
        RecipeError: Both levels are asked, or none.
        Refusal: At the fit, where no threshold keeps the error, nothing is labelled or doubted, or the calibration
            patients are too few for the coverage (0.9 needs 9, 0.95 needs 19): nothing would ever be refused.

    Source: error: Geifman & El-Yaniv 2017 (arXiv:1705.08500), algorithm 1; coverage: split conformal, Vovk 2005.

    Example:
        >>> Abstain(error=0.05).error
        0.05
    """

    fit_role = "calibrate"

    def __init__(
        self,
        coverage: Annotated[float, Gt(0), Le(1)] | None = None,
        error: Annotated[float, Gt(0), Lt(1)] | None = None,
        confidence: Annotated[float, Gt(0), Lt(1)] = 0.95,
        score: str = "uncertainty",
        dice: Annotated[float, Gt(0), Le(1)] = FAILED_DICE,
    ) -> None:
        if (coverage is None) == (error is None):
            raise RecipeError(
                "abstain keeps one level, and the recipe asks for " + ("none" if error is None else "two"),
                where="safeguards.abstain",
                expected="either coverage or error",
                remedy="{abstain: {error: 0.05}} or {abstain: {coverage: 0.9}}",
                code="abstain_level",
            )
        self.coverage = coverage
        self.error = error
        self.confidence = confidence
        self.score = score
        self.dice = dice
        self.limit: float | None = None

    @classmethod
    def example(cls) -> Abstain:
        return cls(coverage=0.8)

    def suits(self, question: Question) -> bool:
        return self.error is None or not question.is_regression

    def fit(self, predictions: Predictions, samples: Callable[[], Iterator[Sample]]) -> dict[str, Any]:
        """The uncertainty beyond which nothing is answered.

        Args:
            predictions: Of the calibration cases.
            samples: Not looked at.
        """
        doubt = score_column(predictions, self.score)
        patients = predictions.clusters()
        if self.error is None:
            assert self.coverage is not None  # one of the two is given
            known = ~np.isnan(doubt)
            reached = conformal_quantile(doubt[known], self.coverage, patients[known])
            if np.isinf(reached) and self.coverage < 1:
                raise Refusal(
                    f"{len(np.unique(patients[known]))} calibration patients are too few to refuse anybody and still "
                    f"answer {100 * self.coverage:g} % of cases",
                    where="safeguards.abstain",
                    expected=f"{int(np.ceil(self.coverage / (1 - self.coverage) - 1e-9))} or more",
                    remedy="give `split` a larger calibrate share, or answer fewer",
                    code="calibrate_too_few",
                )
            return {"limit": min(reached, 1e300)}
        wrong = self._wrong(predictions)
        known = ~np.isnan(doubt + wrong)
        limit = threshold_for_error(doubt[known], wrong[known] == 1, self.error, self.confidence, patients[known])
        if limit is None:
            number = len(np.unique(patients[known]))
            raise Refusal(
                f"no threshold keeps the errors at {100 * self.error:g} % with {100 * self.confidence:g} % confidence",
                where="safeguards.abstain",
                expected=f"enough calibration patients that the model is sure and right about; there are {number}",
                remedy="give `split` a larger calibrate share, allow more errors, or mend the model",
                code="abstain_unreachable",
            )
        return {"limit": limit}

    def with_state(self, state: Mapping[str, Any]) -> Abstain:
        fitted = Abstain(self.coverage, self.error, self.confidence, self.score, self.dice)
        fitted.limit = float(state["limit"])
        return fitted

    def __call__(self, prediction: Prediction) -> Prediction:
        if self.limit is None:
            return prediction
        doubt = prediction.uncertainty if self.score == "uncertainty" else prediction.parts.get(self.score, np.nan)
        if np.isnan(doubt):
            prediction.refuse(f"it is not known how sure the answer is: there is no {self.score}")
        elif doubt > self.limit:
            kept = (
                f"{100 * self.coverage:g} % of cases are answered"
                if self.coverage is not None
                else f"at most {100 * (self.error or 0):g} % of answers are wrong"
            )
            prediction.refuse(
                f"the answer is not sure enough ({self.score} {doubt:.3g}; up to {self.limit:.3g} {kept})"
            )
        return prediction

    def _wrong(self, predictions: Predictions) -> np.ndarray:
        """``(case,)`` 1 where wrong, 0 where right, NaN where it is not known."""
        if not predictions.question.dense:
            return case_losses(predictions).failed(0.0)
        found = np.full(len(predictions), np.nan)
        if predictions.voxels is None:
            return found
        classes = predictions.question.classes
        by_key = dict(iter(predictions.voxels.groupby("key")))
        for row, key in enumerate(predictions.table["key"]):
            if key in by_key:
                said = by_key[key][[f"probability_{name}" for name in classes]].to_numpy().argmax(1)
                each = dice(overlap(by_key[key]["truth"].to_numpy(), said, len(classes)))[1:]
                found[row] = float(np.where(np.isnan(each), 1.0, each).mean() < self.dice)
        return found
