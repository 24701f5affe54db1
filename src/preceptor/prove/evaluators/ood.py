"""Foreign cases: does a number the model leaves tell cases it was not made for from those it was?"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.roc import auroc_statistic
from preceptor.prove.case_losses import names_of, score_column
from preceptor.prove.measuring import Measuring, noted


class Ood:
    """AUROC of a stored number for foreign against own cases, and the shares of both that were refused.

    Foreign are the cases with the role ``external``, or those whose field says so; own are test cases. Anything may be
    foreign: another body part, a turned image, noise. How well one kind is told says nothing about another, so name the
    kinds by `field`: each value is a part.

    Args:
        field: Of the cohort: its values in `foreign` are foreign cases, among test and external ones. None takes the
            role ``external``; every value of the field is foreign where `foreign` is not given, and rows without a
            value are own.
        foreign: Values of the field.
        scores: Stored numbers that should be higher for foreign cases: ``uncertainty``, or parts such as
            ``mahalanobis``, ``nearest_neighbours``, ``energy``, ``appearance``. The first is the headline, each further
            one a part. None takes the uncertainty. A case without the number (refused before it was asked) counts as
            the most foreign of all.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.

    Returns:
        A `Finding` in 0..1, with the parts ``refused foreign``, ``refused own``, one for each kind and each further
        score; undefined where there are no foreign cases, or nothing else.

    Raises:
        CohortError: A score is not stored.

    Source: Hendrycks & Gimpel 2017 (arXiv:1610.02136).

    Example:
        >>> Ood(scores=["mahalanobis", "uncertainty"]).scores[0]
        'mahalanobis'
    """

    roles = ("test", "external")
    needs_truth = False  # whether a case is foreign does not depend on what is true of it

    def __init__(
        self,
        field: str | None = None,
        foreign: list[str] | None = None,
        scores: list[str] | None = None,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        self.field = field
        self.foreign = foreign
        self.scores = scores
        self.resamples = resamples
        self.level = level
        self.seed = seed

    @classmethod
    def example(cls) -> Ood:
        return cls(field="site", foreign=["B"])

    def suits(self, question: Question) -> bool:
        return True

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        kinds = self._kinds(predictions)
        first, *further = names_of(self.scores)
        parts = {name: self._measure(f"ood.{name}", name, kinds, measuring, {}) for name in further}
        parts |= self._refused(kinds, measuring)
        named = [each for each in dict.fromkeys(kinds) if each]
        if len(named) > 1:
            for kind in sorted(named):
                only = np.array([each if each in ("", kind) else None for each in kinds], dtype=object)
                parts[kind] = self._measure(f"ood.{kind}", first, only, measuring, {})
        return self._measure("ood", first, kinds, measuring, parts)

    def _kinds(self, predictions: Predictions) -> np.ndarray:
        """``(row,)`` the kind of a foreign case, "" for own ones."""
        table = predictions.table
        if self.field is None:
            return np.where(table["role"] == "external", "external", "").astype(object)
        column = table.get(f"field:{self.field}", table.get(self.field))
        if column is None:
            return np.full(len(table), "", dtype=object)
        values = ["" if _is_missing(each) else str(each) for each in column]
        foreign = None if self.foreign is None else set(map(str, self.foreign))
        return np.array([each if foreign is None or each in foreign else "" for each in values], dtype=object)

    def _measure(
        self, name: str, score: str, kinds: np.ndarray, measuring: Measuring, parts: dict[str, Finding]
    ) -> Finding:
        stored = score_column(measuring.predictions, score)
        missing = np.isnan(stored)
        ranked = np.where(missing, np.inf, stored)
        truth = np.array([np.nan if each is None else float(each != "") for each in kinds])
        entered = ~np.isnan(truth)
        own, foreign = int((truth == 0).sum()), int((truth == 1).sum())
        notes = [f"{foreign} foreign, {own} own"]
        if not own or not foreign:
            notes.append("undefined: there is nothing to tell apart")
        notes += noted(int((missing & entered).sum()), f"case{{s}} without {score}, counted as the most foreign")
        return measuring.finding(
            name,
            f"chance that a foreign case has more {score} than an own one, ties counting one half",
            auroc_statistic(truth, ranked, measuring.resamples),
            entered,
            accelerated=False,
            trials=min(measuring.clusters(truth == 1), measuring.clusters(truth == 0)),
            notes=notes,
            parts=parts,
        )

    def _refused(self, kinds: np.ndarray, measuring: Measuring) -> dict[str, Finding]:
        refused = 1.0 - measuring.predictions.table["accepted"].astype(bool).to_numpy(dtype=float)
        found = {}
        for part, chosen in (("refused foreign", kinds != ""), ("refused own", kinds == "")):
            if chosen.any():
                found[part] = measuring.mean(
                    f"ood.{part}",
                    f"share of the {part.split()[1]} cases that a safeguard refused, for whatever reason",
                    np.where(chosen, refused, np.nan),
                    share=True,
                    higher_is_better=part == "refused foreign",
                )
        return found


def _is_missing(value: Any) -> bool:
    return value is None or value != value or value == ""
