"""Maps and images go out in the geometry that came in, whole or not at all."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from preceptor.core.cohort import Case
from preceptor.core.errors import PrepareError
from preceptor.core.image import Image
from preceptor.intake.case import open_case
from preceptor.intake.read import read_image
from preceptor.intake.write import write_image, write_map

AFFINE = np.array([[0, -1.5, 0, 10], [0.7, 0, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])


def scan(tmp_path, qform=1):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), AFFINE)
    image.set_sform(AFFINE, code=2)
    image.set_qform(AFFINE, code=qform)
    image.to_filename(tmp_path / "scan.nii.gz")
    return read_image(tmp_path, "scan.nii.gz")


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1], np.uint8), ([0, 300], np.uint16), ([-1, 2], np.int8), ([-1, 200], np.int16), ([0.5, 1], np.float32)],
)
def test_a_map_lies_where_its_image_lies(values, kind, tmp_path):
    image = scan(tmp_path)
    array = np.resize(np.array(values), image.shape)
    path = write_map(tmp_path / "case.answer", array, image)
    assert path.name == "case.answer.nii.gz"
    loaded = nibabel.load(path)
    np.testing.assert_array_equal(np.asarray(loaded.dataobj), array)
    assert loaded.get_data_dtype() == kind
    np.testing.assert_allclose(loaded.affine, AFFINE)
    assert (int(loaded.header["sform_code"]), int(loaded.header["qform_code"])) == (2, 1)
    np.testing.assert_allclose(loaded.get_qform(), AFFINE, atol=1e-6)
    assert loaded.header.get_xyzt_units()[0] == "mm"


def test_booleans_and_shears(tmp_path):
    sheared = AFFINE.copy()
    sheared[0, 2] = 1.0
    image = Image(np.zeros((1, 3, 4, 5), np.uint8), sheared, meta={"source_format": "nifti", "sform_code": 1})
    path = write_map(tmp_path / "a", np.ones((3, 4, 5), bool), image)
    loaded = nibabel.load(path)
    np.testing.assert_allclose(loaded.affine, sheared)
    assert int(loaded.header["qform_code"]) == 0 and loaded.get_data_dtype() == np.uint8


def test_unknown_geometry_stays_unknown(tmp_path):
    image = Image(np.zeros((1, 3, 4, 5), np.uint8), np.diag([1, 2, 3, 1.0]), meta={"geometry": "unknown"})
    write_image(tmp_path / "a.nii", image)
    back = read_image(tmp_path, "a.nii")
    assert not back.has_known_geometry and back.spacing_mm == (1, 2, 3)


def test_the_same_map_gives_the_same_bytes(tmp_path):
    image = scan(tmp_path)
    paths = [write_map(tmp_path / name, np.ones(image.shape, int), image) for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_does_not_fit_is_refused(tmp_path):
    image = scan(tmp_path)
    with pytest.raises(PrepareError, match="own grid|and the image"):
        write_map(tmp_path / "a", np.zeros((4, 3, 5)), image)
    with pytest.raises(PrepareError, match="no PNG"):
        write_image(tmp_path / "a.png", image)
    with pytest.raises(PrepareError, match="not written"):
        write_image(tmp_path / "a.tif", image)
    both = Image(np.zeros((2, 3, 3, 4, 5), np.uint8), AFFINE, has_time=True)
    with pytest.raises(PrepareError, match="time or channels"):
        write_image(tmp_path / "a.nii", both)


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    image = scan(tmp_path)
    before = sorted(tmp_path.iterdir())

    def full(self, content):
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError):
        write_map(tmp_path / "a", np.zeros(image.shape), image)
    assert sorted(tmp_path.iterdir()) == before


def test_a_case_is_opened_with_its_masks_and_errors_name_its_key(tmp_path):
    image = scan(tmp_path)
    write_map(tmp_path / "mask", (image.array[0] > 30).astype(np.uint8), image)
    case = Case("case-1", {"t1": "scan.nii.gz"}, masks={"tumour": "mask.nii.gz"}, labels={"y": 1}, fields={"age": 3})
    sample = open_case(tmp_path, case)
    assert (sample.key, sample.labels, sample.fields) == ("case-1", {"y": 1}, {"age": 3})
    assert sample.masks["tumour"].is_label and not sample.images["t1"].is_label
    np.testing.assert_array_equal(sample.masks["tumour"].affine_mm, image.affine_mm)
    assert not open_case(tmp_path, case, masks=[]).masks
    assert not open_case(tmp_path, case, masks=["other"]).masks
    for masks, images, word in (({}, {"t1": "Meier_Anna.nii.gz"}, "view t1"), ({"m": "Meier_Anna.nii"}, {}, "mask m")):
        with pytest.raises(PrepareError) as caught:
            open_case(tmp_path, Case("case-1", images, masks=masks))
        assert "case case-1" in str(caught.value) and word in str(caught.value) and "Meier" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello, this is not an image at all")
    for name, word in (("gone", "not there"), ("empty", "empty"), ("text", "no kind")):
        with pytest.raises(PrepareError, match=word):
            read_image(tmp_path, name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(PrepareError, match="0 files"):
        read_image(tmp_path, "folder")
