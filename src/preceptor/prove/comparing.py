"""Two sets of predictions of the same cases, compared in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from preceptor.core.errors import CohortError
from preceptor.core.evidence import Finding, Predictions
from preceptor.maths.intervals import Resamples, Statistic, bootstrap, paired_difference
from preceptor.maths.roc import auroc_statistic

from .labelled import Labelled


def compare_auroc(
    first: Predictions, second: Predictions, *, resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> Finding:
    """AUROC of the first minus AUROC of the second on the cases that both answered, with a paired interval.

    The same patients are drawn for both in every resample, so what they share cancels out.

    Args:
        first, second: Of the same cases and the same two classes (or the mean over classes).
        resamples: Of patients.
        level: Of the interval.
        seed: Of the resamples.

    Raises:
        CohortError: They share no case, or were asked different questions.
    """
    if first.question.classes != second.question.classes:
        raise CohortError("the two were asked about different classes", code="comparison_question")
    keys = sorted(set(first.table["key"]) & set(second.table["key"]))
    if not keys:
        raise CohortError("the two share no case", expected="predictions of the same cohort", code="comparison_cases")
    sides = []
    for each in (first, second):
        table = each.table[each.table["key"].isin(keys)].sort_values(["key", "fit"]).drop_duplicates("key")
        sides.append(Predictions(table.reset_index(drop=True), each.question, each.folder))
    shared = Resamples.of(sides[0].table["cluster"].astype(str).to_numpy(), resamples, seed)
    drawn = []
    for each in sides:
        labelled = Labelled.of(each)
        ranked = [auroc_statistic(labelled.truth[:, at], labelled.probability[:, at], shared) for at in labelled.asked]
        drawn.append(bootstrap(partial(_mean, ranked), shared))
    difference = paired_difference(*drawn)
    interval = difference.interval(level)
    return Finding(
        name="auroc_difference",
        value=difference.value,
        definition="AUROC of the first minus AUROC of the second, on the same cases",
        interval=None if interval is None else (interval.lower, interval.upper),
        level=level,
        method=f"paired bootstrap of {len(shared.names)} clusters, {resamples} resamples",
        cases=len(keys),
        clusters=len(shared.names),
        higher_is_better=None,
        bootstrap=difference,
    )


def _mean(statistics: Sequence[Statistic], counts: np.ndarray) -> np.ndarray:
    return np.mean([one(counts) for one in statistics], axis=0)
