"""AUROC as the audit needs it: the mean over classes, within strata, against shuffled truth, and with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from preceptor.maths.intervals import Bootstrap, Resamples, Statistic, average_of, bootstrap
from preceptor.maths.shuffles import auroc_of_columns, shuffled, tail_of
from preceptor.maths.stratified_roc import stratified_auroc_statistic

#: Shuffles of a test, and resamples of an interval.
SHUFFLES, RESAMPLES = 499, 1000


def mean_area(
    codes: np.ndarray,
    scores: np.ndarray,
    stratum: np.ndarray,
    resamples: Resamples,
    wanted: Sequence[int] | None = None,
) -> Statistic:
    """The mean over classes of the AUROC of each against the rest, over pairs of one stratum.

    Args:
        codes: ``(case,)`` from 0.
        scores: ``(case, code)``.
        stratum: ``(case,)`` integer.
        resamples: Of the cases' patients.
        wanted: Which codes; None takes those that have a pair in some stratum.

    Returns:
        NaN where no code has a pair.
    """
    wanted = paired_codes(codes, scores.shape[1], stratum) if wanted is None else wanted
    return average_of(
        [
            stratified_auroc_statistic((codes == code).astype(float), scores[:, code], stratum, resamples)
            for code in wanted
        ]
    )


def paired_codes(codes: np.ndarray, number: int, stratum: np.ndarray) -> list[int]:
    """The codes of which some stratum holds cases with and without; of two codes the second alone."""
    found = []
    for code in [1] if number == 2 else range(number):
        for each in np.unique(stratum):
            inside = codes[stratum == each] == code
            if inside.any() and not inside.all():
                found.append(code)
                break
    return found


def interval_of(drawn: Bootstrap) -> tuple[float, float] | None:
    """The 95 % interval, or None."""
    found = drawn.interval()
    return None if found is None else (found.lower, found.upper)


def area_with_interval(
    codes: np.ndarray, scores: np.ndarray, stratum: np.ndarray, clusters: np.ndarray
) -> tuple[float, tuple[float, float] | None]:
    """The mean area and its 95 % interval over resampled patients."""
    resamples = Resamples.of(clusters, RESAMPLES)
    drawn = bootstrap(mean_area(codes, scores, stratum, resamples), resamples, accelerated=False)
    return drawn.value, interval_of(drawn)


def against_shuffled(
    codes: np.ndarray, scores: np.ndarray, stratum: np.ndarray, clusters: np.ndarray, seed: int
) -> tuple[float, float]:
    """The mean area of fixed scores, and its p among truths that were shuffled between patients of one stratum."""
    dealt = shuffled(codes, clusters, stratum, SHUFFLES, seed)
    columns = np.concatenate([codes[:, None], dealt], axis=1)
    areas = auroc_of_columns(columns, scores[:, :, None], stratum)
    return float(areas[0]), tail_of(float(areas[0]), areas[1:])


def above_nought(drawn: Bootstrap) -> float:
    """One-sided p that a resampled difference is above 0, by its standard error; 1 where it is not."""
    spread = float(np.nanstd(drawn.values, ddof=1)) if np.isfinite(drawn.values).sum() > 1 else float("nan")
    if np.isnan(drawn.value) or np.isnan(spread):
        return float("nan")
    if drawn.value <= 0 or spread == 0:
        return 1.0
    return float(ndtr(-drawn.value / spread))


def codes_of(values: Sequence[str] | np.ndarray) -> np.ndarray:
    """Integers from 0 for texts."""
    return np.unique(np.asarray(values), return_inverse=True)[1]


def told(value: float, interval: tuple[float, float] | None, digits: int = 2) -> str:
    """``0.83 [0.74, 0.91]``."""
    said = f"{value:.{digits}f}"
    return said if interval is None else f"{said} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
