"""Calibration: does a probability of 80 % come true in 80 % of cases?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions, Question
from preceptor.maths import calibration as maths
from preceptor.maths.brier_parts import brier_part_statistic
from preceptor.maths.intervals import average_of, ratio_statistic
from preceptor.maths.one_step import MANY_CLUSTERS, recalibration_one_step
from preceptor.prove.labelled import Labelled
from preceptor.prove.measuring import Measuring, by_field, noted, refused


@dataclass(frozen=True, eq=False)
class _Items:
    """What is binned: cases, or sampled voxels.

    Args:
        row: ``(item,)`` row of the predictions that each belongs to.
        truth: ``(item, class)`` 0 or 1; NaN where unlabelled.
        probability: ``(item, class)``.
    """

    row: np.ndarray
    truth: np.ndarray
    probability: np.ndarray


class Calibration:
    """Expected calibration error (ECE): the mean gap between what is foretold and what comes true, in equal bins.

    Of two classes that exclude each other: of the second one's probability. Of more, and of dense answers: of the top
    class's probability and whether it is right, with a part for each class. Of independent labels: the mean over them.
    Dense answers are read from the stored sample of voxels, resampled by patient like everything else.

    ECE depends on its bins and is above 0 by chance alone, the more so the fewer the cases: read it with the
    reliability diagram.

    Args:
        bins: Of equal width, ``[k/bins, (k+1)/bins)``.
        resamples: Of patients, for the intervals.
        level: Of the intervals.
        seed: Of the resamples.
        by: Fields of the cohort to divide by: a part for each value.

    Returns:
        A `Finding` in 0..1 (lower is better), with the parts ``brier`` and ``log_loss``; for two classes ``slope``,
        ``intercept``, ``observed_to_expected`` and the Brier score's ``reliability``, ``resolution`` and
        ``uncertainty`` over the same bins; one per class where there are more; curves ``reliability`` (axes
        ``predicted, observed, lower, upper, cases``).

    Raises:
        CohortError: A labelled case has no probability, or a dense answer has no stored voxels.

    Source: Guo 2017 (arXiv:1706.04599), eq. 3; Brier 1950; its parts: Murphy 1973; slope and
        intercept: Cox 1958, Van Calster 2019.

    Example:
        >>> Calibration(bins=15).bins
        15
    """

    def __init__(
        self,
        bins: Annotated[int, Ge(2), Le(1000)] = 10,
        resamples: Annotated[int, Ge(100)] = 2000,
        level: Annotated[float, Gt(0), Lt(1)] = 0.95,
        seed: Annotated[int, Ge(0)] = 0,
        by: list[str] | None = None,
    ) -> None:
        self.bins = bins
        self.resamples = resamples
        self.level = level
        self.seed = seed
        self.by = by

    @classmethod
    def example(cls) -> Calibration:
        return cls()

    def suits(self, question: Question) -> bool:
        return not question.is_regression and (question.exclusive or not question.dense)

    def __call__(self, predictions: Predictions, cohort: Cohort) -> Finding:
        return by_field(self._measure(predictions, cohort), self.by, predictions, cohort, self._measure)

    def _measure(self, predictions: Predictions, cohort: Cohort) -> Finding:
        measuring = Measuring.of(predictions, self.resamples, self.level, self.seed)
        question = predictions.question
        items, notes = _items(predictions)
        if question.exclusive and len(question.classes) == 2:
            head = self._error("calibration", f"probability of {question.classes[1]}", items, 1, measuring)
            parts = self._line(items, measuring) | self._brier_parts(items, measuring)
        elif question.exclusive:
            head = self._error("calibration", "probability of the top class", _top(items), 0, measuring)
            classes = range(1 if question.dense else 0, len(question.classes))
            parts = {question.classes[at]: self._of_class(question, items, at, measuring) for at in classes}
        else:
            parts = {name: self._of_class(question, items, at, measuring) for at, name in enumerate(question.classes)}
            head = self._mean_of_labels(items, measuring)
        parts |= self._scores(items, question.exclusive, measuring)
        return replace(head, parts=parts, notes=(*head.notes, *notes, *refused(predictions)))

    def _of_class(self, question: Question, items: _Items, at: int, measuring: Measuring) -> Finding:
        name = question.classes[at]
        return self._error(f"calibration.{name}", f"probability of {name}", items, at, measuring)

    def _error(self, name: str, whose: str, items: _Items, at: int, measuring: Measuring) -> Finding:
        """The calibration error of one probability, with its reliability diagram."""
        sums = self._sums(items, at, measuring)
        count = sums.count.sum(0)
        predicted, observed = (
            np.divide(each.sum(0), count, out=np.full(self.bins, np.nan), where=count > 0)
            for each in (sums.predicted, sums.observed)
        )
        points = maths.Reliability(count, predicted, observed)
        lower, upper = maths.observed_band(sums, measuring.resamples.counts, self.level)
        filled = points.count > 0
        lines = (points.predicted, points.observed, lower, upper, points.count)
        axes = ("predicted", "observed", "lower", "upper", "cases")
        return measuring.finding(
            name,
            f"mean gap between the {whose} and how often it comes true, over {self.bins} bins of equal width, "
            "weighted by their cases",
            maths.calibration_error_statistic(sums),
            _rows_with(items, at, len(measuring.predictions)),
            higher_is_better=False,
            curves={"reliability": {axis: line[filled].tolist() for axis, line in zip(axes, lines, strict=True)}},
            notes=(f"largest gap of a bin: {maths.maximum_calibration_error(points):.3f}",) if filled.any() else (),
        )

    def _sums(self, items: _Items, at: int, measuring: Measuring) -> maths.BinnedSums:
        known = ~np.isnan(items.truth[:, at])
        resamples = measuring.resamples
        cluster = resamples.cluster[items.row[known]]
        return maths.binned_sums(
            cluster, len(resamples.names), items.truth[known, at], items.probability[known, at], self.bins
        )

    def _mean_of_labels(self, items: _Items, measuring: Measuring) -> Finding:
        known = [at for at in range(items.truth.shape[1]) if (~np.isnan(items.truth[:, at])).any()]
        statistic = average_of([maths.calibration_error_statistic(self._sums(items, at, measuring)) for at in known])
        return measuring.finding(
            "calibration",
            f"mean over {len(known)} labels of the gap between a label's probability and how often it comes true, "
            f"over {self.bins} bins of equal width",
            statistic,
            np.isin(np.arange(len(measuring.predictions)), items.row[~np.isnan(items.truth).all(1)]),
            higher_is_better=False,
        )

    def _scores(self, items: _Items, exclusive: bool, measuring: Measuring) -> dict[str, Finding]:
        """Brier score and log loss: proper scores, which calibration alone is not."""
        known = ~np.isnan(items.truth)
        truth = np.where(known, items.truth, 0.0)
        if exclusive:
            whole = known.all(1)
            sizes = whole.astype(float)
            losses = maths.log_loss(truth.argmax(1), items.probability)
            pair = truth.shape[1] == 2
            briers = (
                maths.brier(truth[:, 1], items.probability[:, 1]) if pair else maths.brier(truth, items.probability)
            )
            rule = "of the second class, 0 to 1" if pair else "summed over the classes, 0 to 2"
        else:
            sizes = known.sum(1).astype(float)
            flat = maths.log_loss(truth.ravel(), items.probability.ravel()).reshape(truth.shape)
            losses = np.where(known, flat, 0.0).sum(1)
            briers = np.where(known, (items.probability - truth) ** 2, 0.0).sum(1)
            rule = "over all labelled entries"
        whole = sizes > 0
        definitions = {
            "brier": (briers, f"mean squared difference of probability and truth, {rule}"),
            "log_loss": (losses, "mean negative log-likelihood of the truth (nats), probabilities floored at 1e-12"),
        }
        number = len(measuring.predictions)
        below = np.bincount(items.row[whole], sizes[whole], number)
        return {
            name: measuring.finding(
                f"calibration.{name}",
                definition,
                ratio_statistic(np.bincount(items.row[whole], values[whole], number), below, measuring.resamples),
                below > 0,
                higher_is_better=False,
            )
            for name, (values, definition) in definitions.items()
        }

    def _line(self, items: _Items, measuring: Measuring) -> dict[str, Finding]:
        """Slope and intercept of the logistic recalibration, for two classes and answers per case."""
        known = ~np.isnan(items.truth[:, 1])
        if len(items.row) != len(measuring.predictions) or not known.any():
            return {}
        resamples = measuring.resamples
        given = resamples.cluster[items.row[known]], items.truth[known, 1], items.probability[known, 1]
        many = len(resamples.names) > MANY_CLUSTERS
        told = {
            "slope": "slope of a logistic regression of the truth on the log-odds: 1 is right, below 1 overconfident",
            "intercept": "intercept of a logistic regression of the truth on the log-odds: 0 is right",
        }
        return {
            part: measuring.finding(
                f"calibration.{part}",
                definition,
                recalibration_one_step(items.truth[:, 1], items.probability[:, 1], resamples, part)
                if many
                else maths.recalibration_statistic(*given, part),
                known,
                accelerated=False,
                higher_is_better=None,
            )
            for part, definition in told.items()
        }

    def _brier_parts(self, items: _Items, measuring: Measuring) -> dict[str, Finding]:
        """Two classes: events that came over events foretold, and the Brier score taken apart over the bins."""
        rows = _rows_with(items, 1, len(measuring.predictions))
        sums = self._sums(items, 1, measuring)
        told = {
            "reliability": "mean squared gap of predicted and observed share; 0 is best",
            "resolution": "mean squared distance of the bins' observed shares from the prevalence",
            "uncertainty": "prevalence times the rest: the Brier score of always foretelling the prevalence",
        }
        parts = {
            part: measuring.finding(
                f"calibration.{part}",
                f"part of the Brier score over {self.bins} bins of equal width: {definition}",
                brier_part_statistic(sums, part),  # type: ignore[arg-type]
                rows,
                accelerated=False,
                higher_is_better={"reliability": False, "resolution": True}.get(part),
            )
            for part, definition in told.items()
        }

        def ratio(counts: np.ndarray) -> np.ndarray:
            came, foretold = sums.observed.sum(1) @ counts, sums.predicted.sum(1) @ counts
            return np.divide(came, foretold, out=np.full(len(came), np.nan), where=foretold > 0)

        parts["observed_to_expected"] = measuring.finding(
            "calibration.observed_to_expected",
            "events that came over events foretold: 1 is right, above 1 the risk is foretold too low",
            ratio,
            rows,
            higher_is_better=None,
        )
        return parts


def _items(predictions: Predictions) -> tuple[_Items, tuple[str, ...]]:
    if not predictions.question.dense:
        labelled = Labelled.of(predictions)
        items = _Items(np.arange(len(predictions)), labelled.truth, labelled.probability)
        return items, noted(labelled.unlabelled, "case{s} without a truth, not measured")
    voxels, question = predictions.voxels, predictions.question
    if voxels is None or not len(voxels):
        raise CohortError(
            "there is no stored sample of voxels with probabilities",
            where="voxels.parquet",
            expected="columns key, truth and probability_<class>",
            remedy="predict anew; label maps alone say nothing of calibration",
            code="voxels_missing",
        )
    by = ["key", "fit"] if "fit" in voxels and "fit" in predictions.table else ["key"]
    row_of = {key: row for row, key in enumerate(predictions.table[by].itertuples(index=False, name=None))}
    row = np.array([row_of.get(key, -1) for key in voxels[by].itertuples(index=False, name=None)])
    index, kept = voxels["truth"].to_numpy(), row >= 0
    truth = np.where((index >= 0)[:, None], np.eye(len(question.classes))[np.maximum(index, 0)], np.nan)
    probability = voxels[[f"probability_{name}" for name in question.classes]].to_numpy(dtype=float)
    items = _Items(row[kept], truth[kept], probability[kept])
    return items, (f"on a random sample of {int((index[kept] >= 0).sum())} voxels",)


def _top(items: _Items) -> _Items:
    """The top class's probability, and whether it is right."""
    top = items.probability.argmax(1)[:, None]
    right, said = np.take_along_axis(items.truth, top, 1), np.take_along_axis(items.probability, top, 1)
    return _Items(items.row, right, said)


def _rows_with(items: _Items, at: int, rows: int) -> np.ndarray:
    return np.bincount(items.row[~np.isnan(items.truth[:, at])], minlength=rows) > 0
