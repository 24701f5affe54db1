"""NIfTI in and out: every orientation, where the affine comes from, types, axes, and damage."""

from __future__ import annotations

import gzip
import itertools

import nibabel
import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.read import read_image
from preceptor.intake.write import write_image

ORIENTATIONS = [
    "".join(side[flip] for side, flip in zip(axes, flips, strict=True))
    for axes in itertools.permutations(("RL", "AP", "SI"))
    for flips in itertools.product((0, 1), repeat=3)
]


def oblique() -> np.ndarray:
    """An affine with three different spacings, a turn of some degrees about each axis, and an offset."""
    turns = []
    for axis, degrees in enumerate((5.0, -7.0, 11.0)):
        angle, turn = np.deg2rad(degrees), np.eye(3)
        i, j = [each for each in range(3) if each != axis]
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        turns.append(turn)
    affine = np.eye(4)
    affine[:3, :3] = turns[0] @ turns[1] @ turns[2] @ np.diag([0.7, 1.1, 2.5])
    affine[:3, 3] = (-31.5, 12.25, 100.75)
    return affine


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_all_48_orientations_come_in_and_go_out_as_they_are(codes, suffix, tmp_path):
    voxels = np.arange(3 * 4 * 5, dtype=np.int16).reshape(3, 4, 5)
    turn = nibabel.orientations.ornt_transform(
        nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(codes)
    )
    original = nibabel.Nifti1Image(voxels, oblique()).as_reoriented(turn)
    original.to_filename(tmp_path / f"in{suffix}")

    image = read_image(tmp_path, f"in{suffix}")
    assert image.orientation == codes
    np.testing.assert_array_equal(image.array[0], np.asarray(original.dataobj))
    np.testing.assert_allclose(image.affine_mm, original.affine, atol=1e-5)
    where_40_lies = np.argwhere(image.array[0] == 40)[0]
    expected = oblique() @ [*np.argwhere(voxels == 40)[0], 1]
    np.testing.assert_allclose(image.affine_mm @ [*where_40_lies, 1], expected, atol=1e-4)

    write_image(tmp_path / f"out{suffix}", image)
    back = read_image(tmp_path, f"out{suffix}")
    np.testing.assert_array_equal(back.array, image.array)
    np.testing.assert_array_equal(back.affine_mm, image.affine_mm)
    assert back.array.dtype == np.int16 and back.meta == image.meta


def saved(tmp_path, array, affine=None, change=None, kind=nibabel.Nifti1Image, name="a.nii"):
    """Write an image, with its header altered afterwards where `change` is given, and read it."""
    image = kind(array, np.eye(4) if affine is None else affine)
    image.to_filename(tmp_path / name)
    if change:
        header = image.header.copy()
        header["magic"], header["vox_offset"] = b"n+1", 352
        change(header)
        (tmp_path / name).write_bytes(header.binaryblock + bytes(4) + array.tobytes(order="F"))
    return read_image(tmp_path, name)


def test_the_affine_is_the_sforms_then_the_qforms_and_else_unknown(tmp_path):
    first, second = oblique(), np.diag([3.0, 3.0, 3.0, 1.0])
    array = np.zeros((4, 4, 4), np.uint8)

    def both(header):
        header.set_qform(second, code=1)
        header.set_sform(first, code=2)

    image = saved(tmp_path, array, change=both)
    np.testing.assert_allclose(image.affine_mm, first, atol=1e-5)
    assert image.meta["geometry"] == "sform" and image.meta["qform_differs_mm"] > 1

    def quaternion(header):
        header.set_qform(first, code=1)
        header["sform_code"] = 0

    image = saved(tmp_path, array, change=quaternion)
    np.testing.assert_allclose(image.affine_mm, first, atol=1e-5)
    assert image.meta["geometry"] == "qform" and "qform_differs_mm" not in image.meta

    mirrored = first @ np.diag([1.0, 1.0, -1.0, 1.0])

    def left_handed(header):
        header.set_qform(mirrored, code=1)
        header["sform_code"] = 0

    np.testing.assert_allclose(saved(tmp_path, array, change=left_handed).affine_mm, mirrored, atol=1e-5)

    def neither(header):
        header["sform_code"] = header["qform_code"] = 0
        header["pixdim"][1:4] = (0.5, 0.6, 0.7)

    image = saved(tmp_path, array, change=neither)
    assert not image.has_known_geometry
    np.testing.assert_allclose(image.spacing_mm, (0.5, 0.6, 0.7), rtol=1e-6)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1.0), ("meter", 1000.0), ("micron", 0.001), ("unknown", 1.0)])
