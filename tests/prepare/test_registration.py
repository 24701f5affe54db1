"""Registration beyond its known answers: deformations, planes, determinism, warping, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.maths.similarity import correlation, foreground, mutual_information
from preceptor.prepare.registration import register, warp
from preceptor.prepare.registration_quality import jacobian


def blob(rng, shape, middle=0.0):
    """A textured ellipsoid about a middle that may lie off the image's."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"))
    inside = ((grid - middle) ** 2).sum(0) < 0.5
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), 2.0)
    return np.where(inside, 100 + 20 * texture / texture.std(), 0).astype(np.float32), inside


def test_a_plane_is_registered_in_its_own_millimetres():
    rng = np.random.default_rng(0)
    array, inside = blob(rng, (60, 48))
    fixed = Image(array[None], np.diag([1.0, 1.5, 1.0, 1.0]))
    shifted = np.roll(array, (3, -2), (0, 1))
    moving = fixed.with_array(shifted[None])
    found = register(moving, fixed, "rigid")
    assert found.points_mm(np.array([[30.0, 30.0, 0.0]]))[0] == pytest.approx([33.0, 27.0, 0.0], abs=0.1)
    back = warp(Image(np.roll(inside, (3, -2), (0, 1))[None].astype(np.uint8), fixed.affine_mm, is_label=True), found)
    assert (back.array[0].astype(bool) == inside).mean() > 0.99


def test_a_deformation_is_followed_and_nothing_folds():
    rng = np.random.default_rng(1)
    shape = (32, 30, 26)
    array, inside = blob(rng, shape)
    bend = np.stack(
        [3 * np.sin(np.linspace(0, np.pi, shape[1]))[None, :, None] * np.ones(shape), *np.zeros((2, *shape))]
    )
    places = np.indices(shape) + bend
    fixed = Image(ndimage.map_coordinates(array, places, order=1)[None], np.eye(4))
    truth = ndimage.map_coordinates(inside.astype(np.uint8), places, order=0)
    moving = Image(array[None], np.eye(4))
    found = register(moving, fixed, "deformable", effort="quick")
    carried = warp(Image(inside[None].astype(np.uint8), np.eye(4), is_label=True), found).array[0]
    assert 2 * (carried & truth).sum() / (carried.sum() + truth.sum()) > 0.95
    assert found.quality.folded == 0
    assert found.quality.jacobian[0] > 0
    assert found.quality.after.correlation > found.quality.before.correlation + 0.05
    assert np.array_equal(
        register(moving, fixed, "deformable", effort="quick").spatial.displacement.control,
        found.spatial.displacement.control,
    )


def test_folding_is_seen():
    places = np.stack(np.meshgrid(np.arange(10.0), np.arange(8.0), indexing="ij"))
    assert jacobian(places) == pytest.approx(1.0)
    assert (jacobian(places * np.array([-1, 1])[:, None, None]) < 0).all()
    stretched = np.stack(np.meshgrid(np.arange(6.0), 2 * np.arange(5.0), 3 * np.arange(4.0), indexing="ij"))
    assert jacobian(stretched) == pytest.approx(6.0)


def test_a_constant_image_is_refused():
    image = Image(np.zeros((1, 20, 20, 20), dtype=np.float32), np.eye(4))
    with pytest.raises(PrepareError, match="constant"):
        register(image, image)


def test_independent_images_tell_nothing_of_one_another():
    rng = np.random.default_rng(2)
    first = rng.integers(0, 4, 100_000).astype(float)
    assert mutual_information(first, rng.permutation(first), 4) < 1e-3
    assert mutual_information(first, 3 - first, 4) == pytest.approx(np.log(4), abs=1e-3)
    assert correlation(first, 3 - first) == pytest.approx(-1)
    assert np.isnan(correlation(first, np.ones_like(first)))
    assert foreground(np.array([0.0, 1, 0, 9, 10])).tolist() == [False, False, False, True, True]
