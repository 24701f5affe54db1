"""Several readers, the same cases: is one way of reading better, for readers and cases like these?

Readers differ, cases differ, and each reader finds his own cases hard. An interval that knows of the cases alone (the
readers' scores averaged, then DeLong) speaks for these readers only and is too narrow for any others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: A variance of AUROCs below this is rounding.
_NOTHING = 1e-15


class Contrast(NamedTuple):
    """A test and interval of one difference.

    Args:
        statistic: F, or chi-square over its degrees of freedom where readers are fixed.
        freedom: Denominator degrees of freedom; infinite where readers are fixed.
        p: Two-sided.
        difference: First way of reading minus the second, mean over readers. With more than two, of the first two.
        error: Its standard error.
        lower, upper: Of the interval.
    """

    statistic: float
    freedom: float
    p: float
    difference: float
    error: float
    lower: float
    upper: float


class ReaderStudy(NamedTuple):
    """What Obuchowski & Rockette's analysis finds.

    Args:
        areas: ``(test, reader)`` AUROC.
        variance: Of one AUROC by the cases, mean over tests and readers.
        covariance_1: Of two tests of one reader.
        covariance_2: Of two readers with one test.
        covariance_3: Of two readers with two tests.
        tests, interaction: Mean squares of tests, and of tests by readers.
        random: For readers and cases like these.
        fixed_readers: For these readers, and cases like these.
        fixed_cases: For these cases, and readers like these.
        level: Of the intervals.
    """

    areas: np.ndarray
    variance: float
    covariance_1: float
    covariance_2: float
    covariance_3: float
    tests: float
    interaction: float
    random: Contrast
    fixed_readers: Contrast
    fixed_cases: Contrast
    level: float


class Left(NamedTuple):
    """AUROCs, and what they are with each cluster of cases left out.

    Args:
        areas: ``(...)``.
        without: ``(cluster, ...)``.
    """

    areas: np.ndarray
    without: np.ndarray

    def covariance(self) -> np.ndarray:
        """``(flat, flat)`` jackknife covariance of the areas, in the order of ``areas.ravel()``."""
        flat = self.without.reshape(len(self.without), -1)
        centred = flat - flat.mean(0)
        return centred.T @ centred * (len(flat) - 1) / len(flat)


def leave_out(truth: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None) -> Left:
    """AUROCs of many scores of the same cases, each cluster of cases left out in turn.

    Args:
        truth: ``(case,)`` 1 for positive, 0 for negative.
        scores: ``(..., case)``.
        clusters: ``(case,)`` the patient of each case; by default every case is one of its own.

    Raises:
        ValueError: Leaving some cluster out leaves no positive or no negative case, or a score is NaN.
    """
    truth, scores = np.asarray(truth), np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("every reader must have scored every case in every way of reading")
    names = np.arange(len(truth)) if clusters is None else np.asarray(clusters)
    cluster = np.unique(names, return_inverse=True)[1]
    size = int(cluster.max()) + 1
    positive, negative = np.flatnonzero(truth == 1), np.flatnonzero(truth == 0)
    of_positive, of_negative = cluster[positive], cluster[negative]
    pairs = (len(positive) - np.bincount(of_positive, minlength=size)) * (
        len(negative) - np.bincount(of_negative, minlength=size)
    )
    if not len(positive) or not len(negative) or (pairs <= 0).any():
        raise ValueError("positive and negative cases of two patients each are the least")
    same = of_positive[:, None] == of_negative
    flat = scores.reshape(-1, len(truth))
    areas, without = np.empty(len(flat)), np.empty((size, len(flat)))
    for at, score in enumerate(flat):
        high, low = score[positive][:, None], score[negative]
        wins = (high > low) + 0.5 * (high == low)
        total = wins.sum()
        areas[at] = total / wins.size
        gone = np.bincount(of_positive, wins.sum(1), size) + np.bincount(of_negative, wins.sum(0), size)
        # A pair inside one patient has been taken away twice.
        twice = np.bincount(np.broadcast_to(of_positive[:, None], same.shape)[same], wins[same], size)
        without[:, at] = (total - gone + twice) / pairs
    return Left(areas.reshape(scores.shape[:-1]), without.reshape(size, *scores.shape[:-1]))


def leave_out_means(values: np.ndarray, clusters: np.ndarray | None = None) -> Left:
    """Means over cases (seconds, shares), each cluster of cases left out in turn: what `crossed` takes as well.

    Args:
        values: ``(..., case)``, none missing.
        clusters: ``(case,)`` the patient of each case; by default every case is one of its own.

    Raises:
        ValueError: Fewer than two clusters, or a value is NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    names = np.arange(values.shape[-1]) if clusters is None else np.asarray(clusters)
    cluster = np.unique(names, return_inverse=True)[1]
    if not np.isfinite(values).all() or len(cluster) == 0 or cluster.max() < 1:
        raise ValueError("two patients, and a value of every reader for every case, are the least")
    size = int(cluster.max()) + 1
    flat = values.reshape(-1, values.shape[-1])
    sums = np.stack([np.bincount(cluster, each, size) for each in flat], axis=1)
    counts = np.bincount(cluster, minlength=size)[:, None]
    without = (sums.sum(0) - sums) / (len(cluster) - counts)
    return Left(values.mean(-1), without.reshape(size, *values.shape[:-1]))


