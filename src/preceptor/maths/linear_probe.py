"""A linear probe: what can be read from features by a straight line, asked of patients it was not fitted on.

The answer of ridge regression is linear in what is asked for, so one matrix serves a question and thousands of shuffled
versions of it.
"""

from __future__ import annotations

import numpy as np


def folds_of(clusters: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """``(case,)`` fold of each case, whole patients together.

    Args:
        clusters: ``(case,)`` integer id of each case's patient.
        number: Of folds.
        seed: Of the dealing.
    """
    names, unit = np.unique(clusters, return_inverse=True)
    fold = np.arange(len(names)) % number
    return np.random.default_rng(seed).permutation(fold)[unit]


def probe_matrix(features: np.ndarray, fold: np.ndarray, block: np.ndarray | None = None) -> np.ndarray:
    """``(case, case)`` matrix that turns a target into its cross-validated ridge prediction, less its mean.

    Features are standardised by the cases that are fitted on. The penalty equals the number of features, which weighs
    what all features together could explain as much as the noise.

    Args:
        features: ``(case, feature)``.
        fold: ``(case,)`` integer; a case is predicted from the other folds.
        block: ``(case,)`` integer: features of other blocks (other networks) are another language and are not learnt
            from. None where all speak one.

    Source: Hoerl & Kennard 1970; as a probe: Alain & Bengio 2016 (arXiv:1610.01644).
    """
    features = np.asarray(features, dtype=np.float64)
    block = np.zeros(len(features), dtype=int) if block is None else block
    matrix = np.zeros((len(features), len(features)))
    for each in np.unique(block):
        for held in np.unique(fold[block == each]):
            asked = np.flatnonzero((block == each) & (fold == held))
            seen = np.flatnonzero((block == each) & (fold != held))
            if len(seen) < 2:
                continue
            centre, spread = features[seen].mean(0), features[seen].std(0)
            scale = np.where(spread > 1e-9, spread, np.inf)  # what never varies says nothing
            learnt, told = (features[seen] - centre) / scale, (features[asked] - centre) / scale
            weights = told @ _ridge(learnt, float(features.shape[1]))
            # The mean of the target is left out: where one fold holds more of a group the others hold less, and a
            # prediction that began at their mean would rank the folds the wrong way round.
            matrix[np.ix_(asked, seen)] = weights - weights.mean(1, keepdims=True)
    return matrix


def _ridge(features: np.ndarray, penalty: float) -> np.ndarray:
    """``(feature, case)``: coefficients as a linear map of the target."""
    cases, width = features.shape
    if width <= cases:
        return np.linalg.solve(features.T @ features + penalty * np.eye(width), features.T)
    return features.T @ np.linalg.inv(features @ features.T + penalty * np.eye(cases))


def probe_scores(matrix: np.ndarray, codes: np.ndarray, number: int) -> np.ndarray:
    """``(case, code, column)`` scores of every code for every version of the target.

    Args:
        matrix: Of `probe_matrix`.
        codes: ``(case, column)`` integer.
        number: Of codes.
    """
    each = [matrix @ (codes == code).astype(np.float64) for code in range(number if number > 2 else 1)]
    # Rows of the matrix add up to nought, so of two codes the one's score is the other's turned round.
    return np.stack(each if number > 2 else [each[0], -each[0]], axis=1)
