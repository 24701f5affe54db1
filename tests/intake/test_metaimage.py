"""MetaImage: voxels and places as its own library reads them, and headers that say what is not so."""

from __future__ import annotations

import time

import numpy as np
import pytest
import SimpleITK

from preceptor.core.errors import PrepareError
from preceptor.core.image import UNKNOWN_GEOMETRY
from preceptor.intake.read import read_image


def written(path, array, *, compressed=False, turned=True):
    """An image of array ``(z, y, x)``, obliquely placed."""
    image = SimpleITK.GetImageFromArray(array)
    if array.ndim == 3:
        image.SetSpacing((0.5, 0.75, 3.0))
        image.SetOrigin((-20.5, 11.25, 7.0))
        if turned:
            around = SimpleITK.Euler3DTransform()
            around.SetRotation(0.2, -0.3, 0.5)
            image.SetDirection(around.GetMatrix())
    SimpleITK.WriteImage(image, str(path), compressed)
    return image


@pytest.mark.parametrize("suffix", [".mhd", ".mha"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32])
def test_voxels_and_places(suffix, compressed, kind, tmp_path):
    array = (np.random.default_rng(0).random((4, 5, 6)) * 100).astype(kind)
    image = written(tmp_path / f"a{suffix}", array, compressed=compressed)
    found = read_image(tmp_path, f"a{suffix}")
    assert found.array.dtype == kind and np.array_equal(found.array[0], array.transpose(2, 1, 0))
    for voxel in ((0, 0, 0), (5, 4, 3), (2, 1, 3)):
        left, back, up = image.TransformIndexToPhysicalPoint(voxel)
        assert found.affine_mm @ [*voxel, 1] == pytest.approx([-left, -back, up, 1], abs=1e-6)
    assert found.has_known_geometry


def test_labels_pictures_colours_and_byte_order(tmp_path):
    codes = np.random.default_rng(0).integers(0, 5, (4, 5, 6)).astype(np.uint8)
    written(tmp_path / "label.mha", codes, compressed=True)
    found = read_image(tmp_path, "label.mha", is_label=True)
    assert found.is_label and np.array_equal(found.array[0], codes.transpose(2, 1, 0))
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4)
    written(tmp_path / "flat.mha", picture)
    flat = read_image(tmp_path, "flat.mha")
    assert np.array_equal(flat.array[0], picture.T) and flat.meta["geometry"] == UNKNOWN_GEOMETRY
    head = "NDims = 2\nDimSize = 2 3\nElementType = MET_SHORT\nElementByteOrderMSB = True\nElementDataFile = LOCAL\n"
    (tmp_path / "big.mha").write_bytes(b"ObjectType = Image\n" + head.encode() + np.arange(6, dtype=">i2").tobytes())
    assert read_image(tmp_path, "big.mha").array[0].T.ravel().tolist() == list(range(6))
    head = "NDims = 2\nDimSize = 2 1\nElementNumberOfChannels = 3\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    (tmp_path / "colour.mha").write_bytes(head.encode() + bytes([1, 2, 3, 4, 5, 6]))
    assert read_image(tmp_path, "colour.mha").array[:, :, 0].tolist() == [[1, 4], [2, 5], [3, 6]]


GOOD = {
    "ObjectType": "Image",
    "NDims": "3",
    "DimSize": "2 3 4",
    "ElementSpacing": "1 1 1",
    "ElementType": "MET_UCHAR",
    "ElementDataFile": "LOCAL",
}


@pytest.mark.parametrize(
    ("changed", "data", "code"),
    [
        ({"ElementDataFile": "../secret.raw"}, b"", "metaimage_data"),
        ({"ElementDataFile": "/etc/passwd"}, b"", "metaimage_data"),
        ({"ElementDataFile": "LIST"}, b"", "metaimage_data"),
        ({"ElementDataFile": "absent.raw"}, b"", "metaimage_data"),
        ({}, bytes(23), "truncated"),
        ({"DimSize": "2000 3000 4000"}, bytes(24), "too_large"),
        ({"DimSize": "2 3 -4"}, bytes(24), "dimensions"),
        ({"DimSize": "2 3"}, bytes(24), "metaimage_kind"),
        ({"DimSize": "two three"}, bytes(24), "metaimage_header"),
        ({"NDims": "4", "DimSize": "1 2 3 4"}, bytes(24), "metaimage_kind"),
        ({"ElementType": "MET_STRING"}, bytes(24), "metaimage_kind"),
        ({"BinaryData": "False"}, b"1 2 3", "metaimage_kind"),
        ({"HeaderSize": "512"}, bytes(600), "metaimage_kind"),
        ({"ElementSpacing": "1 0 1"}, bytes(24), "metaimage_header"),
        ({"ElementSpacing": "1 nan 1"}, bytes(24), "metaimage_header"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, bytes(24), "metaimage_header"),
        ({"CompressedData": "True"}, b"not deflated", "truncated"),
        ({"CompressedData": "True", "DimSize": "1024 1024 1024"}, bytes(24), "decompression_bomb"),
    ],
)
def test_headers_that_say_what_is_not_so(changed, data, code, tmp_path):
    (tmp_path / "secret.raw").write_bytes(bytes(24))
    (tmp_path / "in").mkdir()
    told = GOOD | changed
    told["ElementDataFile"] = told.pop("ElementDataFile")
    lines = "".join(f"{name} = {value}\n" for name, value in told.items())
    (tmp_path / "in" / "Quillfeather.mha").write_bytes(lines.encode() + data)
    start = time.perf_counter()
    with pytest.raises(PrepareError) as caught:
        read_image(tmp_path / "in", "Quillfeather.mha")
    assert caught.value.problem.code == code, caught.value
    assert time.perf_counter() - start < 1 and "Quillfeather" not in str(caught.value)


def test_a_header_without_an_end_is_refused(tmp_path):
    for content in (b"ObjectType = Image\n" * 500, b"NDims = 3\n" + b"x" * 10_000, b"NDims = 3\n"):
        (tmp_path / "a.mhd").write_bytes(content)
        with pytest.raises(PrepareError) as caught:
            read_image(tmp_path, "a.mhd")
        assert caught.value.problem.code == "metaimage_header"