def obuchowski_rockette(
    truth: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None, level: float = 0.95
) -> ReaderStudy:
    """Compare ways of reading that every reader used on every case (a fully crossed study), by AUROC.

    Args:
        truth: ``(case,)`` 1 for positive, 0 for negative.
        scores: ``(test, reader, case)``, two or more tests and readers.
        clusters: ``(case,)`` the patient of each case, left out together.
        level: Of the intervals.

    Raises:
        ValueError: Fewer than two tests or readers; see `leave_out`.

    Source: Obuchowski & Rockette 1995; degrees of freedom: Hillis 2007 (Stat Med 26), eq. 17; jackknife covariances.
    """
    return crossed(leave_out(truth, scores, clusters), level)


def crossed(left: Left, level: float = 0.95) -> ReaderStudy:
    """Obuchowski & Rockette's analysis of any figure that every reader has in every test.

    Args:
        left: The figures ``(test, reader)`` of `leave_out` or `leave_out_means`.
        level: Of the intervals.

    Raises:
        ValueError: Fewer than two tests or readers.

    Source: As `obuchowski_rockette`.
    """
    from scipy.special import chdtrc, fdtrc, ndtri, stdtrit

    areas = left.areas
    if areas.ndim != 2 or min(areas.shape) < 2:
        raise ValueError("two tests and two readers are the least")
    tests, readers = areas.shape
    variance, first, second, third = _covariances(left.covariance(), tests, readers)
    by_test, by_reader, centre = areas.mean(1), areas.mean(0), areas.mean()
    between = readers * ((by_test - centre) ** 2).sum() / (tests - 1)
    rest = areas - by_test[:, None] - by_reader + centre
    interaction = float((rest**2).sum() / ((tests - 1) * (readers - 1)))
    # A negative difference of covariances would promise less error than these readers show.
    shared = readers * max(second - third, 0.0)
    cells = (tests - 1) * (readers - 1)
    difference = float(by_test[0] - by_test[1])

    both = interaction + shared
    freedom = both**2 / (interaction**2 / cells) if interaction > _NOTHING else np.inf
    cases = variance - first + (readers - 1) * max(second - third, 0.0)

    def contrast(spread: float, freedom: float) -> Contrast:
        error = float(np.sqrt(2 * max(spread, 0.0) / readers))
        if spread < _NOTHING:  # figures that do not differ, but for rounding
            p = 1.0 if between < _NOTHING else 0.0
            return Contrast(np.nan, freedom, p, difference, error, difference, difference)
        ratio = between / spread
        finite = np.isfinite(freedom)
        p = fdtrc(tests - 1, freedom, ratio) if finite else chdtrc(tests - 1, (tests - 1) * ratio)
        tail = (1 + level) / 2
        half = float(stdtrit(freedom, tail) if finite else ndtri(tail)) * error
        return Contrast(float(ratio), float(freedom), float(p), difference, error, difference - half, difference + half)

    return ReaderStudy(
        areas,
        variance,
        first,
        second,
        third,
        float(between),
        interaction,
        contrast(both, float(freedom)),
        contrast(cases, np.inf),
        contrast(interaction, float(cells)),
        level,
    )


def _covariances(covariance: np.ndarray, tests: int, readers: int) -> tuple[float, float, float, float]:
    """Variance, and covariances of the same reader, the same test, and neither: means over all such pairs."""
    test, reader = (each.ravel() for each in np.indices((tests, readers)))
    same_test, same_reader = test[:, None] == test, reader[:, None] == reader
    kinds = (same_test & same_reader, ~same_test & same_reader, same_test & ~same_reader, ~same_test & ~same_reader)
    variance, first, second, third = (float(covariance[kind].mean()) for kind in kinds)
    return variance, first, second, third


