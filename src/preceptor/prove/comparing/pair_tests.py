"""Which test of a difference fits which measure, and the two-sided p it gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from preceptor.core.evidence import Finding, Predictions
from preceptor.maths.comparison import delong, mcnemar
from preceptor.maths.intervals import Bootstrap
from preceptor.maths.permutation import exchange_auroc, exchange_means
from preceptor.prove.labelled import Labelled


def p_of_difference(
    name: str, sides: Sequence[Predictions], found: Sequence[Finding], drawn: Bootstrap, seed: int
) -> tuple[float, str]:
    """The two-sided p of a difference, and how it was had.

    Answers are exchanged patient by patient where the measure is a mean over cases or the AUROC of two classes; beside
    that stands DeLong's test where each patient has one case. Of any other measure it is the share of resamples beyond
    0, and of answers McNemar's test stands beside it.

    Args:
        name: Of the measure.
        sides: The two predictions, paired.
        found: The measure of each.
        drawn: Their difference.
        seed: Of random ways of exchanging.
    """
    one, two = found
    table = sides[0].table
    cluster = table["cluster"].astype(str).to_numpy()
    shared = [str(key) for key in table["key"] if str(key) in one.per_case and str(key) in two.per_case]
    if shared and np.isclose(np.mean([one.per_case[key] for key in shared]), one.value, rtol=1e-6):
        whose = dict(zip(table["key"].astype(str), cluster, strict=True))
        first, second = (np.array([side.per_case[key] for key in shared]) for side in found)
        tried = exchange_means(first, second, np.array([whose[key] for key in shared]), seed=seed)
        return tried.p, f"answers exchanged by cluster, {tried.tried} ways"
    if name == "roc":
        ranked = _ranked(sides, cluster, seed)
        if ranked is not None:
            return ranked
    values = drawn.values[~np.isnan(drawn.values)]
    if np.isnan(drawn.value) or not len(values):
        return float("nan"), ""
    tail = min((values <= 0).sum(), (values >= 0).sum())
    p, how = min(1.0, 2 * (tail + 1) / (len(values) + 1)), "share of resamples beyond 0"
    if name == "confusion" and _alone(cluster) and sides[0].question.exclusive:
        right = [side.answer_index() == side.truth_index() for side in sides]
        known = sides[0].truth_index() >= 0
        only = [int((known & right[at] & ~right[1 - at]).sum()) for at in (0, 1)]
        exact = mcnemar(only[0], only[1]).exact
        how += f"; McNemar of right answers, {only[0]} against {only[1]}: exact {exact:.3g}"
    return p, how


def _ranked(sides: Sequence[Predictions], cluster: np.ndarray, seed: int) -> tuple[float, str] | None:
    """Of two classes; None where there are more."""
    one, two = (Labelled.of(side) for side in sides)
    if len(one.asked) > 1:
        return None
    at = one.asked[0]
    truth, first, second = one.truth[:, at], one.probability[:, at], two.probability[:, at]
    positive, negative = int((truth == 1).sum()), int((truth == 0).sum())
    if not positive or not negative:
        return float("nan"), ""
    tried = exchange_auroc(truth, first, second, cluster, seed=seed)
    how = f"ranks exchanged by cluster, {tried.tried} ways"
    if _alone(cluster) and min(positive, negative) > 1:
        known = ~np.isnan(truth)
        how += f"; DeLong {delong(truth[known], first[known], second[known]).p:.3g}"
    return tried.p, how


def _alone(cluster: np.ndarray) -> bool:
    """Whether every patient has one case: what tests of independent cases ask."""
    return len(np.unique(cluster)) == len(cluster)
