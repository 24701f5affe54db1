"""Phantoms hold what they say: sizes, places, brightness; and a draw of one thing leaves the others alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.maths.phantom_scanner import Scanner
from preceptor.maths.phantoms import (
    Anatomy,
    Lesion,
    Pose,
    body,
    chest,
    coordinates,
    draw_lesions,
    ellipsoid,
    plant,
    share_inside,
    smooth_field,
    structures,
)

SHAPE, SPACING = (60, 48, 40), (1.0, 1.5, 2.0)
MARGIN = 0.4


@settings(max_examples=40, deadline=None)
@given(
    radii=st.tuples(*[st.floats(11, 14)] * 3),
    at=st.tuples(*[st.floats(-MARGIN, MARGIN)] * 3),
    tilt=st.floats(-0.5, 0.5),
)
def test_a_lesion_has_the_volume_it_says(radii, at, tilt):
    """Half axes of 5.5 voxels and more: voxels counted lie within 4 % of the ellipsoid's volume, wherever it lies."""
    extent = np.array(SHAPE) * SPACING
    lesion = Lesion(tuple(np.array(at) * extent / 2), radii)
    pose = Pose(tilt, (0.05, -0.05, 0.0))
    if abs(tilt) > 0.01 and SPACING[0] * SHAPE[0] != SPACING[1] * SHAPE[1]:
        pose = Pose(0.0, pose.shift)  # a turn in relative coordinates keeps volumes where the field of view is square
    _, mask = plant(np.zeros(SHAPE), [lesion], SPACING, pose)
    counted = mask.sum() * math.prod(SPACING)
    assert counted == pytest.approx(4 / 3 * math.pi * math.prod(radii), rel=0.04)
    assert lesion.size == pytest.approx(4 / 3 * math.pi * math.prod(radii))


