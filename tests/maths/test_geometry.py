"""Properties of maps and affines: whatever the grid, the world stays where it is."""

from __future__ import annotations

import nibabel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from preceptor.core.image import Image
from preceptor.core.slots import build
from preceptor.maths.geometry import (
    about_centre,
    closest_axes,
    embed,
    flip_map,
    is_exact,
    orient_ras_map,
    rotation,
    same_grid,
    spacing_map,
    voxel_map,
)
from preceptor.maths.resampling import copy_voxels, resample
from preceptor.prepare.compose import prepare_sample

from ..prepare.cases import sample

SIZES = st.lists(st.integers(2, 7), min_size=2, max_size=3)
SPACING = st.floats(0.3, 5.0)


@st.composite
def affines(draw, oblique: bool = True):
    """Any orientation, any spacing, turned by up to 30 degrees."""
    order = draw(st.permutations(range(3)))
    signs = draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=3, max_size=3))
    spacing = draw(st.lists(SPACING, min_size=3, max_size=3))
    whole = np.zeros((4, 4))
    for column, (row, sign, size) in enumerate(zip(order, signs, spacing, strict=True)):
        whole[row, column] = sign * size
    if oblique:
        whole[:3, :3] = rotation(draw(st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=3))) @ whole[:3, :3]
    whole[:3, 3] = draw(st.lists(st.floats(-200, 200), min_size=3, max_size=3))
    whole[3, 3] = 1
    return whole


@given(SIZES, st.data())
def test_flipped_twice_is_the_same(sizes, data):
    array = data.draw(arrays(np.int16, (1, *sizes)))
    axes = data.draw(st.lists(st.integers(0, len(sizes) - 1), unique=True))
    once = copy_voxels(array, flip_map(sizes, axes), sizes, 0)
    assert (once == np.flip(array, [1 + axis for axis in axes])).all()
    assert (copy_voxels(once, flip_map(sizes, axes), sizes, 0) == array).all()


@given(affines(), SIZES, st.data())
def test_a_flip_leaves_the_world_where_it_is(affine, sizes, data):
    axis = data.draw(st.integers(0, len(sizes) - 1))
    flipped = affine @ embed(flip_map(sizes, [axis]))
    voxel = [data.draw(st.integers(0, size - 1)) for size in sizes]
    mirrored = list(voxel)
    mirrored[axis] = sizes[axis] - 1 - voxel[axis]
    pad = [0] * (3 - len(sizes))
    assert np.allclose(affine @ [*voxel, *pad, 1], flipped @ [*mirrored, *pad, 1])


@given(affines(), st.lists(st.integers(2, 6), min_size=3, max_size=3), st.data())
def test_oriented_voxels_keep_their_place(affine, sizes, data):
    """Every voxel is still there, with its value, at the same millimetre; as nibabel's closest canonical image."""
    array = np.arange(np.prod(sizes), dtype=np.float32).reshape(sizes)
    out = prepare_sample(sample(array, affine), [build("transforms", "orient_ras")]).images["view"]
    voxel = tuple(data.draw(st.integers(0, size - 1)) for size in out.shape)
    old = np.linalg.inv(affine) @ out.affine_mm @ [*voxel, 1]
    assert np.allclose(old[:3], np.rint(old[:3]), atol=1e-6)
    assert out.array[0][voxel] == array[tuple(np.rint(old[:3]).astype(int))]
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(array, affine))
    if (np.abs(np.linalg.svd(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))[0]) > 0).all():
        assert [sign for _, sign in closest_axes(out.affine_mm, 3)] == [1, 1, 1]
    assert nibabel.aff2axcodes(canonical.affine) == nibabel.aff2axcodes(out.affine_mm)


