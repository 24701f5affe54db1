"""Blur, slabs and k-space: each artefact does to an image what its physics says, in millimetres."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from preceptor.core.errors import PrepareError
from preceptor.core.slots import build
from preceptor.maths.axis_operators import along, blur, gaussian_matrix, line_filter, slab_matrix

from .augmented import case, varied

# ---------------------------------------------------------------- operators


def test_a_blur_is_scipys():
    image = torch.rand(2, 20, 300, 12, generator=torch.Generator().manual_seed(0))
    ours = blur(image, (1.3, 2.2, 0.0))
    theirs = ndimage.gaussian_filter(image.double().numpy(), (0, 1.3, 2.2, 0), mode="reflect", truncate=6)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=2e-4)


def test_long_axes_are_multiplied_in_blocks_without_a_seam():
    image = torch.rand(1, 200, 150, generator=torch.Generator().manual_seed(0))
    for axis in (-2, -1):
        matrix, reach = gaussian_matrix(image.shape[axis], 3.0)
        torch.testing.assert_close(along(image, matrix, axis, reach=reach), along(image, matrix, axis))


@pytest.mark.parametrize("axis", [-3, -2, -1])
def test_an_operator_acts_along_its_axis(axis):
    image = torch.rand(2, 3, 6, 7, 8, generator=torch.Generator().manual_seed(0))
    matrix = torch.rand(image.shape[axis], image.shape[axis], generator=torch.Generator().manual_seed(1))
    expected = torch.movedim(torch.tensordot(matrix, image, dims=([1], [image.ndim + axis])), 0, axis)
    torch.testing.assert_close(along(image, matrix, axis), expected)


def test_a_line_filter_is_a_product_in_k_space():
    gains, line = np.random.default_rng(0).random(15), np.random.default_rng(1).random(15)
    real, imaginary = (part.double().numpy() for part in line_filter(gains))
    expected = np.fft.ifft(np.fft.ifftshift(gains * np.fft.fftshift(np.fft.fft(line))))
    np.testing.assert_allclose(real @ line + 1j * (imaginary @ line), expected, atol=1e-6)


# ---------------------------------------------------------------- resolution


def test_a_blur_is_as_wide_in_millimetres_along_every_axis():
    values = np.zeros((1, 41, 41, 21))
    values[0, 20, 20, 10] = 1.0
    sample = case((41, 41, 21), (0.5, 0.5, 1.0), values=values)
    after, applied = varied(build("transforms", {"blur": {"sigma_mm": 3.0}}), sample, seed=2)
    assert applied.parameters["sigma_mm"] > 0.5
    for axis, spacing in enumerate((0.5, 0.5, 1.0)):
        line = after[0].sum(tuple({0, 1, 2} - {axis})).numpy()
        place = (np.arange(len(line)) - len(line) // 2) * spacing
        assert line.sum() == pytest.approx(1, abs=1e-5)
        assert np.sqrt((line * place**2).sum()) == pytest.approx(applied.parameters["sigma_mm"], rel=0.02)


def test_sharpening_adds_what_a_blur_takes_away():
    sample = case()
    after, applied = varied(build("transforms", {"sharpen": {"amount": 2.0, "sigma_mm": 1.5}}), sample)
    before = torch.from_numpy(sample.reference.array)
    soft = blur(before.clone(), [1.5 / each for each in sample.reference.spacing_mm]).double()
    expected = before + applied.parameters["amount"] * (before - soft)
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-4)


def test_thick_slices_keep_the_mean_of_each_slab():
    line = torch.arange(12.0) ** 2
    ours = slab_matrix(12, 3.0, 0.0, straight=False) @ line
    torch.testing.assert_close(ours, line.view(4, 3).mean(1).repeat_interleave(3))
    shifted = slab_matrix(12, 3.0, -2.0, straight=False) @ line
    torch.testing.assert_close(shifted[1:10], line[1:10].view(3, 3).mean(1).repeat_interleave(3))
    torch.testing.assert_close(shifted[:1], line[:1])
    # A slab of two and a half voxels counts the middle one half.
    torch.testing.assert_close(
        (slab_matrix(5, 2.5, 0.0, straight=False) @ line[:5])[[0, 4]],
        torch.tensor([(0 + 1 + 4 / 2) / 2.5, (4 / 2 + 9 + 16) / 2.5]),
    )


def test_slabs_come_back_on_straight_lines_between_their_middles():
    line = torch.arange(12.0)
    ours = slab_matrix(12, 3.0, 0.0, straight=True) @ line
    torch.testing.assert_close(ours[1:11], line[1:11])  # a slope has each slab's mean in its middle
    torch.testing.assert_close(ours[[0, 11]], torch.tensor([1.0, 10.0]))


@pytest.mark.parametrize("straight", [True, False])
@pytest.mark.parametrize("thickness", [1.0, 1.2, 2.7, 5.0, 40.0])
def test_slabs_keep_a_constant(straight, thickness):
    for first in (0.0, -0.4 * thickness, -0.99 * thickness):
        assert slab_matrix(17, thickness, first, straight=straight).sum(1).allclose(torch.ones(17), atol=1e-5)


def test_thick_slices_are_in_millimetres_along_one_axis_only():
    transform = build("transforms", {"anisotropy": {"thickness_mm": 9.0, "axis": "z", "interpolation": "nearest"}})
    sample = case(spacing_mm=(1.0, 1.0, 1.5))
    after, applied = varied(transform, sample, seed=1)
    assert 1.5 <= applied.parameters["thickness_mm"] <= 9 and applied.parameters["axis"] == 2
    voxels, first = (applied.parameters[each] / 1.5 for each in ("thickness_mm", "first_mm"))
    operator = slab_matrix(16, voxels, first, straight=False).double()
    torch.testing.assert_close(after, torch.from_numpy(sample.reference.array).double() @ operator.T, rtol=0, atol=1e-5)
    assert after.std(-1).mean() < 0.7 * torch.from_numpy(sample.reference.array).std(-1).mean()


# ---------------------------------------------------------------- k-space


def spectrum(image) -> np.ndarray:
    return np.fft.fftn(np.asarray(image))


def test_a_spike_is_one_point_of_k_space_and_its_mirror():
    sample = case(values=np.random.default_rng(0).uniform(0, 1, (1, 24, 20, 16)))
    for seed in range(4):
        after, applied = varied(build("transforms", {"spike": {"strength": 0.5}}), sample, seed)
        added = np.abs(spectrum(after[0] - torch.from_numpy(sample.reference.array[0])))
        waves = np.array(applied.parameters["waves"])
        peaks = {tuple(waves), tuple(-waves % (24, 20, 16))}
        low, high = sample.reference.array.min(), sample.reference.array.max()
        for peak in peaks:
            expected = applied.parameters["strength"] * (high - low) * added.size / len(peaks)
            assert added[peak] == pytest.approx(expected, rel=1e-3) or len(peaks) == 1
            added[peak] = 0
        assert added.max() < 0.02, "nothing but the peak"
        assert any(waves), "never the middle"


def test_ghosts_are_copies_shifted_by_a_share_of_the_field():
    values = np.zeros((1, 24, 20, 16))
    values[0, 5, 3, 7] = 10.0
    transform = build("transforms", {"ghosting": {"lowest": 4, "highest": 4, "strength": 0.8, "axis": "x"}})
    after, applied = varied(transform, case(values=values))
    strength = applied.parameters["strength"]
    bright = {tuple(place.tolist()) for place in (after[0] > 0.01).nonzero()}
    assert bright == {((5 + copy * 24 // 4) % 24, 3, 7) for copy in range(4)}
    assert after[0, 5, 3, 7] == pytest.approx(10, abs=1e-4), "the image keeps its strength"
    for copy in (1, 2, 3):
        assert after[0, (5 + 6 * copy) % 24, 3, 7] == pytest.approx(10 * strength / 4, abs=1e-4)


def test_a_body_that_did_not_move_is_left_as_it_was():
    sample = case()
    still = build("transforms", {"motion": {"shift_mm": 0.0, "degrees": 0.0, "movements": 4}})
    after, _ = varied(still, sample)
    torch.testing.assert_close(after, torch.from_numpy(sample.reference.array).double(), rtol=0, atol=1e-6)


def test_motion_puts_k_space_together_from_positions_of_the_body():
    """A shift along x by whole voxels, seen by the lines of one side: worked out with a Fourier transform."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).random((24, 20)), 1.5, mode="constant")
    smooth[:4] = smooth[-4:] = smooth[:, :4] = smooth[:, -4:] = 0
    sample = case((24, 20), values=smooth[None])
    transform = build(
        "transforms", {"motion": {"shift_mm": 4.0, "degrees": 0.0, "movements": 1, "axis": "y", "zero": 0.0}}
    )
    for seed in range(3):
        after, applied = varied(transform, sample, seed)
        (cut,), shifts = applied.parameters["lines"], np.array(applied.parameters["shift_mm"])
        still = np.fft.fftshift(np.fft.fft(smooth, axis=1), axes=1)
        later = cut <= 10  # the middle of k-space, line 10 of 20, belongs to the second segment
        moved = ndimage.shift(smooth, shifts[0 if later else 1], order=1, mode="nearest")
        lines = slice(0, cut) if later else slice(cut, 20)
        still[:, lines] = np.fft.fftshift(np.fft.fft(moved, axis=1), axes=1)[:, lines]
        expected = np.abs(np.fft.ifft(np.fft.ifftshift(still, axes=1), axis=1))
        np.testing.assert_allclose(after[0].numpy(), expected, atol=1e-4)


