"""Warps of patches, beside torch's own volume interpolation and SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from preceptor.maths.folding import folds, jacobian_determinant, unfolded
from preceptor.maths.warps import bounds, control_points, natural_spline, read_linear, read_nearest, spread


def _places(rng, size, shape):
    places = np.stack([rng.uniform(0, n - 1, shape) for n in size]).astype(np.float32)
    for axis, n in enumerate(size):  # the corners of the range too
        places[axis].flat[0], places[axis].flat[1] = 0, n - 1
    return torch.from_numpy(places)


@pytest.mark.parametrize("size", [(9, 7), (2, 2), (13, 11, 17), (2, 2, 2), (40, 3, 5)])
@pytest.mark.parametrize("channels", [1, 3])
def test_linear_is_what_scipy_says(size, channels):
    rng = np.random.default_rng(0)
    source = torch.from_numpy(rng.normal(size=(channels, *size)).astype(np.float32))
    places = _places(rng, size, (6, 5, 4)[: len(size)])
    ours = read_linear(source, places, [0] * len(size))
    for channel in range(channels):
        scipy = ndimage.map_coordinates(source[channel].numpy(), places.numpy(), order=1, mode="nearest")
        assert np.abs(ours[channel].numpy() - scipy).max() < 2e-3  # rows of the tall picture, in single precision
    shifted = read_linear(source, places + 100, [100] * len(size))
    assert (shifted - ours).abs().max() < 2e-3


def test_a_large_source_is_read_as_well():
    """The tall picture has 200 x 200 rows: places must not drown in rounding."""
    x, y, z = (torch.arange(200.0).view([-1 if i == axis else 1 for i in range(3)]) for axis in range(3))
    source = (x / 200 + y / 100 + z / 50)[None].expand(1, 200, 200, 200).contiguous()
    places = _places(np.random.default_rng(0), (200, 200, 200), (30, 30, 30))
    expected = places[0] / 200 + places[1] / 100 + places[2] / 50
    assert (read_linear(source, places, (0, 0, 0))[0] - expected).abs().max() < 1e-3


def test_nearest_is_what_torch_says():
    rng = np.random.default_rng(0)
    source = torch.from_numpy(rng.integers(0, 5, (2, 13, 11, 17)).astype(np.int8))
    places = _places(rng, (13, 11, 17), (6, 5, 4))
    grid = torch.stack([places[axis] * 2 / (n - 1) - 1 for axis, n in ((2, 17), (1, 11), (0, 13))], -1)
    torchs = F.grid_sample(source[None].float(), grid[None], mode="nearest", align_corners=True)[0]
    ours = read_nearest(source, places, (0, 0, 0))
    assert ours.dtype == torch.int8
    assert (ours == torchs).float().mean() > 0.999  # but for ties
    assert torch.equal(read_nearest(source, places + 7, (7, 7, 7)), ours)


def test_a_source_beyond_single_precision_is_counted_in_integers():
    source = torch.zeros((1, 260, 260, 260), dtype=torch.int8)
    source[0, 259, 259, 258] = 5
    places = torch.tensor([[[[259.0]]], [[[259.0]]], [[[258.0]]]])
    assert read_nearest(source, places, (0, 0, 0)).item() == 5


@pytest.mark.parametrize("points", [(2, 2), (3, 5), (4, 4, 6)])
def test_a_straight_field_is_spread_exactly(points):
    shape = (17, 23, 19)[: len(points)]
    nodes = control_points(points, shape)
    rng = np.random.default_rng(0)
    linear, shift = rng.normal(size=(len(points), len(points))), rng.normal(size=len(points)) * 10
    control = np.tensordot(linear, nodes, 1) + shift.reshape(-1, *[1] * len(points))
    everywhere = np.tensordot(linear, control_points(shape, shape), 1) + shift.reshape(-1, *[1] * len(points))
    assert np.abs(spread(control.astype(np.float32), shape) - everywhere).max() < 1e-4


def test_a_field_passes_through_its_control_points():
    control = np.random.default_rng(0).normal(size=(3, 3, 5, 2)).astype(np.float32)
    field = spread(control, (21, 21, 11))
    assert np.abs(field[:, ::10, ::5, ::10] - control).max() < 1e-5


@pytest.mark.parametrize("points", [(3, 4), (3, 4, 3)])
def test_the_jacobian_is_that_of_finite_differences(points):
    shape = (31, 46, 31)[: len(points)]
    control = np.random.default_rng(1).normal(size=(len(points), *points)).astype(np.float32)
    ours = jacobian_determinant(control, shape)
    field = spread(control, shape).astype(float)
    dims = len(shape)
    slopes = np.array([[np.gradient(field[i], axis=j) + (i == j) for j in range(dims)] for i in range(dims)])
    finite = np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)))[tuple(slice(None, None, 5) for _ in shape)]
    inner = tuple(slice(1, -1) for _ in shape)
    assert ours.shape == finite.shape
    assert np.abs(ours - finite)[inner].max() < 0.02


def test_what_always_folds_is_halved():
    strong = np.zeros((2, 3, 3), np.float32)
    strong[0, 1] = 60
    calm = unfolded(lambda: strong, (20, 20))
    assert folds(strong, (20, 20)) and not folds(calm, (20, 20))
    ratio = 60 / calm[0, 1, 0]
    assert ratio == 2 ** round(np.log2(ratio)) and folds(calm * 2, (20, 20))


@pytest.mark.parametrize(("points", "size"), [(2, 32), (3, 32), (7, 5), (9, 300), (2, 1), (3, 2)])
def test_the_spline_and_its_slope_are_scipys(points, size):
    from scipy.interpolate import CubicSpline

    places = np.linspace(0, max(size - 1, 1), 37)
    spline = CubicSpline(np.linspace(0, max(size - 1, 1), points), np.eye(points), bc_type="natural")
    for derivative in (0, 1):
        ours = natural_spline(places, points, size, derivative)
        np.testing.assert_allclose(ours, spline(places, derivative), atol=1e-12)


@given(
    points=st.lists(st.integers(2, 6), min_size=2, max_size=3),
    size=st.integers(1, 30),
    seed=st.integers(0, 2**16),
)
def test_a_field_stays_within_its_bounds(points, size, seed):
    shape = [size + each for each in range(len(points))]
    control = np.random.default_rng(seed).normal(0, 5, (len(points), *points)).astype(np.float32)
    low, high = bounds(control, shape)
    field = spread(control, shape).reshape(len(points), -1)
    assert (field.min(1) >= low - 1e-4).all() and (field.max(1) <= high + 1e-4).all()
    reach = np.ptp(control.reshape(len(points), -1), axis=1)
    assert (high - low <= 4 * reach).all(), "and they are not much wider than the control points"


def test_the_bounds_of_a_straight_field_are_its_corners():
    control = np.array([[[0.0, 0.0], [9.0, 9.0]], [[-2.0, 4.0], [1.0, 7.0]]])
    low, high = bounds(control, (10, 12))
    assert low.tolist() == pytest.approx([0, -2]) and high.tolist() == pytest.approx([9, 7])
