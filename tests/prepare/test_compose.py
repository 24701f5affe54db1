"""Composition: several maps are one, views and masks keep their place in the patient, and answers find the way back."""

from __future__ import annotations

import numpy as np
import pytest

from preceptor.core.applied import Displacement, Spatial
from preceptor.core.cohort import Sample
from preceptor.core.errors import PrepareError
from preceptor.core.image import UNKNOWN_GEOMETRY, Image
from preceptor.core.slots import build
from preceptor.maths.geometry import about_centre, flip_map, rotation
from preceptor.maths.warps import control_points, field_at, spread
from preceptor.prepare import compose as module
from preceptor.prepare.compose import apply_spatial, compose, naming, prepare_sample, resample_like, split_by_grid

from .cases import dice, sample, volume


def _steps(*names):
    return [build("transforms", name) for name in names]


def _world(image: Image, value: float) -> np.ndarray:
    """Centroid of the voxels above a value, in millimetres."""
    place = np.stack(np.nonzero(image.array[0] > value)).mean(1)
    return (image.affine_mm @ [*place, *[0] * (3 - len(place)), 1])[:3]


OBLIQUE = np.array([[0, -1.8, 0.3, 40], [1.2, 0, 0, -60], [0, 0.5, 2.9, 15], [0, 0, 0, 1]])


def test_orient_resample_and_crop_are_one_resampling(monkeypatch):
    calls = []
    whole = module.resample

    def counted(array, *args, **how):
        calls.append(how.get("nearest"))
        return whole(array, *args, **how)

    monkeypatch.setattr(module, "resample", counted)
    image, label, _ = volume((30, 24, 20))
    steps = _steps(
        "orient_ras", {"resample": {"spacing_mm": [1, 1, 2]}}, {"crop_pad": {"shape": [48, 40, 24]}}, "zscore"
    )
    out = prepare_sample(sample(image, OBLIQUE, label), steps)
    assert calls == [False, True]
    assert out.images["view"].shape == out.masks["label"].shape == (48, 40, 24)


def test_preparation_keeps_places_in_the_patient():
    image, label, _ = volume((30, 24, 20))
    given = sample((label == 2).astype(float), OBLIQUE, label)
    steps = _steps("orient_ras", {"resample": {"spacing_mm": [1.1, 0.9, 1.7]}}, {"crop_pad": {"shape": [60, 60, 60]}})
    out = prepare_sample(given, steps)
    assert np.abs(_world(out.images["view"], 0.5) - _world(given.images["view"], 0.5)).max() < 0.15
    assert dice(out.images["view"].array[0] > 0.5, out.masks["label"].array[0] == 2) > 0.96
    assert out.images["view"].orientation == "RAS"
    assert np.allclose(out.images["view"].spacing_mm, (1.1, 0.9, 1.7))


def test_the_answer_finds_its_way_back():
    """A mask taken to the prepared grid and back again is the mask."""
    _, label, _ = volume((40, 36, 30))
    given = sample(label, OBLIQUE, label)
    out = prepare_sample(
        given, _steps("orient_ras", {"resample": {"spacing_mm": 0.8}}, {"crop_pad": {"shape": [90] * 3}})
    )
    mask = out.masks["label"]
    back = resample_like(mask.array, mask.affine_mm, given.images["view"], nearest=True)
    assert back.shape == (1, 40, 36, 30) and back.dtype == np.uint8
    assert dice(back[0] == 2, label == 2) > 0.99
    soft = resample_like((mask.array == 2).astype(np.float32), mask.affine_mm, given.images["view"], nearest=False)
    assert dice(soft[0] > 0.5, label == 2) > 0.98


def test_a_cropped_answer_is_nothing_outside():
    values = np.ones((10, 10))
    given = sample(values)
    out = prepare_sample(given, _steps({"crop_pad": {"shape": [6, 6]}})).images["view"]
    back = resample_like(out.array, out.affine_mm, given.images["view"], nearest=True)
    assert back.sum() == 36 and (back[0, 2:8, 2:8] == 1).all()


def test_the_sample_given_stays_as_it_was():
    image, label, affine = volume((12, 12, 12))
    given = sample(image, affine, label)
    before = given.images["view"].array.copy()
    prepare_sample(given, _steps("zscore", "orient_ras", {"window": {"centre_hu": 0, "width_hu": 2}}))
    assert (given.images["view"].array == before).all()