def test_units_of_length_become_millimetres(unit, factor, tmp_path):
    image = saved(
        tmp_path, np.zeros((2, 2, 2), np.uint8), oblique(), lambda header: header.set_xyzt_units(unit, "msec")
    )
    np.testing.assert_allclose(image.affine_mm[:3], oblique()[:3] * factor, rtol=1e-5)
    assert image.meta["time_step_s"] == pytest.approx(1e-3)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "i8"])
def test_every_type_keeps_its_values(name, order, tmp_path):
    array = np.array([[[0, 1], [2, 100]]], dtype=order + name)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(array.dtype)
    nibabel.Nifti1Image(array, np.eye(4), header).to_filename(tmp_path / "a.nii")
    image = read_image(tmp_path, "a.nii")
    np.testing.assert_array_equal(image.array[0], array)
    assert image.array.dtype.isnative
    assert image.array.dtype == (np.float32 if name == "f8" else np.dtype(name))


def test_the_scale_applies_and_zero_means_none(tmp_path):
    def scale(slope, intercept):
        def change(header):
            header["scl_slope"], header["scl_inter"] = slope, intercept

        return saved(tmp_path, np.array([[[0, 1, 2, 3]]], np.int16), change=change).array

    np.testing.assert_array_equal(scale(2.5, -10)[0, 0, 0], [-10, -7.5, -5, -2.5])
    assert scale(2.5, -10).dtype == np.float32
    for nothing in (0, np.nan):
        np.testing.assert_array_equal(scale(nothing, 7)[0, 0, 0], [0, 1, 2, 3])
        assert scale(nothing, 7).dtype == np.int16
    with pytest.raises(PrepareError, match="intercept"):
        scale(2, np.nan)


def test_axes_beyond_three(tmp_path):
    array = np.arange(2 * 3 * 4 * 5, dtype=np.int16).reshape(2, 3, 4, 5)
    image = saved(tmp_path, array)
    assert image.has_time and image.array.shape == (1, 5, 2, 3, 4)
    np.testing.assert_array_equal(image.array[0, 3], array[..., 3])
    np.testing.assert_array_equal(read_image(tmp_path, "a.nii::3").array[0], array[..., 3])
    stacked = read_image(tmp_path, "a.nii::channels")
    assert stacked.array.shape == (5, 2, 3, 4) and not stacked.has_time
    np.testing.assert_array_equal(stacked.array[4], array[..., 4])
    for member in ("5", "-1", "x"):
        with pytest.raises(PrepareError, match="no volume"):
            read_image(tmp_path, f"a.nii::{member}")

    vector = saved(tmp_path, array[:, :, :, None, :], name="b.nii")
    assert vector.array.shape == (5, 2, 3, 4) and not vector.has_time
    with pytest.raises(PrepareError, match="five axes"):
        saved(tmp_path, np.zeros((2, 2, 2, 3, 3), np.uint8), name="c.nii")

    write_image(tmp_path / "out.nii.gz", image)
    back = read_image(tmp_path, "out.nii.gz")
    np.testing.assert_array_equal(back.array, image.array)
    assert back.has_time
    write_image(tmp_path / "out.nii.gz", vector)
    np.testing.assert_array_equal(read_image(tmp_path, "out.nii.gz").array, vector.array)

    assert saved(tmp_path, array[..., :1]).array.shape == (1, 2, 3, 4)  # a fourth axis of length 1 is none


