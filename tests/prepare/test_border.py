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


def test_a_strong_bias_field_is_not_taken_for_a_border():
    true, rough = ball((14, 11, 13)), ball((12.5, 12.5, 12.8))
    field = np.exp(0.6 * np.linspace(-1, 1, 40)).reshape(-1, 1, 1)
    values = np.where(true, 1.0, 0.5) * field + np.random.default_rng(0).normal(0, 0.1, true.shape)
    assert dice(settled(values, rough, SPACING), true) > 0.975


def test_what_is_deep_stays():
    """A dark tract runs through the structure."""
    rough = ball((13, 13, 13), (60, 44, 44))
    values = np.where(rough, 1.0, 0.2) + np.random.default_rng(3).normal(0, 0.05, rough.shape)
    values[:, 20:24, 15:22] = 0.2
    values[40:, 18:28, 24:32] = 1.0
    deep_mm = ndimage.distance_transform_edt(rough, sampling=SPACING)
    assert settled(values, rough, SPACING)[deep_mm > 6].all()


def test_what_is_far_is_not_reached():
    """Half of the rim is dark, and a bright tract leads away from the structure: the atlas is off by 12 mm at most."""
    rough = ball((13, 13, 13), (60, 44, 44))
    deep_mm = ndimage.distance_transform_edt(rough, sampling=SPACING)
    far_mm = ndimage.distance_transform_edt(~rough, sampling=SPACING)
    bright = (deep_mm > 6) | (rough & (np.arange(60) > 29)[:, None, None])
    bright[40:, 16:28, 16:28] = True
    values = np.where(bright, 1.0, 0.2) + np.random.default_rng(3).normal(0, 0.05, rough.shape)
    found = settled(values, rough, SPACING)
    assert found[(far_mm > 6) & (far_mm < 12) & bright].all() and not found[far_mm >= 12].any()
