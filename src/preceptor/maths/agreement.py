"""Agreement of readers beyond chance: kappa of two or many, intraclass correlation of scores, each with its interval."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

Weights = Literal["none", "linear", "quadratic"]
Form = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]

#: The six forms of Shrout & Fleiss, in the order of their table.
FORMS: tuple[Form, ...] = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")


class Agreement(NamedTuple):
    """An agreement with its interval.

    Args:
        value: 1 for perfect agreement, 0 for what chance alone gives; NaN where it is undefined.
        lower, upper: Of the interval; NaN where it is undefined.
        level: Of the interval.
        form: Which of its kind: "kappa, quadratic weights", "ICC(2,1)".
    """

    value: float
    lower: float
    upper: float
    level: float
    form: str


def cross_table(first: np.ndarray, second: np.ndarray, categories: int) -> np.ndarray:
    """``(category, category)`` how often the first reader said the row and the second the column.

    Args:
        first, second: ``(subject,)`` integer categories of the same subjects.
        categories: How many there are.
    """
    pairs = np.asarray(first, dtype=np.int64) * categories + np.asarray(second, dtype=np.int64)
    return np.bincount(pairs, minlength=categories**2).reshape(categories, categories)


def cohen_kappa(table: np.ndarray, weights: Weights = "none", level: float = 0.95) -> Agreement:
    """Agreement of two readers on categories, in order where weighted.

    Weights are agreements: 1 on the diagonal, ``1 - d / (k - 1)`` (linear) or ``1 - (d / (k - 1))²`` (quadratic) at
    ``d`` categories' distance. The interval is normal with the large-sample variance, cut at 1; it is optimistic below
    some thirty subjects.

    Args:
        table: ``(category, category)`` counts, see `cross_table`.
        weights: ``none``, ``linear`` or ``quadratic``.
        level: Of the interval.

    Returns:
        NaN where both readers used one and the same category throughout: chance then agrees as well as they do.

    Raises:
        ValueError: The table is not square, or empty.

    Source: Cohen 1960, 1968; variance: Fleiss, Cohen & Everitt 1969, eq. 8 and 13.
    """
    table = np.asarray(table, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or table.sum() <= 0:
        raise ValueError("a square table of counts, of at least one subject, is needed")
    size, subjects = len(table), table.sum()
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))) / max(size - 1, 1)
    weight = {"none": (distance == 0).astype(float), "linear": 1 - distance, "quadratic": 1 - distance**2}[weights]
    share = table / subjects
    rows, columns = share.sum(1), share.sum(0)
    observed, expected = (weight * share).sum(), (weight * np.outer(rows, columns)).sum()
    form = "kappa" if weights == "none" else f"kappa, {weights} weights"
    if np.isclose(expected, 1.0):
        return Agreement(np.nan, np.nan, np.nan, level, form)
    value = (observed - expected) / (1 - expected)
    # How much each cell's weight exceeds the mean weight of its row and of its column.
    typical = (weight @ columns)[:, None] + (weight.T @ rows)[None]
    inner = weight - typical * (1 - value)
    variance = ((share * inner**2).sum() - (value - expected * (1 - value)) ** 2) / (subjects * (1 - expected) ** 2)
    return _normal(value, variance, level, form)


def fleiss_kappa(counts: np.ndarray, level: float = 0.95) -> Agreement:
    """Agreement of many readers on categories without order; who said what does not matter.

    The interval takes subjects and readers' answers as drawn: normal with the linearised variance between subjects.

    Args:
        counts: ``(subject, category)`` how many readers said so; every subject has the same number, two or more.
        level: Of the interval.

    Raises:
        ValueError: Subjects differ in their number of readers, or there are fewer than two.

    Source: Fleiss 1971, eq. 1-7; variance: Gwet 2008 (Br J Math Stat Psychol 61), for Fleiss' kappa.
    """
    counts = np.asarray(counts, dtype=np.float64)
    readers = counts.sum(1)
    if counts.ndim != 2 or not len(counts) or readers[0] < 2 or (readers != readers[0]).any():
        raise ValueError("every subject needs the same number of readers, two or more")
    total, subjects = readers[0], len(counts)
    agreed = (counts * (counts - 1)).sum(1) / (total * (total - 1))
    used = counts.mean(0) / total
    expected = float((used**2).sum())
    if np.isclose(expected, 1.0):
        return Agreement(np.nan, np.nan, np.nan, level, "Fleiss' kappa")
    value = (agreed.mean() - expected) / (1 - expected)
    if subjects < 2:
        return Agreement(float(value), np.nan, np.nan, level, "Fleiss' kappa")
    # The chance term moves with every subject too: leaving it out gives the variance of observed agreement alone.
    chance = counts @ used / total
    linear = (agreed - expected) / (1 - expected) - 2 * (1 - value) * (chance - expected) / (1 - expected)
    variance = ((linear - value) ** 2).sum() / (subjects * (subjects - 1))
    return _normal(value, variance, level, "Fleiss' kappa")


class MeanSquares(NamedTuple):
    """Of a table of subjects by raters.

    Args:
        subjects, raters, error: Of the two-way layout without replication.
        within: Of the one-way layout: raters and error together.
    """

    subjects: float
    raters: float
    error: float
    within: float


def mean_squares(ratings: np.ndarray) -> MeanSquares:
    """The analysis of variance that every intraclass correlation is made of.

    Args:
        ratings: ``(subject, rater)``, two or more of each, none missing.

    Raises:
        ValueError: The table is too small or holds NaN.
    """
    ratings = np.asarray(ratings, dtype=np.float64)
    if ratings.ndim != 2 or min(ratings.shape) < 2 or not np.isfinite(ratings).all():
        raise ValueError("two subjects and two raters are the least, and every subject needs every rater's score")
    subjects, raters = ratings.shape
    centre = ratings.mean()
    between = raters * ((ratings.mean(1) - centre) ** 2).sum()
    across = subjects * ((ratings.mean(0) - centre) ** 2).sum()
    within = ((ratings - ratings.mean(1, keepdims=True)) ** 2).sum()
    return MeanSquares(
        float(between / (subjects - 1)),
        float(across / (raters - 1)),
        float((within - across) / ((subjects - 1) * (raters - 1))),
        float(within / (subjects * (raters - 1))),
    )


def icc(ratings: np.ndarray, form: Form = "2,1", level: float = 0.95) -> Agreement:
    """Intraclass correlation in one of the six forms; a figure without its form says nothing.

    ``1``: each subject has raters of its own. ``2``: raters are a sample of those who might rate, and their
    differences count as disagreement. ``3``: these raters only, and a rater who is stricter throughout still agrees.
    ``,1`` is one rater's reliability, ``,k`` that of the mean over all of them.

    Args:
        ratings: ``(subject, rater)``, two or more of each, none missing.
        form: Of `FORMS`.
        level: Of the interval.

    Raises:
        ValueError: See `mean_squares`; or the form is unknown.

    Source: Shrout & Fleiss 1979, table 4 and the intervals beside it; McGraw & Wong 1996, tables 4 and 7.
    """
    if form not in FORMS:
        raise ValueError(f"the form is one of {', '.join(FORMS)}")
    squares = mean_squares(ratings)
    subjects, raters = np.shape(ratings)
    # `spread` stands for the mean square that subjects are held against.
    noise = squares.within if form[0] == "1" else squares.error
    if squares.subjects + noise + squares.raters == 0:
        return Agreement(np.nan, np.nan, np.nan, level, f"ICC({form})")
    if form[0] == "2":
        single = _absolute(squares.subjects, squares, subjects, raters)
        lower, upper = _absolute_limits(squares, single, subjects, raters, level)
    else:
        single = (squares.subjects - noise) / (squares.subjects + (raters - 1) * noise)
        freedom = (raters - 1) * (subjects - (form[0] == "3"))
        lower, upper = _ratio_limits(squares.subjects, noise, subjects - 1, freedom, raters, level)
    values = np.array([single, lower, upper])
    if form[-1] == "k":  # Spearman-Brown: the mean of k raters
        values = raters * values / (1 + (raters - 1) * values)
    value, lower, upper = (float(each) for each in values)
    return Agreement(value, lower, upper, level, f"ICC({form})")


def _absolute(between: float, squares: MeanSquares, subjects: int, raters: int) -> float:
    noise = squares.error
    return (between - noise) / (between + (raters - 1) * noise + raters * (squares.raters - noise) / subjects)


def _absolute_limits(
    squares: MeanSquares, single: float, subjects: int, raters: int, level: float
) -> tuple[float, float]:
    """Raters and error vary on their own: Satterthwaite's degrees of freedom for the two together."""
    from scipy.special import fdtri

    tail = (1 + level) / 2
    if squares.error == 0 and squares.raters == 0:
        return single, single
    rater_share = raters * single / (subjects * (1 - single))
    error_share = 1 + raters * single * (subjects - 1) / (subjects * (1 - single))
    together = rater_share * squares.raters + error_share * squares.error
    freedom = together**2 / (
        (rater_share * squares.raters) ** 2 / (raters - 1)
        + (error_share * squares.error) ** 2 / ((subjects - 1) * (raters - 1))
    )
    high, low = fdtri(subjects - 1, freedom, tail), fdtri(freedom, subjects - 1, tail)
    rest = raters * squares.raters + (raters * subjects - raters - subjects) * squares.error
    lower = subjects * (squares.subjects - high * squares.error) / (high * rest + subjects * squares.subjects)
    upper = subjects * (low * squares.subjects - squares.error) / (rest + subjects * low * squares.subjects)
    return float(lower), float(upper)


def _ratio_limits(
    between: float, noise: float, first: int, second: int, raters: int, level: float
) -> tuple[float, float]:
    from scipy.special import fdtri

    if noise == 0:
        return 1.0, 1.0
    tail = (1 + level) / 2
    ratio = between / noise
    low, high = ratio / fdtri(first, second, tail), ratio * fdtri(second, first, tail)
    return float((low - 1) / (low + raters - 1)), float((high - 1) / (high + raters - 1))


def _normal(value: float, variance: float, level: float, form: str) -> Agreement:
    from scipy.special import ndtri

    half = float(ndtri((1 + level) / 2)) * np.sqrt(max(variance, 0.0))
    return Agreement(float(value), float(value - half), float(min(value + half, 1.0)), level, form)