def test_a_turn_is_in_degrees_though_voxels_are_no_cubes():
    x, y = np.meshgrid(np.arange(40) * 0.5, np.arange(20) * 1.0, indexing="ij")
    disc = np.exp(-((x - 9.75) ** 2 + (y - 9.5) ** 2) / 20)  # round in millimetres: a turn changes nothing
    sample = case((40, 20), (0.5, 1.0), values=disc[None])
    transform = build("transforms", {"motion": {"shift_mm": 0.0, "degrees": 40.0, "movements": 1}})
    after, applied = varied(transform, sample)
    assert max(abs(np.array(applied.parameters["degrees"]).ravel())) > 5
    np.testing.assert_allclose(after[0].numpy(), disc, atol=0.02)


def test_the_axis_must_be_there():
    for name in ("motion", "ghosting", "anisotropy"):
        with pytest.raises(PrepareError, match="no axis 'z'"):
            build("transforms", {name: {"axis": "z"}}).draw(np.random.default_rng(0), case((8, 8)))
        drawn = {
            build("transforms", name).draw(np.random.default_rng(seed), case((8, 8))).parameters["axis"]
            for seed in range(9)
        }
        assert drawn == {0, 1}


# ---------------------------------------------------------------- grey values


def test_contrast_moves_values_about_their_mean_within_their_range():
    sample = case()
    before = torch.from_numpy(sample.reference.array).double()
    for seed in range(3):
        after, applied = varied(build("transforms", {"contrast": {"lowest": 0.5, "highest": 2.0}}), sample, seed)
        expected = (before.mean() + applied.parameters["factor"] * (before - before.mean())).clamp(
            before.min(), before.max()
        )
        torch.testing.assert_close(after, expected, rtol=0, atol=1e-5)


