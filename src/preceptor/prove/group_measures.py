"""What is compared between groups of people: performance, calibration and errors, as statistics of any part of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from preceptor.core.evidence import Predictions
from preceptor.maths.group_fairness import Rate, rates
from preceptor.maths.intervals import Statistic, mean_statistic, ratio_statistic
from preceptor.maths.overlap import dice
from preceptor.maths.roc import auroc_statistic

from .labelled import Labelled, answer_matrix
from .measuring import Measuring
from .overlaps import measure_overlap


@dataclass(frozen=True, eq=False)
class Measure:
    """One number that any group of rows has.

    Args:
        name: With the label before it where there are several.
        definition: What it is of one group.
        of: The statistic of the rows where a mask is true.
        patients: How many patients such a number rests on.
        entered: ``(row,)`` rows that count at all.
        is_share: Whether it lives in 0..1.
        is_count: Whether it is a share of trials or of pairs, and not a mean of numbers that happen to live in 0..1.
        is_performance: Whether it says how well the model does (the headline looks at these).
        higher_is_better: None where neither is.
        unit: Empty for a ratio.
    """

    name: str
    definition: str
    of: Callable[[np.ndarray], Statistic]
    patients: Callable[[np.ndarray], int]
    entered: np.ndarray
    is_share: bool = True
    is_count: bool = True
    is_performance: bool = False
    higher_is_better: bool | None = None
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Called:
    """One class as the definitions of fairness see it.

    Args:
        prefix: The label with a full stop, or "".
        measures: By the name of their rate.
    """

    prefix: str
    measures: dict[str, Measure]


def measures_of(predictions: Predictions, measuring: Measuring) -> tuple[list[Measure], list[Called]]:
    """Everything that is compared, and the rates that definitions of fairness ask to be equal.

    Classes and labels: AUROC, predicted less observed (calibration in the large: an error in bins would be larger in
    smaller groups by chance alone), and the rates. Structures: Dice. Quantities: the distance from the truth and the
    error with its sign.

    Args:
        predictions: The rows.
        measuring: With their resamples.
    """
    question = predictions.question
    if question.dense:
        return [_dice(predictions, measuring)], []
    if question.is_regression:
        truth = predictions.table["truth"].to_numpy(dtype=float)
        error = predictions.table["answer"].to_numpy(dtype=float) - truth
        unit = question.unit
        return [
            _mean(
                "error", "mean distance from the truth", np.abs(error), measuring, False, unit=unit, performance=True
            ),
            _mean("bias", "mean of answer less truth", error, measuring, None, unit=unit),
        ], []
    labelled, answers = Labelled.of(predictions), answer_matrix(predictions)
    found: list[Measure] = []
    called = []
    for at in labelled.asked:
        prefix = "" if len(labelled.asked) == 1 else f"{labelled.classes[at]}."
        truth, probability = labelled.truth[:, at], labelled.probability[:, at]
        found.append(_auroc(prefix, truth, probability, measuring))
        error = probability - truth
        told = "mean probability less the share that is true"
        found.append(_mean(f"{prefix}calibration", told, error, measuring, None))
        each = {name: _rate(prefix + name, rate, measuring) for name, rate in rates(truth, answers[:, at]).items()}
        found += [each["true_positive"], each["false_positive"]]
        called.append(Called(prefix, each))
    return found, called


_TOLD = {
    "selection": "share that is called positive",
    "true_positive": "share of the truly positive that is called positive",
    "false_positive": "share of the truly negative that is called positive",
    "positive_predictive": "share of positive answers that is right",
}


def _rate(name: str, rate: Rate, measuring: Measuring) -> Measure:
    def of(inside: np.ndarray) -> Statistic:
        return ratio_statistic(rate.hits & inside, rate.trials & inside, measuring.resamples)

    kind = name.rpartition(".")[2]
    better = {"true_positive": True, "false_positive": False, "positive_predictive": True}.get(kind)
    return Measure(
        name,
        _TOLD[kind],
        of,
        lambda inside: measuring.clusters(rate.trials & inside),
        rate.trials,
        higher_is_better=better,
    )


def _auroc(prefix: str, truth: np.ndarray, probability: np.ndarray, measuring: Measuring) -> Measure:
    def of(inside: np.ndarray) -> Statistic:
        return auroc_statistic(np.where(inside, truth, np.nan), probability, measuring.resamples)

    def patients(inside: np.ndarray) -> int:
        return min(measuring.clusters(inside & (truth == side)) for side in (0, 1))

    told = "chance that a positive case scores above a negative one of the same group"
    return Measure(f"{prefix}roc", told, of, patients, ~np.isnan(truth), is_performance=True, higher_is_better=True)


def _mean(
    name: str,
    definition: str,
    values: np.ndarray,
    measuring: Measuring,
    better: bool | None,
    *,
    unit: str = "",
    performance: bool = False,
    is_share: bool = False,
) -> Measure:
    known = ~np.isnan(values)

    def of(inside: np.ndarray) -> Statistic:
        return mean_statistic(np.where(inside, values, np.nan), measuring.resamples)

    return Measure(
        name,
        definition,
        of,
        lambda inside: measuring.clusters(inside & known),
        known,
        is_share=is_share,
        is_count=False,
        is_performance=performance,
        higher_is_better=better,
        unit=unit,
    )


def _dice(predictions: Predictions, measuring: Measuring) -> Measure:
    told = "mean over cases of the mean Dice of their structures"
    per_case = measure_overlap("dice", "Dice", dice, measuring, "one").per_case
    values = np.array([per_case.get(str(key), np.nan) for key in predictions.table["key"]])
    return _mean("dice", told, values, measuring, True, performance=True, is_share=True)
