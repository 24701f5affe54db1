"""Uniform numbers that depend on a key alone: no state, so many keys are answered at once, in any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GOLDEN, _FIRST, _SECOND = (np.uint64(each) for each in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def keyed_uniform(key: Sequence[int | np.ndarray], count: int) -> np.ndarray:
    """Draw `count` numbers for each key.

    Args:
        key: Whole numbers of at least 0, or arrays of them that broadcast: the parts of each key, in order.
        count: Numbers a key.

    Returns:
        ``(*key, count)`` float64 in [0, 1).

    Source: a generator without state, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"; its mixing
    function is SplitMix64, Steele et al. 2014, "Fast splittable pseudorandom number generators".
    """
    parts = np.broadcast_arrays(*(np.asarray(each, dtype=np.uint64) for each in key))
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64
        state = np.zeros(parts[0].shape, dtype=np.uint64)
        for each in parts:
            state = _mixed((state ^ each) + _GOLDEN)
        drawn = _mixed(state[..., None] + _GOLDEN * np.arange(1, count + 1, dtype=np.uint64))
    return (drawn >> np.uint64(11)) * 2.0**-53


def _mixed(word: np.ndarray) -> np.ndarray:
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))