def dorfman_berbaum_metz(truth: np.ndarray, scores: np.ndarray, clusters: np.ndarray | None = None) -> float:
    """The F of random readers and cases by an analysis of variance of pseudovalues: equal to Obuchowski & Rockette's.

    Args:
        truth: ``(case,)`` 1 for positive, 0 for negative.
        scores: ``(test, reader, case)``.
        clusters: ``(case,)`` the patient of each case; pseudovalues are then of patients.

    Source: Dorfman, Berbaum & Metz 1992; with the denominator of Hillis 2008 (Stat Med 27), eq. 6.
    """
    left = leave_out(truth, np.asarray(scores, dtype=np.float64), clusters)
    size = len(left.without)
    pseudo = size * left.areas - (size - 1) * left.without  # (cluster, test, reader)
    pseudo -= pseudo.mean(0) - left.areas  # so that their means are the areas themselves, clusters of any size
    tests, readers = left.areas.shape

    def over(*axes: int) -> np.ndarray:
        return pseudo.mean(axis=axes, keepdims=True) if axes else pseudo

    centre = over(0, 1, 2)
    by_test = over(0, 2) - centre
    with_reader = over(0) - over(0, 2) - over(0, 1) + centre
    with_case = over(2) - over(0, 2) - over(1, 2) + centre
    with_both = pseudo - over(2) - over(1) - over(0) + over(0, 1) + over(0, 2) + over(1, 2) - centre
    of_test = readers * size * (by_test**2).sum() / (tests - 1)
    of_reader = size * (with_reader**2).sum() / ((tests - 1) * (readers - 1))
    of_case = readers * (with_case**2).sum() / ((tests - 1) * (size - 1))
    of_both = (with_both**2).sum() / ((tests - 1) * (readers - 1) * (size - 1))
    return float(of_test / (of_reader + max(of_case - of_both, 0.0)))


class Average(NamedTuple):
    """The mean over readers of one figure.

    Args:
        value: The mean.
        lower, upper: For readers and cases like these.
        p: Two-sided, against 0, for readers and cases like these.
        freedom: Degrees of freedom.
        fixed_lower, fixed_upper: For these very readers.
        each: ``(reader, 3)`` that reader's figure with the ends of its interval.
        level: Of the intervals.
    """

    value: float
    lower: float
    upper: float
    p: float
    freedom: float
    fixed_lower: float
    fixed_upper: float
    each: np.ndarray
    level: float


def average_reader(left: Left, level: float = 0.95) -> Average:
    """What the average reader reaches, for readers and cases like these.

    Args:
        left: The figures ``(reader,)`` of `leave_out` or `leave_out_means`, two readers or more.
        level: Of the intervals.

    Raises:
        ValueError: Fewer than two readers.

    Source: Hillis, Obuchowski & Berbaum 2005 (a single test): variance and degrees of freedom.
    """
    from scipy.special import ndtri, stdtr, stdtrit

    if left.areas.ndim != 1 or len(left.areas) < 2:
        raise ValueError("two readers are the least")
    number, covariance = len(left.areas), left.covariance()
    shared = float(covariance[~np.eye(number, dtype=bool)].mean())
    between = float(left.areas.var(ddof=1))
    spread = between + number * max(shared, 0.0)
    freedom = (number - 1) * (spread / between) ** 2 if between > _NOTHING else np.inf
    tail, value = (1 + level) / 2, float(left.areas.mean())
    normal, finite = float(ndtri(tail)), np.isfinite(freedom)
    error, fixed = np.sqrt(spread / number), np.sqrt(max(covariance.mean(), 0.0))
    half = float(stdtrit(freedom, tail) if finite else normal) * error
    z = abs(value) / error if error > 0 else np.inf if value else 0.0
    own = np.sqrt(np.diag(covariance))
    return Average(
        value,
        float(value - half),
        float(value + half),
        float(2 * stdtr(freedom if finite else 1e9, -z)),
        float(freedom),
        float(value - normal * fixed),
        float(value + normal * fixed),
        np.stack([left.areas, left.areas - normal * own, left.areas + normal * own], axis=1),
        level,
    )


def against_readers(
    truth: np.ndarray,
    model: np.ndarray,
    readers: np.ndarray,
    clusters: np.ndarray | None = None,
    level: float = 0.95,
) -> Average:
    """Does a model rank cases better than the average reader? The AUROC of the model minus those of the readers.

    The model is one and not drawn from anything; readers and cases are. Each reader's difference from the model is
    what varies between readers, and the cases that all share move the differences together.

    Args:
        truth: ``(case,)`` 1 for positive, 0 for negative.
        model: ``(case,)`` scores.
        readers: ``(reader, case)`` scores, two readers or more.
        clusters: ``(case,)`` the patient of each case.
        level: Of the intervals.

    Raises:
        ValueError: Fewer than two readers; see `leave_out`.

    Source: As `average_reader`; the differences from one standalone reader: Chakraborty 2017, ch. 22 (1T-RRRC).
    """
    readers = np.asarray(readers, dtype=np.float64)
    left = leave_out(truth, np.concatenate([np.asarray(model, dtype=np.float64)[None], readers]), clusters)
    return average_reader(Left(left.areas[0] - left.areas[1:], left.without[:, :1] - left.without[:, 1:]), level)
