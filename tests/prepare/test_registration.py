"""Registration beyond its known answers: deformations, planes, determinism, warping, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError, RecipeError
from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.intake.write import write_image
from preceptor.maths.resampling import resample
from preceptor.maths.similarity import correlation, foreground, mutual_information
from preceptor.prepare.compose import prepare_sample
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


def seen_in(array, true_mm, affine_mm, shape):
    """What lies at ``p`` of the first grid (identity affine) lies at ``true_mm p`` of this one."""
    matrix = np.linalg.inv(true_mm) @ affine_mm
    return Image(resample(array[None], matrix, shape, fill=0.0), affine_mm)


def two_views(rng):
    """One patient, two views: the second on a coarser grid, the patient having moved by 3 and 2 mm between them."""
    array, inside = blob(rng, (40, 36, 28))
    moved = np.eye(4)
    moved[:3, 3] = [3.0, -2.0, 0.0]
    affine_mm = np.diag([1.25, 1.25, 1.25, 1.0])
    return Image(array[None], np.eye(4)), seen_in(array, moved, affine_mm, (36, 32, 24)), inside


def test_the_views_of_a_patient_are_laid_onto_one_of_them():
    first, second, _ = two_views(np.random.default_rng(3))
    case = Sample("case", {"t1": first, "t2": second})
    step = build("transforms", {"register": {"view": "t1", "kind": "rigid", "effort": "quick"}})
    out = prepare_sample(case, [step, build("transforms", "zscore")]).images
    assert out["t1"].shape == out["t2"].shape == first.shape
    assert np.allclose(out["t2"].affine_mm, first.affine_mm)
    assert correlation(out["t1"].array.ravel(), out["t2"].array.ravel()) > 0.97
    plain = build("transforms", {"resample": {"spacing_mm": 2}})
    with pytest.raises(PrepareError, match="was moved before"):
        prepare_sample(case, [plain, step])


def test_a_case_is_laid_onto_an_atlas_that_the_state_holds(tmp_path):
    atlas, second, inside = two_views(np.random.default_rng(4))
    path = tmp_path / "atlas.nii.gz"
    write_image(path, atlas)
    truth = Image(
        resample(
            inside[None].astype(np.uint8), np.linalg.inv(moved_back()) @ second.affine_mm, second.shape, nearest=True
        ),
        second.affine_mm,
        is_label=True,
    )
    unfitted = build(
        "transforms", {"register": {"atlas": "atlas.nii.gz", "kind": "rigid", "effort": "quick"}}, root=tmp_path
    )
    state = unfitted.fit([])
    path.unlink()  # a bundle has the state and no file
    step = build("transforms", {"register": {"atlas": "atlas.nii.gz", "kind": "rigid", "effort": "quick"}}).with_state(
        state
    )
    out = prepare_sample(Sample("case", {"t1": second}, {"label": truth}), [step])
    found = out.masks["label"].array[0].astype(bool)
    assert found.shape == inside.shape
    assert 2 * (found & inside).sum() / (found.sum() + inside.sum()) > 0.97


def moved_back():
    whole = np.eye(4)
    whole[:3, 3] = [3.0, -2.0, 0.0]
    return whole


@pytest.mark.parametrize("given", [{}, {"atlas": "a.nii", "view": "t1"}])
def test_register_needs_one_target(given):
    with pytest.raises(RecipeError, match="register"):
        build("transforms", {"register": given})