def test_native_numbers_stay_native_where_nothing_touched_them():
    image = Image(np.arange(60, dtype=np.uint8).reshape(1, 3, 4, 5), np.diag([-1.0, -1, 1, 1]))
    out = prepare_sample(Sample("a", {"ct": image}), _steps("orient_ras")).images["ct"]
    assert out.array.dtype == np.uint8 and (out.array == image.array[:, ::-1, ::-1]).all()


# ---------------------------------------------------------------- grids


def test_views_on_two_grids_are_prepared_each_on_its_own():
    frontal = Image(np.random.default_rng(0).normal(size=(1, 20, 16)).astype(np.float32), np.eye(4))
    lateral = Image(np.random.default_rng(1).normal(size=(1, 10, 30)).astype(np.float32), np.diag([2.0, 2, 2, 1]))
    mark = Image((lateral.array > 0).astype(np.uint8), lateral.affine_mm, is_label=True)
    given = Sample("a", {"frontal": frontal, "lateral": lateral}, {"mark": mark})
    parts = list(split_by_grid(given))
    assert [(list(part.images), list(part.masks)) for part in parts] == [(["frontal"], []), (["lateral"], ["mark"])]
    out = prepare_sample(given, _steps({"crop_pad": {"shape": [12, 12]}}, "zscore"))
    assert list(out.images) == ["frontal", "lateral"]
    assert all(image.shape == (12, 12) for image in (*out.images.values(), *out.masks.values()))
    assert abs(float(out.images["lateral"].array.mean())) < 1e-6


def test_a_mask_on_its_own_grid_is_brought_to_the_image():
    """The mask has twice the spacing and another orientation; both show the same place."""
    image, label, affine = volume((32, 32, 32))
    coarse = prepare_sample(sample(image, affine, label), _steps({"resample": {"spacing_mm": 2}})).masks["label"]
    turned = Image(coarse.array[:, ::-1], coarse.affine_mm @ flip_map_4(coarse.shape), is_label=True)
    given = Sample("a", {"view": Image((label[None] == 2).astype(np.float32), affine)}, {"label": turned})
    for steps in ([], _steps("orient_ras"), _steps({"resample": {"spacing_mm": 1.3}})):
        out = prepare_sample(given, steps)
        assert out.masks["label"].shape == out.images["view"].shape
        assert dice(out.images["view"].array[0] > 0.5, out.masks["label"].array[0] == 2) > 0.9


def flip_map_4(shape):
    return flip_map(shape, [0])


def test_a_mask_of_another_shape_is_refused_where_nothing_places_it():
    image = Image(np.zeros((1, 8, 8), np.float32), np.eye(4), meta={"geometry": UNKNOWN_GEOMETRY})
    mask = Image(np.zeros((1, 6, 6), np.uint8), np.eye(4), is_label=True, meta={"geometry": UNKNOWN_GEOMETRY})
    with pytest.raises(PrepareError) as met:
        prepare_sample(Sample("case-7", {"view": image}, {"label": mask}), [])
    assert met.value.problem.code == "mask_grid" and "case-7" in str(met.value)


def test_images_with_time_keep_it():
    film = Image(np.random.default_rng(0).normal(size=(1, 5, 12, 10)).astype(np.float32), np.eye(4), has_time=True)
    out = prepare_sample(Sample("a", {"film": film}), _steps({"resample": {"spacing_mm": 2}}, "zscore")).images["film"]
    assert out.array.shape == (1, 5, 6, 5) and out.has_time


# ---------------------------------------------------------------- composition


def _random_map(rng, dims):
    linear = rotation(rng.uniform(-0.3, 0.3, 1 if dims == 2 else 3)) * rng.uniform(0.9, 1.1)
    return about_centre(linear, rng.uniform(-2, 2, dims), (20, 24, 22)[:dims])


def _smooth_displacement(rng, points, size):
    return Displacement(rng.normal(size=(len(points), *points)).astype(np.float32) * size)


def _places(spatial, shape):
    grid = control_points(shape, shape)
    if spatial.displacement is not None:
        grid = grid + spread(spatial.displacement.control, shape)
    flat = grid.reshape(len(shape), -1)
    return (spatial.matrix[:-1, :-1] @ flat + spatial.matrix[:-1, -1:]).reshape(grid.shape)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_displacement_that_comes_last_is_exact(dims, seed):
    rng = np.random.default_rng(seed)
    shape = (20, 24, 22)[:dims]
    affine, elastic = (
        Spatial(_random_map(rng, dims)),
        Spatial(np.eye(dims + 1), displacement=_smooth_displacement(rng, (4,) * dims, 1.0)),
    )
    both = _places(compose(affine, elastic, shape), shape)
    then = _places(elastic, shape).reshape(dims, -1)
    expected = (affine.matrix[:-1, :-1] @ then + affine.matrix[:-1, -1:]).reshape(both.shape)
    assert np.abs(both - expected).max() < 1e-3