def test_brightness_shifts_the_mean_by_what_it_says():
    sample = case()
    after, applied = varied(build("transforms", {"brightness": {"shift": 2.0}}), sample)
    expected = sample.reference.array.mean(dtype=float) + applied.parameters["shift"]
    assert after.mean() == pytest.approx(expected, abs=1e-5)


def test_a_bias_field_multiplies_is_smooth_and_has_no_strength_of_its_own():
    sample = case((48, 40, 32), values=np.full((1, 48, 40, 32), 4.0))
    transform = build("transforms", {"bias_field": {"sigma": 0.3, "spacing_mm": 24.0, "zero": 0.0}})
    field = varied(transform, sample)[0] / 4
    other = varied(transform, case((48, 40, 32), values=np.full((1, 48, 40, 32), 8.0)))[0] / 8
    torch.testing.assert_close(field, other)
    logarithm = field.log()[0]
    assert 0.05 < logarithm.std() < 0.4 and abs(logarithm.mean()) < 0.15
    steps = [logarithm.diff(dim=axis).abs().max() for axis in range(3)]
    assert max(steps) < 0.2 * (logarithm.max() - logarithm.min()), "smooth: no step between neighbours"


def test_cutout_hides_a_volume_in_millimetres():
    sample = case((24, 20, 16), (1.0, 1.0, 2.0), channels=2)
    for seed in range(5):
        after, applied = varied(build("transforms", {"cutout": {"size_mm": 6.0, "value": -1.0}}), sample, seed)
        hidden = after == -1
        assert applied.parameters["voxels"] == [6, 6, 3]
        assert hidden.sum((1, 2, 3)).tolist() == [6 * 6 * 3] * 2
        first = applied.parameters["first"][0]
        assert hidden[0].nonzero().min(0).values.tolist() == first
        torch.testing.assert_close(after[~hidden], torch.from_numpy(sample.reference.array).double()[~hidden])
    longest = build("transforms", {"cutout": {"size_mm": 500.0, "value": -1.0}})
    assert (varied(longest, sample)[0] == -1).all()
