"""Numbers by key: even, unrelated from key to key, and the same however they are asked for."""

from __future__ import annotations

import numpy as np
from scipy import stats

from preceptor.maths.keyed_uniform import keyed_uniform


def test_even_and_unrelated_to_their_neighbours():
    drawn = keyed_uniform([7, np.arange(60)[:, None], 2**31 + np.arange(500)], 4)
    assert drawn.shape == (60, 500, 4) and drawn.min() >= 0 and drawn.max() < 1
    for column in drawn.reshape(-1, 4).T:
        assert stats.kstest(column, "uniform").pvalue > 1e-3
    pairs = [(drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:]), (drawn[..., :-1], drawn[..., 1:])]
    for one, other in pairs:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)
    assert len(np.unique(drawn)) == drawn.size


def test_a_key_alone_gives_what_it_gives_among_others():
    together = keyed_uniform([3, np.arange(10), 5], 2)
    assert all(np.array_equal(keyed_uniform([3, n, 5], 2), together[n]) for n in range(10))
    assert np.array_equal(keyed_uniform([3, 4, 5], 1), together[4, :1])
    assert not np.isclose(keyed_uniform([4, 3, 5], 2), keyed_uniform([3, 4, 5], 2)).any()
