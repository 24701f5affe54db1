"""A mask off at its border is set right by grey values of any contrast, and left alone by those that say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from preceptor.prepare.border import settled

SPACING = (3.0, 3.0, 3.0)


def ball(radii, shape=(40, 44, 40)):
    axes = [np.arange(each) - (each - 1) / 2 for each in shape]
    grid = np.meshgrid(*axes, indexing="ij", sparse=True)
    return sum((axis / radius) ** 2 for axis, radius in zip(grid, radii, strict=True)) < 1


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("outside", [0.2, 3.0])
def test_the_border_moves_to_where_grey_values_change(outside):
    true, rough = ball((14, 11, 13)), ball((12.5, 12.5, 12.8))
    rng = np.random.default_rng(0)
    field = np.exp(0.3 * np.linspace(-1, 1, 40)).reshape(-1, 1, 1)
    values = np.where(true, 1.0, outside) * field + rng.normal(0, 0.1, true.shape)
    found = settled(values, rough, SPACING)
    assert dice(rough, true) < 0.93 and dice(found, true) > 0.97
    assert abs(found.sum() / rough.sum() - 1) < 0.01, "the volume is the atlas' own"
    assert ndimage.label(found)[1] == 1


def test_holes_belong_to_the_structure_and_islands_do_not():
    true = ball((14, 12, 13))
    values = np.where(true & ~ball((2, 2, 2)), 1.0, 0.2) + np.random.default_rng(1).normal(0, 0.05, true.shape)
    values[:4, :4, :4] = 1.0
    found = settled(values, ball((13.5, 12.5, 13)), SPACING)
    assert found[20, 22, 20] and not found[:4, :4, :4].any()


def test_grey_values_that_say_nothing_leave_the_mask():
    rough = ball((13, 12, 12))
    values = np.random.default_rng(2).normal(1, 0.1, rough.shape)
    assert dice(settled(values, rough, SPACING), rough) > 0.97
    assert dice(settled(np.ones(rough.shape), rough, SPACING), rough) > 0.99
    thin = ball((1.5, 1.5, 1.5))
    assert settled(values, thin, SPACING) is thin, "nothing of it is deep enough to learn from"