@given(affines(), SIZES, st.data())
def test_resampling_maps_and_affines_agree(affine, sizes, data):
    """For every voxel of the output, its millimetre is that of the place in the input that it shows."""
    spacing = np.linalg.norm(affine[:3, : len(sizes)], axis=0)
    new = [data.draw(SPACING) for _ in sizes]
    matrix, shape = spacing_map(sizes, spacing, new)
    out = affine @ embed(matrix)
    assert np.allclose(np.linalg.norm(out[:3, : len(sizes)], axis=0), new)
    assert np.allclose(voxel_map(affine, out, len(sizes)), matrix, atol=1e-6)
    extent = np.array(shape) * new
    assert (extent >= np.array(sizes) * spacing - 1e-4).all()
    assert (extent < np.array(sizes) * spacing + new).all()


@given(affines(oblique=False), st.lists(st.integers(4, 8), min_size=3, max_size=3))
@settings(max_examples=40)
def test_oriented_and_back_is_the_same(affine, sizes):
    array = np.random.default_rng(0).normal(size=(1, *sizes)).astype(np.float32)
    matrix, shape = orient_ras_map(affine, sizes)
    there = resample(array, matrix, shape)
    assert is_exact(matrix)
    assert (resample(there, np.linalg.inv(matrix), sizes) == array).all()


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3), st.lists(st.floats(-5, 5), min_size=3, max_size=3))
def test_a_turn_and_its_opposite_are_nothing(angles, shift):
    there = about_centre(rotation(angles), shift, (9, 12, 7))
    assert np.allclose(np.linalg.inv(there) @ there, np.eye(4), atol=1e-9)
    assert np.allclose(rotation(angles) @ rotation(angles).T, np.eye(3), atol=1e-9)
    assert np.isclose(np.linalg.det(rotation(angles)), 1)


@given(st.integers(1, 3), st.integers(0, 2), st.integers(3, 8))
def test_quarter_turns_add_up(quarters, axis, size):
    array = np.random.default_rng(0).normal(size=(1, size, size, size)).astype(np.float32)
    angles = [0.0, 0.0, 0.0]
    angles[axis] = np.pi / 2
    turn = about_centre(rotation(angles), (0, 0, 0), (size,) * 3)
    assert is_exact(turn)
    step = array
    for _ in range(quarters):
        step = resample(step, turn, (size,) * 3)
    at_once = resample(array, np.linalg.matrix_power(turn, quarters), (size,) * 3)
    assert (step == at_once).all()


@given(st.sets(st.integers(0, 200), min_size=1, max_size=5), affines(), st.floats(0.5, 2.5))
@settings(max_examples=40, deadline=None)
def test_labels_never_leave_their_set(values, affine, factor):
    rng = np.random.default_rng(0)
    label = rng.choice(sorted(values), size=(9, 8, 7)).astype(np.uint8)
    spacing = [float(each) * factor for each in np.linalg.norm(affine[:3, :3], axis=0)]
    given_sample = sample(label.astype(float), affine, label)
    steps = [build("transforms", "orient_ras"), build("transforms", {"resample": {"spacing_mm": spacing}})]
    out = prepare_sample(given_sample, steps).masks["label"].array
    assert set(np.unique(out)) <= values


@given(affines(), SIZES)
def test_a_grid_is_itself_and_not_its_neighbour(affine, sizes):
    assert same_grid(sizes, affine, sizes, affine.astype(np.float32).astype(float))
    moved = affine.copy()
    moved[:3, 3] += affine[:3, 0] * 0.05
    assert not same_grid(sizes, affine, sizes, moved)
    assert not same_grid(sizes, affine, [*sizes[:-1], sizes[-1] + 1], affine)


def test_axes_of_a_plane_keep_the_anatomical_order():
    """A coronal picture: rows run down the patient, columns to the left."""
    affine = np.array([[0.0, -2, 0, 10], [0, 0, 1, 0], [-3.0, 0, 0, 20], [0, 0, 0, 1]])
    image = Image(np.arange(12.0).reshape(1, 4, 3), affine)
    matrix, shape = orient_ras_map(image.affine_mm, image.shape)
    assert shape == (3, 4)
    out = affine @ embed(matrix)
    assert out[0, 0] == 2 and out[2, 1] == 3
