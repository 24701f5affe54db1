"""Points, boxes and dense quantities stay on what they mark, through every spatial transform and any composition of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from preceptor.core.applied import Nothing, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.core.slots import build, names
from preceptor.maths.geometry import about_centre, rotation
from preceptor.maths.inversion import TOLERANCE, deformed_back
from preceptor.maths.warps import field_at
from preceptor.prepare.compose import apply_spatial, prepare_sample
from preceptor.prepare.patches import draw, read_patch
from preceptor.prepare.points import moved_boxes, moved_points

SHAPES = {2: (72, 64), 3: (44, 40, 36)}
SPACING = (1.0, 1.2, 1.5)
EXACT = (
    "affine",
    {"rotate": {"degrees": 25}},
    {"rotate": {"degrees": 180, "quarter_turns": True}},
    {"shift": {"shift_mm": 4}},
    {"scale": {"scale": 0.2, "proportions": "change"}},
    {"shear": {"degrees": 12}},
    {"crop": {"smallest": 0.75}},
    {"flip": {"axes": ["x", "y"]}},
)
DEFORMING = (
    {"elastic": {"spacing_mm": 16, "sigma_mm": 1.5}},
    {"b_spline": {"spacing_mm": 16, "displacement_mm": 5}},
    {"simard": {"alpha": 60, "sigma": 8}},
    {"perspective": {"distortion": 0.2}},
)


def _planted(dims: int, rng: np.random.Generator) -> tuple[Sample, np.ndarray]:
    """A soft ball around a landmark, as an image, as a label map and as a dense quantity, with its point and its box."""
    shape = SHAPES[dims]
    mark = np.array([round(size * rng.uniform(0.42, 0.58)) for size in shape], dtype=float)
    distance = np.sqrt(((np.indices(shape).T - mark).T ** 2).sum(0))
    blob = np.exp(-((distance / 1.4) ** 2) / 2).astype(np.float32)
    affine = np.diag([*SPACING, 1.0])
    return Sample(
        "a",
        {"view": Image(blob[None], affine)},
        {
            "label": Image((distance <= 4)[None].astype(np.uint8), affine, is_label=True),
            "dose": Image(30 * blob[None], affine),
        },
        points={"mark": mark[None]},
        boxes={"ball": np.stack([mark - 4, mark + 4])[None]},
    ), mark


def _shown(channels: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Which voxel of the input is shown at a point of the output, from an image of the input's voxel coordinates.

    A ball's middle of mass would not do: a map that bends within the ball moves it off the landmark.
    """
    return np.array([ndimage.map_coordinates(each.astype(float), point[:, None], order=3)[0] for each in channels])


def _check(sample: Sample, mark: np.ndarray, spatial: Spatial) -> bool:
    """Compare where the point went with what the image shows there; False where that is too near the border to tell."""
    view = sample.images["view"]
    where = view.with_array(np.indices(view.shape).astype(np.float32))
    moved = apply_spatial(replace(sample, images={"view": view, "where": where}), spatial)
    (point,) = moved.points["mark"]
    assert np.isfinite(point).all()
    blob = moved.images["view"].array[0]
    if not all(8 < here < size - 9 for here, size in zip(point, blob.shape, strict=True)):
        return False
    assert np.linalg.norm(_shown(moved.images["where"].array, point) - mark) < 0.01
    dose = moved.masks["dose"].array[0]
    assert dose.dtype == np.float32 and np.allclose(dose, 30 * blob, atol=1e-3), "dense quantities are interpolated"
    label = moved.masks["label"].array[0]
    assert set(np.unique(label)) == {0, 1} and label.dtype == np.uint8
    low, high = moved.boxes["ball"][0]
    places = np.argwhere(label)
    assert (places >= low - 0.75).all() and (places <= high + 0.75).all(), "the box holds the ball"
    # What training reads of a patch is the same map.
    read = read_patch([where], [0.0], blob.shape, (0,) * blob.ndim, spatial)[0].numpy()
    assert np.linalg.norm(_shown(read, point) - mark) < 0.01
    return True


@pytest.mark.parametrize(
    "given", [*EXACT, *DEFORMING], ids=lambda each: each if isinstance(each, str) else next(iter(each))
)
def test_a_landmark_lands_where_the_image_shows_it(given):
    transform, checked = build("transforms", given), 0
    for dims in (2, 3):
        if dims == 3 and ("perspective" in given or "simard" in given):
            continue
        for seed in range(6):
            rng = np.random.default_rng(seed)
            sample, mark = _planted(dims, rng)
            applied = transform.draw(rng, sample)
            if not isinstance(applied, Nothing):
                checked += _check(sample, mark, applied)
    assert checked > 2


