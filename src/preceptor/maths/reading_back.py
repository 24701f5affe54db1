"""Calibration read backwards: how a measurement follows from the truth is learnt, and the truth read off it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_GRID = 2001


def read_back(measured: np.ndarray, real: np.ndarray, degree: int = 1) -> Callable[[np.ndarray], np.ndarray]:
    """Fit what is measured as a polynomial of what is real, and invert it.

    Regressing the truth on the measurement instead pulls every answer towards the mean of the calibrating cases, the more
    the noisier the measurement: low truths are told too high, high ones too low. Read backwards, cases of one truth are
    told right on average, whatever the mix of cases.

    Args:
        measured, real: ``(case,)``, finite; the truth in 0..1.
        degree: 1 a line, 2 a parabola.

    Returns:
        From measurements to truths in 0..1, monotone: where the polynomial turns round, its running maximum is inverted.

    Raises:
        ValueError: The measurement does not rise with the truth.

    Source: Eisenhart 1939 (doi 10.1214/aoms/1177732214), the classical estimator; against the inverse one: Krutchkoff
        1967 and its discussion.
    """
    shape = np.polynomial.Polynomial.fit(real, measured, degree, domain=[0, 1])
    grid = np.linspace(0, 1, _GRID)
    risen = np.maximum.accumulate(shape(grid))
    if not risen[-1] > risen[0]:
        raise ValueError("what is measured does not rise with what is real")
    first = np.concatenate([[True], np.diff(risen) > 0])  # of a flat stretch its lowest truth

    def read(values: np.ndarray) -> np.ndarray:
        return np.interp(values, risen[first], grid[first])

    return read