def test_two_dimensions_and_colours(tmp_path):
    plane = saved(tmp_path, np.arange(6, dtype=np.int16).reshape(2, 3))
    assert plane.array.shape == (1, 2, 3) and plane.space_dims == 2
    write_image(tmp_path / "out.nii", plane)
    assert nibabel.load(tmp_path / "out.nii").shape == (2, 3)

    rgb = np.zeros((2, 3, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["R"], rgb["G"], rgb["B"] = 1, np.arange(24).reshape(2, 3, 4), 3
    image = saved(tmp_path, rgb)
    assert image.array.shape == (3, 2, 3, 4)
    np.testing.assert_array_equal(image.array[1], rgb["G"])


def test_nifti_2(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = saved(tmp_path, array, oblique(), kind=nibabel.Nifti2Image)
    np.testing.assert_array_equal(image.array[0], array)
    np.testing.assert_allclose(image.affine_mm, oblique(), atol=1e-12)


def test_label_maps_are_whole_numbers(tmp_path):
    codes = np.array([[[0.0, 1.0, 300.0]]])
    nibabel.Nifti1Image(codes, np.eye(4)).to_filename(tmp_path / "a.nii")
    image = read_image(tmp_path, "a.nii", is_label=True)
    assert image.array.dtype == np.uint16 and image.is_label
    nibabel.Nifti1Image(codes - 2, np.eye(4)).to_filename(tmp_path / "a.nii")
    assert read_image(tmp_path, "a.nii", is_label=True).array.dtype == np.int16
    for wrong in (0.5, np.nan):
        nibabel.Nifti1Image(codes + wrong, np.eye(4)).to_filename(tmp_path / "a.nii")
        with pytest.raises(PrepareError, match="no whole numbers"):
            read_image(tmp_path, "a.nii", is_label=True)


def test_damaged_compression_is_noticed(tmp_path):
    rng = np.random.default_rng(0)
    nibabel.Nifti1Image(rng.integers(0, 99, (20, 20, 20)).astype(np.int16), np.eye(4)).to_filename(
        tmp_path / "a.nii.gz"
    )
    whole = (tmp_path / "a.nii.gz").read_bytes()
    for size in (0, 1, 10, 200, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b.nii.gz").write_bytes(whole[:size])
        with pytest.raises(PrepareError):
            read_image(tmp_path, "b.nii.gz")
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # in the checksum
    (tmp_path / "b.nii.gz").write_bytes(flipped)
    with pytest.raises(PrepareError, match="damaged"):
        read_image(tmp_path, "b.nii.gz")
    (tmp_path / "b.nii.gz").write_bytes(whole + bytes(512))  # tape padding is none of the image
    read_image(tmp_path, "b.nii.gz")
    unpacked = gzip.decompress(whole)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(unpacked[:4000]) + gzip.compress(unpacked[4000:]))
    np.testing.assert_array_equal(read_image(tmp_path, "b.nii.gz").array, read_image(tmp_path, "a.nii.gz").array)


def test_bytes_of_noise_are_refused_or_read_but_never_crash(tmp_path):
    """Every single byte of the header set to each of three values."""
    nibabel.Nifti1Image(np.arange(64, dtype=np.int16).reshape(4, 4, 4), oblique()).to_filename(tmp_path / "a.nii")
    whole = (tmp_path / "a.nii").read_bytes()
    for position in range(352):
        for value in (0, 127, 255):
            (tmp_path / "b.nii").write_bytes(whole[:position] + bytes([value]) + whole[position + 1 :])
            try:
                image = read_image(tmp_path, "b.nii")
            except PrepareError:
                continue
            assert np.isfinite(image.affine_mm).all()


@pytest.mark.parametrize(
    "change", [{"sform_code": 1, "srow_x": np.nan}, {"srow_y": 0}, {"magic": b"ni1"}, {"datatype": 32}]
)
def test_headers_that_cannot_be_trusted_are_refused(change, tmp_path):
    header = nibabel.Nifti1Image(np.zeros((4, 4, 4), np.uint8), oblique()).header
    for name, value in change.items():
        header[name] = value
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(4 + 64 * 8))
    with pytest.raises(PrepareError) as caught:
        read_image(tmp_path, "a.nii")
    assert "file-" in str(caught.value)


def test_real_scans_agree_with_nibabel(shared_data):
    folder = shared_data("hippocampus_msd_task04")
    for path in sorted((folder / "images").iterdir())[:12]:
        image, other = read_image(folder, f"images/{path.name}"), nibabel.load(path)
        np.testing.assert_array_equal(image.array[0], np.asarray(other.dataobj))
        np.testing.assert_allclose(image.affine_mm, other.affine)
