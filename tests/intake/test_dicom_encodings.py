"""One phantom in every encoding: byte orders, deflate, run lengths, JPEG in its kinds, planes of colour, overlays."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGLSLossless, JPEGLSNearLossless, RLELossless

from preceptor.core.errors import PrepareError
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.phantom_planes import write_planes

RNG = np.random.default_rng(11)
SMOOTH = np.add.outer(np.arange(96) * 20, np.arange(80) * 18)[:, :, None] + RNG.integers(0, 30, (96, 80, 1))
GREY = SMOOTH.astype(np.uint16)  # up to 3500: twelve bits
SIGNED = (SMOOTH - 1500).astype(np.int16)
AFFINE = np.diag([-0.5, -0.5, 2.0, 1.0])
TWELVE = {"BitsStored": 12, "HighBit": 11}


def plane(folder: Path, stored=GREY, **attributes) -> Path:
    (path,) = write_planes(folder, stored, AFFINE, attributes={**TWELVE, **attributes})
    return path


def by_dcmtk(tool: str, path: Path, *options: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} (dcmtk) is not installed")
    subprocess.run([tool, *options, str(path), str(path)], check=True, capture_output=True)


def read(path: Path) -> np.ndarray:
    return read_image(path.parent, path.name).array


@pytest.mark.parametrize("stored", [GREY, SIGNED], ids=["unsigned", "signed"])
@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless], ids=["rle", "jpeg_ls", "jpeg_2000"])
def test_lossless_streams_are_read_exactly(syntax, stored, tmp_path):
    path = plane(tmp_path, stored)
    data = pydicom.dcmread(path)
    data.compress(syntax)
    data.save_as(path)
    np.testing.assert_array_equal(read(path)[0], stored[:, :, 0])


@pytest.mark.parametrize(
    ("syntax", "settings"), [(JPEG2000, {"j2k_psnr": [80]}), (JPEGLSNearLossless, {"jls_error": 3})]
)
def test_lossy_streams_are_read_within_their_loss(syntax, settings, tmp_path):
    path = plane(tmp_path)
    data = pydicom.dcmread(path)
    data.compress(syntax, **settings)
    data.save_as(path)
    assert np.abs(read(path)[0].astype(int) - GREY[:, :, 0]).max() <= 8


@pytest.mark.parametrize("options", [("+e1",), ("+el",)], ids=["first_order", "process_14"])
@pytest.mark.parametrize("stored", [GREY, SIGNED], ids=["unsigned", "signed"])
def test_lossless_jpeg_is_read_exactly(options, stored, tmp_path):
    path = plane(tmp_path, stored)
    by_dcmtk("dcmcjpeg", path, *options)
    np.testing.assert_array_equal(read(path)[0], stored[:, :, 0])


def test_baseline_jpeg_is_read_within_its_loss(tmp_path):
    grey = (GREY // 16).astype(np.uint8)[:, :, 0].T
    path = plane(tmp_path, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=grey.tobytes())
    by_dcmtk("dcmcjpeg", path, "+eb", "+q", "95")
    assert np.abs(read(path)[0].T.astype(int) - grey).max() <= 12


@pytest.mark.parametrize("options", ["+tb", "+ti", "+td"], ids=["big_endian", "implicit", "deflated"])
@pytest.mark.parametrize("stored", [GREY, SIGNED], ids=["unsigned", "signed"])
def test_byte_orders_and_deflate(options, stored, tmp_path):
    path = plane(tmp_path, stored)
    by_dcmtk("dcmconv", path, options)
    np.testing.assert_array_equal(read(path)[0], stored[:, :, 0])
    np.testing.assert_allclose(read_image(tmp_path, path.name).affine_mm[:2, :2], AFFINE[:2, :2])


@pytest.mark.parametrize("order", ["+te", "+tb"], ids=["little", "big"])
def test_a_table_of_words_follows_the_byte_order(order, tmp_path):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 16])
    item.add_new("LUTData", "OW", (np.arange(4096, dtype="<u2") * 3).tobytes())
    item.ModalityLUTType = "US"
    path = plane(tmp_path, ModalityLUTSequence=[item])
    by_dcmtk("dcmconv", path, order)
    np.testing.assert_array_equal(read(path)[0], GREY[:, :, 0] * 3.0)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("is_rle", [False, True], ids=["plain", "rle"])
def test_colours_by_pixel_and_by_plane(planar, is_rle, tmp_path):
    colours = RNG.integers(0, 256, (80, 96, 3)).astype(np.uint8)
    stored = colours if planar == 0 else np.moveaxis(colours, -1, 0)
    path = plane(
        tmp_path, BitsAllocated=8, BitsStored=8, HighBit=7, SamplesPerPixel=3, PhotometricInterpretation="RGB",
        PlanarConfiguration=planar, PixelData=np.ascontiguousarray(stored).tobytes(),
    )  # fmt: skip
    if is_rle:
        by_dcmtk("dcmcrle", path)
    np.testing.assert_array_equal(read(path), colours.transpose(2, 1, 0))


@pytest.mark.parametrize("signed", [False, True])
def test_an_overlay_in_unused_bits_is_no_value(signed, tmp_path):
    stored = SIGNED if signed else GREY
    words = (stored.view(np.uint16) & 0x0FFF) | np.where(RNG.random(stored.shape) < 0.5, 0x1000, 0).astype(np.uint16)
    path = plane(tmp_path, words, PixelRepresentation=int(signed))
    np.testing.assert_array_equal(read(path)[0], stored[:, :, 0])


def test_the_highest_bit_need_not_be_the_last_stored(tmp_path):
    path = plane(tmp_path, (GREY << 2).astype(np.uint16), BitsStored=12, HighBit=13)
    np.testing.assert_array_equal(read(path)[0], GREY[:, :, 0])


def test_many_windows_are_one_and_the_first(tmp_path):
    path = plane(tmp_path, WindowCenter=["40", "-600"], WindowWidth=["400", "1500"])
    own = read_image(tmp_path, path.name).meta["window"]
    assert (own["centre"], own["width"], own["named"]) == (40, 400, 2)


def test_padding_is_told_in_the_unit_of_the_values(tmp_path):
    path = plane(tmp_path, SIGNED, PixelPaddingValue=-1500, RescaleSlope="2", RescaleIntercept="-24")
    assert read_image(tmp_path, path.name).meta["padding_value"] == -3024


def test_a_spacing_calibrated_against_the_detectors_is_the_patients(tmp_path):
    attributes = {"Modality": "DX", "PixelSpacing": ["0.14", "0.14"], "ImagerPixelSpacing": ["0.2", "0.2"]}
    path = plane(tmp_path, **attributes)
    data = pydicom.dcmread(path)
    del data.ImagePositionPatient, data.ImageOrientationPatient
    data.save_as(path)
    image = read_image(tmp_path, path.name)
    assert image.spacing_mm == pytest.approx((0.14, 0.14)) and image.meta["spacing_measured"] == "patient"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Rows", "attribute_absent"),
        ("BitsAllocated", "attribute_absent"),
        ("PixelData", "no_pixels"),
        ("PhotometricInterpretation", "dicom_damaged"),
    ],
)
def test_a_missing_tag_is_named_or_refused(name, code, tmp_path):
    path = plane(tmp_path)
    data = pydicom.dcmread(path)
    delattr(data, name)
    data.save_as(path)
    with pytest.raises(PrepareError) as refused:
        read(path)
    assert refused.value.problem.code == code
    assert name != "Rows" or "Rows" in refused.value.problem.what


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"], "orientation"),
        ("ImagePositionPatient", ["1", "2"], "dicom_damaged"),
        ("PixelSpacing", ["0", "0"], "spacing"),
        ("BitsAllocated", 12, "dicom_damaged"),
        ("Rows", 60000, "truncated"),
    ],
)
def test_a_damaged_tag_is_refused(name, value, code, tmp_path):
    path = plane(tmp_path)
    data = pydicom.dcmread(path)
    setattr(data, name, value)
    data.save_as(path)
    with pytest.raises(PrepareError) as refused:
        read(path)
    assert refused.value.problem.code == code