@settings(max_examples=12, deadline=None)
@given(
    chosen=st.lists(st.sampled_from([*EXACT, *DEFORMING[:2]]), min_size=2, max_size=5, unique_by=str),
    dims=st.sampled_from([2, 3]),
    seed=st.integers(0, 2**16),
)
@example(chosen=[DEFORMING[1], DEFORMING[0]], dims=2, seed=58)  # bends so much that a ball's middle is 0.4 voxel off
def test_and_through_any_composition(chosen, dims, seed):
    rng = np.random.default_rng(seed)
    sample, mark = _planted(dims, rng)
    spatial, _ = draw([build("transforms", each) for each in chosen], rng, sample, SHAPES[dims])
    if spatial is not None:
        _check(sample, mark, spatial)


def test_every_spatial_augmentation_is_tried_here():
    """A new file in transforms/ that moves voxels must stand in the lists above."""
    tried = {each if isinstance(each, str) else next(iter(each)) for each in (*EXACT, *DEFORMING)}
    sample, _ = _planted(2, np.random.default_rng(0))
    for name in names("transforms"):
        transform = _example(name)
        if transform is None or name in tried or getattr(transform, "reads_pixels", True):
            continue
        try:
            applied = transform.draw(np.random.default_rng(0), sample)
        except PrepareError:  # not for pictures
            continue
        moves = isinstance(applied, Spatial) and applied.affine_mm is None and applied.shape is None
        assert not moves or name in ("orient_ras",), f"{name} moves voxels, and no landmark was planted for it"


def _example(name: str):
    from preceptor.core.slots import plugin

    made = plugin("transforms", name).example()
    return None if hasattr(made, "fit") else made


def test_preparation_moves_points_with_the_image():
    sample, mark = _planted(3, np.random.default_rng(3))
    affine = np.array([[0, -1.8, 0, 40], [1.2, 0, 0, -60], [0, 0, 2.9, 15], [0, 0, 0, 1]])
    sample = Sample("a", {"view": Image(sample.images["view"].array, affine)}, points=sample.points, boxes=sample.boxes)
    steps = [build("transforms", each) for each in ("orient_ras", {"resample": {"spacing_mm": [1, 1, 1.5]}})]
    out = prepare_sample(sample, steps)
    in_patient = affine @ [*mark, 1]
    assert np.allclose(out.images["view"].affine_mm @ [*out.points["mark"][0], 1], in_patient)
    assert np.allclose(out.boxes["ball"].mean(1), out.points["mark"])


def test_points_are_exact_without_a_deformation():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 30, (40, 3))
    matrix = about_centre(rotation([0.3, -0.2, 0.5]) * 1.1, (1, 2, 3), (32, 32, 32))
    out = moved_points(points, Spatial(matrix), (32, 32, 32))
    assert np.abs(np.c_[out, np.ones(40)] @ matrix.T - np.c_[points, np.ones(40)]).max() < 1e-9


def test_a_turned_box_holds_all_of_the_old_one_and_no_more():
    box = np.array([[[10.0, 10.0], [20.0, 14.0]]])
    turned = moved_boxes(box, Spatial(about_centre(rotation([np.pi / 2]), (0, 0), (31, 31))), (31, 31))[0]
    assert np.allclose(turned[1] - turned[0], [4, 10])
    slanted = moved_boxes(box, Spatial(about_centre(rotation([np.pi / 4]), (0, 0), (31, 31))), (31, 31))[0]
    assert np.allclose(slanted[1] - slanted[0], [14 / np.sqrt(2)] * 2)
    assert moved_boxes(np.zeros((0, 2, 2)), Spatial(np.eye(3)), (31, 31)).shape == (0, 2, 2)


def test_inverting_a_deformation_where_plain_steps_would_not_settle():
    """A steep but unfolded stretch: displacements change by more than a voxel a voxel."""
    control = np.zeros((2, 5, 5), np.float32)
    control[0, 2], control[0, 3], control[0, 4] = 2.0, 14.0, 20.0
    places = np.array([[x, 16.0] for x in np.linspace(3, 50, 30)])
    found, missed = deformed_back(control, places, (33, 33))
    inside = (found[:, 0] > 0) & (found[:, 0] < 32)
    back = found.T + field_at(control, found.T, (33, 33))
    assert inside.sum() > 15 and (missed[inside] < TOLERANCE).all()
    assert np.abs(back.T - places)[inside].max() < TOLERANCE