@pytest.mark.parametrize("dims", [2, 3])
def test_a_displacement_that_is_turned_afterwards_is_carried_over(dims):
    """Exact at the control points, and between them off by far less than it moves."""
    rng = np.random.default_rng(0)
    shape = (20, 24, 22)[:dims]
    elastic = Spatial(np.eye(dims + 1), displacement=_smooth_displacement(rng, (4,) * dims, 1.0))
    turn = Spatial(_random_map(rng, dims))
    both = compose(elastic, turn, shape)
    nodes = control_points(both.displacement.control.shape[1:], shape)
    moved = _apply(elastic, _apply(turn, nodes, shape), shape)
    assert np.abs(_apply(both, nodes, shape) - moved).max() < 1e-3
    grid = control_points(shape, shape)
    expected = _apply(elastic, _apply(turn, grid, shape), shape)
    assert np.abs(_apply(both, grid, shape) - expected).mean() < 0.1 * np.abs(elastic.displacement.control).mean()


def _apply(spatial, places, shape):
    moved = places
    if spatial.displacement is not None:
        moved = places + field_at(spatial.displacement.control, places, shape)
    flat = moved.reshape(len(shape), -1)
    return (spatial.matrix[:-1, :-1] @ flat + spatial.matrix[:-1, -1:]).reshape(places.shape)


def test_labels_exchanged_twice_are_back():
    once = Spatial(flip_map((6, 4), [0]), relabel={"label": {1: 2, 2: 1}})
    twice = compose(once, once, (6, 4))
    assert all(old == new for old, new in twice.relabel["label"].items())
    cycle = Spatial(np.eye(3), relabel={"label": {2: 3}, "other": {5: 6}})
    assert compose(once, cycle, (6, 4)).relabel == {"label": {1: 3, 2: 1}, "other": {5: 6}}


def test_values_between_maps_are_met_in_the_order_of_the_recipe():
    """A window before resampling clips the voxels as they were; after it, what became of them."""
    values = np.zeros((8, 8))
    values[4] = 1000.0
    window, half = {"window": {"centre_hu": 50, "width_hu": 100}}, {"resample": {"spacing_mm": 2, "antialias": False}}
    before = prepare_sample(sample(values), _steps(window, half)).images["view"].array
    after = prepare_sample(sample(values), _steps(half, window)).images["view"].array
    assert before.max() == pytest.approx(0.5) and after.max() == 1.0


def test_padding_holds_the_lowest_value_or_what_is_asked():
    values = np.full((4, 4), -900.0)
    values[2, 2] = 50
    lowest = prepare_sample(sample(values), _steps({"crop_pad": {"shape": [8, 6]}})).images["view"].array[0]
    asked = (
        prepare_sample(sample(values), _steps({"crop_pad": {"shape": [8, 6], "fill": -1024}})).images["view"].array[0]
    )
    assert lowest[0, 0] == -900 and asked[0, 0] == -1024
    assert (lowest[2:6, 1:5] == values).all() and (asked[2:6, 1:5] == values).all()


def test_a_displacement_prepares_too():
    class Fixed:
        def draw(self, rng, sample):
            control = np.zeros((2, 2, 2), np.float32)
            control[0] = 1.0
            return Spatial(np.eye(3), displacement=Displacement(control))

    values = np.arange(30.0).reshape(6, 5)
    out = prepare_sample(sample(values, label=values.astype(np.uint8)), [Fixed()])
    assert np.allclose(out.images["view"].array[0, :-1], values[1:], atol=1e-5)
    assert (out.masks["label"].array[0, :-1] == values[1:]).all()


def test_an_applied_map_moves_what_it_says():
    given = sample(np.arange(12.0).reshape(3, 4))
    out = apply_spatial(given, Spatial(flip_map((3, 4), [1])))
    assert (out.images["view"].array[0] == given.images["view"].array[0][:, ::-1]).all()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("prepare.range", "case a, prepare.range"),  # a short key stands in many words
        ("", "case a"),
        ("case a, augment.flip", "case a, augment.flip"),
        ("case a", "case a"),
        ("case ab, augment.flip", "case a, case ab, augment.flip"),
    ],
)
def test_an_error_names_the_case_once(where, expected):
    assert naming(PrepareError("it does not fit", where=where), "a").problem.where == expected
