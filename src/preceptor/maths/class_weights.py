"""What a class weighs in a loss, from how often it occurs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def balanced_weights(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """``(class,)`` n / (K n_k): every class weighs the same in total, and the mean case weighs 1.

    Raises:
        ValueError: A class has no case.
    """
    number = _counted(counts)
    return number.sum() / (len(number) * number)


def effective_number_weights(counts: Sequence[int] | np.ndarray, beta: float) -> np.ndarray:
    """``(class,)`` (1 - beta) / (1 - beta^n_k), scaled to sum to K.

    Args:
        counts: Cases of each class.
        beta: 0 weighs all classes alike; towards 1 it tends to inverse frequency.

    Raises:
        ValueError: A class has no case, or beta is not in [0, 1).

    Source: Cui 2019 (arXiv:1901.05555), eq. 2.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be in [0, 1), not {beta}")
    number = _counted(counts)
    weights = (1 - beta) / -np.expm1(number * np.log(beta)) if beta > 0 else np.ones_like(number)
    return weights * len(number) / weights.sum()


def positive_weight(positives: int, total: int) -> float:
    """Negatives per positive: what a binary cross-entropy's positive term is multiplied with.

    Raises:
        ValueError: There is no positive case.
    """
    if positives <= 0:
        raise ValueError("no positive case: its weight is not defined")
    return (total - positives) / positives


def _counted(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    number = np.asarray(counts, dtype=float)
    if (number <= 0).any():
        raise ValueError(f"class {int(np.argmin(number))} has no case: its weight is not defined")
    return number
