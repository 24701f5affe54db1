"""Lesions that an image-to-image model invents or loses."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas
from annotated_types import Ge, Gt, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths.intervals import ratio_statistic
from preceptor.prove.hallucination import DETECTOR_LIMIT
from preceptor.prove.measuring import Measuring, by_field, noted, refused


class Hallucination:
    """Hallucination: the larger of the shares of lesions that appear and that vanish in translated images.

    ``truth_lesion`` says whether the source shows a lesion, ``answer_lesion`` whether one fixed detector, or a reader
    who does not know the source, sees one in the translation. The detector must have been fixed before and never
    trained on translations. ``detector_lesion``, what it sees on the true target images, tells its own errors: above
    0.05 the audit means nothing, and the finding is undefined. The error of the whole image shows none of this.

    Args:
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` (lower is better) with the parts ``appearance`` (of images without a lesion, those whose translation
        shows one), ``disappearance`` (of those with one, those whose translation shows none), and the shares of images
        with a lesion in truth and in the translations.

    Raises:
        CohortError: A column is missing or holds something other than 0 and 1.

    Source: Cohen, Luck & Honari 2018 (arXiv:1805.08841).

    Example:
        >>> Hallucination().suits(Question("translation", "mr", ("mr",), dense=True))
        True
    """

    def __init__(
        self,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Hallucination:
        return cls()

    def suits(self, question: Question) -> bool:
        return question.task == "translation"

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        there, seen = _column(predictions, "truth_lesion"), _column(predictions, "answer_lesion")
        if (~np.isnan(there) & np.isnan(seen)).any():
            raise CohortError(
                f"{int((~np.isnan(there) & np.isnan(seen)).sum())} images with a known truth were not looked at",
                where="the column answer_lesion",
                expected="1 where the translation shows a lesion, 0 where not",
                code="answer_missing",
            )
        known = ~np.isnan(there)
        healthy, ill = there == 0, there == 1
        notes = (
            f"{int(healthy.sum())} images without a lesion, {int(ill.sum())} with one",
            *noted(int((~known).sum()), "case{s} without a truth, not measured"),
            *refused(predictions),
        )
        appears = ratio_statistic(healthy & (seen == 1), healthy, measuring.resamples)
        vanishes = ratio_statistic(ill & (seen == 0), ill, measuring.resamples)
        rates = {
            "appearance": (appears, healthy, "share of images without a lesion whose translation shows one"),
            "disappearance": (vanishes, ill, "share of images with a lesion whose translation shows none"),
        }
        parts = {
            name: measuring.finding(
                f"hallucination.{name}",
                words,
                statistic,
                rows,
                trials=measuring.clusters(rows),
                higher_is_better=False,
            )
            for name, (statistic, rows, words) in rates.items()
        }
        for name, values, words in (
            ("share_in_truth", there, "share of images with a lesion"),
            ("share_in_answer", np.where(known, seen, np.nan), "share of translations that show a lesion"),
        ):
            parts[name] = measuring.mean(f"hallucination.{name}", words, values, share=True, higher_is_better=None)
        unfit = self._detector(predictions, there, measuring, parts)

        def worst(counts: np.ndarray) -> np.ndarray:
            both = np.fmax(appears(counts), vanishes(counts))
            return np.full(len(both), np.nan) if unfit else both

        return measuring.finding(
            "hallucination",
            "the larger of the shares of lesions that appear and that vanish, by a detector fixed before",
            worst,
            known,
            accelerated=False,
            trials=min((measuring.clusters(rows) for rows in (healthy, ill) if rows.any()), default=None),
            higher_is_better=False,
            parts=parts,
            notes=(*notes, *unfit),
        )

    @staticmethod
    def _detector(
        predictions: Predictions, there: np.ndarray, measuring: Measuring, parts: dict[str, Finding]
    ) -> tuple[str, ...]:
        """Adds the detector's own errors to the parts; says why it can't judge, where it can't."""
        if "detector_lesion" not in predictions.table:
            return ()
        own = _column(predictions, "detector_lesion")
        judged = ~np.isnan(there) & ~np.isnan(own)
        rates = []
        for side in (0, 1):
            rows = judged & (there == side)
            rates.append(float((own[rows] != side).mean()) if rows.any() else 0.0)
        parts["detector_error"] = measuring.mean(
            "hallucination.detector_error",
            "share of true target images that the detector itself gets wrong",
            np.where(judged, own != there, np.nan),
            share=True,
            higher_is_better=False,
        )
        if max(rates) > DETECTOR_LIMIT:
            return (f"the detector gets {100 * max(rates):.3g} % of one kind of true images wrong: it can't judge",)
        return ()


def _column(predictions: Predictions, name: str) -> np.ndarray:
    if name not in predictions.table:
        raise CohortError(
            f"the predictions have no column '{name}'",
            expected="truth_lesion and answer_lesion, 1 where a lesion is seen and 0 where not",
            remedy="look at sources and translations with one fixed detector, and add what it saw",
            code="lesion_columns",
        )
    values = pandas.to_numeric(predictions.table[name], errors="coerce").to_numpy(dtype=float)
    if not np.isin(values[~np.isnan(values)], (0, 1)).all():
        raise CohortError(f"'{name}' holds something other than 0 and 1", code="lesion_values")
    return values
