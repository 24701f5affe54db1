"""A Gaussian copula of columns of any kind: how they go together, apart from what each looks like by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

#: Terms of the series that ties a latent correlation to what ordered groups show of it.
_TERMS = 200

#: Latent correlations are kept inside these bounds, so that draws stay possible.
_FURTHEST = 0.98


@dataclass(frozen=True, eq=False)
class Latent:
    """What a column shows of the normal variable that stands behind it.

    Args:
        scores: ``(row,)`` the normal variable's mean within the row's group; NaN where the value is missing.
        coefficients: ``(term,)`` of the scores in normalised Hermite polynomials of the normal variable, from the first.
    """

    scores: np.ndarray
    coefficients: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Latent:
        """A column's latent scores.

        Rows of one value form a group, between thresholds that cut the normal distribution in proportion; a column of
        distinct numbers has a group for each, a class as many as it has categories. One rule serves both.

        Args:
            values: ``(row,)`` numbers whose order counts, NaN where missing.
        """
        known = np.isfinite(values)
        scores = np.full(len(values), np.nan)
        groups, place, sizes = np.unique(values[known], return_inverse=True, return_counts=True)
        if len(groups) < 2:
            scores[known] = 0.0
            return cls(scores, np.zeros(_TERMS))
        cuts = ndtri(np.concatenate([[0.0], np.cumsum(sizes) / sizes.sum()]))
        density = np.exp(-0.5 * cuts**2) / math.sqrt(2 * math.pi)  # 0 at both ends
        means = (density[:-1] - density[1:]) / (sizes / sizes.sum())
        scores[known] = means[place]
        before, here = np.zeros(len(cuts)), np.ones(len(cuts))
        inner = np.where(np.isfinite(cuts), cuts, 0.0)
        found = []
        for term in range(
            1, _TERMS + 1
        ):  # the integral of He_k * phi between two thresholds is He_{k-1} * phi, subtracted
            edge = here * density
            found.append(float((means * (edge[:-1] - edge[1:])).sum()) / math.sqrt(term))
            before, here = here, (inner * here - math.sqrt(term - 1) * before) / math.sqrt(term)
        return cls(scores, np.asarray(found))


def latent_correlation(one: Latent, two: Latent) -> float:
    """The correlation of the normal variables behind two columns.

    The one for which the expected covariance of the scores, ``sum_k rho^k a_k b_k`` (Mehler's formula, a and b being the
    Hermite coefficients), is the covariance seen in rows that know both. Of two columns of numbers that is the normal
    scores correlation, of a number and a class the polyserial one, of two classes the polychoric one.

    Returns:
        Within ±0.98; 0 where fewer than 3 rows know both, or one of the columns does not vary.

    Source: Mehler 1866; Olsson 1979, Psychometrika 44; Olsson, Drasgow and Dorans 1982, Psychometrika 47.
    """
    both = np.isfinite(one.scores) & np.isfinite(two.scores)
    product = one.coefficients * two.coefficients
    if both.sum() < 3 or not product.any():
        return 0.0
    first, second = one.scores[both], two.scores[both]
    seen = float(np.mean(first * second) - first.mean() * second.mean())
    powers = np.arange(1, _TERMS + 1)

    def expected(correlation: float) -> float:
        return float((correlation**powers * product).sum())

    if seen >= expected(_FURTHEST):
        return _FURTHEST
    if seen <= expected(-_FURTHEST):
        return -_FURTHEST
    return float(brentq(lambda r: expected(r) - seen, -_FURTHEST, _FURTHEST, xtol=1e-12))


def correlation_matrix(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Latent correlations of all columns, as the nearest matrix that draws can come from.

    Args:
        columns: ``(row,)`` each, NaN where missing.

    Returns:
        ``(column, column)``, positive definite with ones on its diagonal: where pairs contradict one another, negative
        eigenvalues are set to a small positive number and the rows scaled back.

    Source: Rebonato and Jäckel 1999, Journal of Risk 2 (the spectral method).
    """
    latent = [Latent.of(np.asarray(column, float)) for column in columns]
    matrix = np.eye(len(latent))
    for row in range(len(latent)):
        for column in range(row):
            matrix[row, column] = matrix[column, row] = latent_correlation(latent[row], latent[column])
    values, vectors = np.linalg.eigh(matrix)
    if values.size and values.min() < 1e-6:
        matrix = (vectors * np.clip(values, 1e-6, None)) @ vectors.T
        scale = np.sqrt(np.diag(matrix))
        matrix = matrix / np.outer(scale, scale)
    return matrix


def draw_uniforms(rng: np.random.Generator, correlation: np.ndarray, rows: int) -> np.ndarray:
    """``(row, column)`` uniform numbers that go together as a Gaussian copula has it."""
    factor = np.linalg.cholesky(correlation)
    return np.asarray(ndtr(rng.normal(size=(rows, len(correlation))) @ factor.T))


def grouped_knots(values: np.ndarray, least: int) -> tuple[np.ndarray, np.ndarray]:
    """A quantile function through means of neighbours, in which no single value appears.

    Args:
        values: ``(row,)`` known numbers, `least` of them or more.
        least: Values that every knot is the mean of, at the least.

    Returns:
        Shares ``(knot,)`` in 0 to 1 and values ``(knot,)``, rising; the outermost lie half a group beyond the last means.

    Source: Domingo-Ferrer and Mateo-Sanz 2002 (microaggregation), IEEE Transactions on Knowledge and Data Engineering 14.
    """
    ordered = np.sort(np.asarray(values, float))
    groups = np.array_split(ordered, max(1, len(ordered) // least))
    means = np.array([group.mean() for group in groups])
    ends = np.cumsum([len(group) for group in groups]) / len(ordered)
    middles = ends - np.array([len(group) for group in groups]) / len(ordered) / 2
    if len(means) == 1:
        return np.array([0.0, 1.0]), np.repeat(means, 2)
    low = means[0] - (means[1] - means[0]) * middles[0] / (middles[1] - middles[0])
    high = means[-1] + (means[-1] - means[-2]) * (1 - middles[-1]) / (middles[-1] - middles[-2])
    low, high = max(low, 0.0) if means[0] >= 0 else low, min(high, 0.0) if means[-1] <= 0 else high
    return np.concatenate([[0.0], middles, [1.0]]), np.concatenate([[low], means, [high]])