@given(radii=st.tuples(st.floats(8, 14), st.floats(8, 14)), tilt=st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_a_flat_lesion_has_the_area_it_says_however_it_is_turned(radii, tilt):
    lesion = Lesion((10.0, -7.0), radii)
    image, mask = plant(np.zeros((96, 96)), [lesion], (1.0, 1.0), Pose(tilt, (0.03, 0.01, 0.0)))
    assert mask.sum() == pytest.approx(math.pi * math.prod(radii), rel=0.04) == pytest.approx(lesion.size, rel=0.04)
    assert image[mask > 0].mean() == pytest.approx(lesion.contrast, abs=0.04)
    # With soft borders the brightness adds up to the area, whole pixels or not.
    assert image.sum() / lesion.contrast == pytest.approx(lesion.size, rel=0.03)


@given(seed=st.integers(0, 10_000), number=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_lesions_lie_apart_inside_the_body(seed, number):
    rng = np.random.default_rng(seed)
    extent = (160.0, 160.0, 128.0)
    found = draw_lesions(rng, number, extent, (8, 12))
    assert 1 <= len(found) <= number
    for place, one in enumerate(found):
        assert all(abs(c) <= 0.45 * side / 2 for c, side in zip(one.centre_mm, extent, strict=True))
        for other in found[:place]:
            assert math.dist(one.centre_mm, other.centre_mm) > max(one.radii_mm) + max(other.radii_mm)
    _, mask = plant(np.zeros((80, 80, 64)), found, (2, 2, 2))
    assert mask.sum() * 8 == pytest.approx(sum(each.size for each in found), rel=0.06)


@pytest.mark.parametrize("shape", [(64, 64), (32, 32, 32)])
def test_soft_borders_add_up_to_the_shape(shape):
    radii = (0.5, 0.6, 0.55)[: len(shape)]
    share = share_inside(ellipsoid(coordinates(shape), (0, 0, 0), radii), shape, radii)
    unit_ball = math.pi if len(shape) == 2 else 4 / 3 * math.pi
    assert share.sum() == pytest.approx(unit_ball * math.prod(radii) * math.prod(shape) / 2 ** len(shape), rel=0.02)
    assert share.max() == 1 and share.min() == 0 and ((share > 0) & (share < 1)).any()


def test_structures_stand_in_a_row_and_each_has_its_brightness():
    rng = np.random.default_rng(1)
    for _ in range(5):
        image, labels = structures(Anatomy.draw(rng), (36, 48, 36), 3)
        assert set(np.unique(labels)) == {0, 1, 2, 3}
        front = [np.argwhere(labels == value)[:, 1].mean() for value in (1, 2, 3)]
        assert front[0] > front[1] > front[2], "the first in front: the second axis runs to the front"
        bright = [np.median(image[labels == value]) for value in (1, 2, 3)]
        assert bright == pytest.approx([0.62, 0.77, 0.92], abs=0.03)


def test_a_body_has_an_inside_and_nothing_around_it():
    anatomy = Anatomy.draw(np.random.default_rng(2))
    shown = body(anatomy, (40, 40, 20))
    inside = share_inside(ellipsoid(coordinates((40, 40, 20)), (0, 0, 0), anatomy.radii), (40, 40, 20), anatomy.radii)
    assert (shown[inside == 0] == 0).all() and shown[inside == 1].min() >= 0.1 and shown.max() <= 1
    other = body(anatomy, (40, 40, 20), view=1)
    assert np.corrcoef(shown[inside == 1], other[inside == 1])[0, 1] < 0.7, "another contrast of the same anatomy"
    assert np.array_equal(other > 0, shown > 0)


def test_lungs_are_dark_and_the_spine_shows_from_the_side():
    anatomy = Anatomy.draw(np.random.default_rng(3), blobs=0)
    front, side = chest(anatomy, (96, 96)), chest(anatomy, (96, 96), view=1)
    lungs, middle = front[[28, 68]][:, 35:50].mean(), front[46:50, 35:50].mean()
    assert middle > lungs + 0.3
    assert side[72:76, 30:60].mean() > side[40:50, 20:40].mean() + 0.2


@pytest.mark.parametrize("draw", [lambda a, s, p: body(a, s, p), lambda a, s, p: chest(a, s[:2], p)])
def test_a_pose_moves_the_body(draw):
    anatomy, shape = Anatomy.draw(np.random.default_rng(5)), (64, 64, 12)
    still, moved = draw(anatomy, shape, Pose()), draw(anatomy, shape, Pose(0.0, (4 / 32, 0.0, 0.0)))
    assert np.allclose(moved[4:], still[:-4], atol=1e-9), "an eighth of half the field of view is four voxels"
    turned = draw(anatomy, shape, Pose(math.pi / 2))
    assert np.allclose(turned, np.rot90(still, 1, (0, 1)), atol=1e-9)


def test_a_smooth_field_passes_through_its_control_points():
    control = np.random.default_rng(0).normal(size=(3, 4))
    at = [np.linspace(-1, 1, 3)[:, None], np.linspace(-1, 1, 4)[None]]
    assert np.allclose(smooth_field(control, at, (3, 4)), control)
    halfway = [np.array([[-0.5]]), np.array([[-1.0]])]
    assert smooth_field(control, halfway, (1, 1))[0, 0] == pytest.approx(control[:2, 0].mean())


# ------------------------------------------------------------------ scanners


def test_strength_nought_is_no_scanner():
    for seed in range(5):
        assert Scanner.draw(np.random.default_rng(seed), 0.0) == Scanner()
    image = body(Anatomy.draw(np.random.default_rng(1)), (32, 32))
    shown = Scanner().scan(image, np.random.default_rng(0), noise=0.0)
    assert np.array_equal(shown, image.astype(np.float32))


def test_a_scanner_is_the_same_one_at_any_strength():
    weak, strong = (Scanner.draw(np.random.default_rng(3), strength) for strength in (0.5, 1.0))
    assert math.log(strong.gamma) == pytest.approx(2 * math.log(weak.gamma))
    assert math.log(strong.gain) == pytest.approx(2 * math.log(weak.gain))
    assert (strong.ramp, strong.noise) == pytest.approx((2 * weak.ramp, 2 * weak.noise))


def test_each_effect_does_what_it_says():
    rng, flat = np.random.default_rng(0), np.full((64, 64), 0.5)

    def show(image=flat, noise=0.0, **effect):
        return Scanner(**effect).scan(image, np.random.default_rng(1), noise)

    assert show(gamma=2.0).mean() == pytest.approx(0.25)
    assert show(gain=1.2).mean() == pytest.approx(0.6)
    ramp = show(ramp=0.4)
    assert ramp[0].mean() == pytest.approx(0.5 * 0.8) and ramp[-1].mean() == pytest.approx(0.5 * 1.2)
    assert show(noise=0.03).std() == pytest.approx(0.03, rel=0.05)
    both = Scanner(noise=0.04).scan(flat, np.random.default_rng(1), 0.03)
    assert both.std() == pytest.approx(0.05, rel=0.05), "independent noise adds in squares"
    rough = rng.uniform(0.2, 0.8, (64, 64))
    blurred = show(rough, blur=0.25)
    assert blurred.mean() == pytest.approx(rough.mean(), abs=0.005) and blurred.std() < 0.5 * rough.std()
