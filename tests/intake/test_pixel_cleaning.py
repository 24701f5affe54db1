"""Masking changes what it covers, in every copy, and nothing else."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGLSLossless, RLELossless, generate_uid

from preceptor.core.errors import MissingExtra, PrepareError
from preceptor.core.image import Image
from preceptor.intake.burned_in import pixel_cleaning, text_detection
from preceptor.intake.burned_in.picture_cleaning import clean_image
from preceptor.intake.burned_in.pixel_cleaning import clean_pixels
from preceptor.intake.burned_in.shown_frames import displayed, searched
from preceptor.intake.burned_in.text_detection import FoundText, TextBox, find_text

BOX = TextBox(np.array([[8, 4], [30, 4], [30, 12], [8, 12]], float), 0.9)
COVERED = np.zeros((40, 48), bool)
COVERED[4:13, 8:31] = True


@pytest.fixture
def one_box(monkeypatch):
    """The detector answers with one box in every picture: what is tested here is what follows."""
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda picture, *_, **__: FoundText((BOX,), ()))


def stored(array, photometric="MONOCHROME2", syntax=ExplicitVRLittleEndian, planar=0, **tags):
    """A data set written and read again, as files come."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Modality, dataset.Rows, dataset.Columns = "OT", 40, 48
    colour = photometric in ("RGB", "YBR_FULL")
    if array.shape != ((40, 48, 3) if colour else (40, 48)):
        dataset.NumberOfFrames = len(array)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3 if colour else 1, photometric
    dataset.BitsAllocated = dataset.BitsStored = array.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(array.dtype.kind == "i")
    if colour:
        dataset.PlanarConfiguration = planar
    for name, value in tags.items():
        setattr(dataset, name, value)
    laid = np.moveaxis(array, -1, -3) if planar else array
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = np.ascontiguousarray(laid, laid.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset["PixelData"].VR = "OW" if array.dtype.itemsize > 1 else "OB"
    return dataset


def saved(dataset):
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)


def noise(*shape, kind=np.uint8, low=20, high=200):
    return np.random.default_rng(0).integers(low, high, shape).astype(kind)


@pytest.mark.parametrize(
    ("array", "how", "black"),
    [
        (noise(40, 48), {}, 20),
        (noise(3, 40, 48), {}, 20),
        (noise(40, 48, kind=np.int16, low=-900, high=900), {}, None),
        (noise(40, 48, kind=np.uint16, high=4000), {"photometric": "MONOCHROME1"}, None),
        (noise(40, 48, kind=np.uint16), {"syntax": ExplicitVRBigEndian}, None),
        (noise(40, 48, 3), {"photometric": "RGB"}, 0),
        (noise(2, 40, 48, 3), {"photometric": "RGB", "planar": 1}, 0),
        (noise(40, 48, 3), {"photometric": "YBR_FULL"}, 0),
    ],
)
def test_every_pixel_outside_the_mask_stays_as_it_was(one_box, array, how, black):
    dataset = saved(stored(array, **how))
    cleaned, findings = clean_pixels(dataset)
    before, after = dataset.pixel_array, saved(cleaned).pixel_array
    grid = (-1, 40, 48, 3) if array.shape[-1] == 3 else (-1, 40, 48)
    before, after = before.reshape(grid), after.reshape(grid)
    assert (before[:, ~COVERED] == after[:, ~COVERED]).all()
    values = np.unique(after[:, COVERED])
    expected = before.max() if how.get("photometric") == "MONOCHROME1" else before.min() if black is None else black
    assert values.tolist() == [expected] or (how.get("photometric") == "YBR_FULL" and values.max() <= 1)
    assert (findings.mask == COVERED).all() and findings.frames == len(after)
    assert cleaned.BurnedInAnnotation == "NO" and "BurnedInAnnotation" not in dataset
    assert cleaned.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID and not findings.decompressed


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_pixels_are_stored_plain_once_and_only_where_something_is_masked(syntax, monkeypatch):
    dataset = stored(noise(3, 40, 48))
    dataset.compress(syntax, generate_instance_uid=False)
    dataset = saved(dataset)
    encoded, pixels = dataset.PixelData, dataset.pixel_array
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda picture, *_, **__: FoundText())
    cleaned, findings = clean_pixels(dataset)
    assert cleaned.PixelData == encoded and findings.masked_share == 0 and not findings.decompressed
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda picture, *_, **__: FoundText((BOX,), ()))
    cleaned, findings = clean_pixels(dataset)
    assert findings.decompressed and cleaned.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    after = saved(cleaned).pixel_array
    assert (after[:, ~COVERED] == pixels[:, ~COVERED]).all() and (after[:, COVERED] == pixels.min()).all()
    assert dataset.PixelData == encoded, "what was given is not changed"


def test_the_local_fill_is_a_value_of_the_surroundings(one_box):
    array = noise(2, 40, 48)
    array[1] += 50
    cleaned, _ = clean_pixels(saved(stored(array)), fill="local")
    first, second = (np.unique(frame[COVERED]) for frame in saved(cleaned).pixel_array)
    assert len(first) == len(second) == 1 and abs(int(second[0]) - int(first[0]) - 50) < 30


def test_icon_and_overlays_are_masked_too(one_box, monkeypatch):
    icon = Dataset()
    icon.Rows, icon.Columns, icon.BitsAllocated, icon.SamplesPerPixel = 20, 24, 8, 1
    icon.PhotometricInterpretation = "MONOCHROME2"
    icon.PixelData = np.full((20, 24), 90, np.uint8).tobytes()
    icon["PixelData"].VR = "OB"
    dataset = stored(noise(40, 48), IconImageSequence=[icon])
    drawn = np.zeros((40, 48), np.uint8)
    drawn[6, 10:20] = drawn[30, 5:9] = 1
    for element, vr, value in (
        (0x0010, "US", 40),
        (0x0011, "US", 48),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [1, 1]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", np.packbits(drawn.ravel(), bitorder="little").tobytes()),
    ):
        dataset.add_new((0x6000, element), vr, value)
    cleaned, findings = clean_pixels(saved(dataset))
    cleaned = saved(cleaned)
    small = np.frombuffer(cleaned.IconImageSequence[0].PixelData, np.uint8).reshape(20, 24)
    assert findings.copies == ("icon", "overlays")
    assert (small == 90).all(), "a flat icon: its darkest value is its own"
    overlay = cleaned.overlay_array(0x6000)
    assert not overlay[COVERED].any() and overlay[30, 5:9].all()
    icon.PixelData = np.tile(np.arange(24, dtype=np.uint8), 20).tobytes()
    cleaned, _ = clean_pixels(saved(dataset))
    small = np.frombuffer(cleaned.IconImageSequence[0].PixelData, np.uint8).reshape(20, 24)
    assert (small[2:6, 4:15] == 0).all() and (small[7:, 1:] > 0).all()
    icon.Rows = 5
    assert "IconImageSequence" not in clean_pixels(saved(dataset))[0], "another shape: taken out"


def test_an_icon_that_shows_small_values_bright_is_masked_with_its_largest(one_box):
    icon = Dataset()
    icon.Rows, icon.Columns, icon.BitsAllocated, icon.SamplesPerPixel = 20, 24, 8, 1
    icon.PhotometricInterpretation = "MONOCHROME1"
    icon.PixelData = np.tile(np.arange(24, dtype=np.uint8), 20).tobytes()
    icon["PixelData"].VR = "OB"
    cleaned, _ = clean_pixels(saved(stored(noise(40, 48), IconImageSequence=[icon])))
    small = np.frombuffer(cleaned.IconImageSequence[0].PixelData, np.uint8).reshape(20, 24)
    assert (small[2:6, 4:15] == 23).all() and (small[7:, :23] < 23).all()


def test_an_overlay_that_begins_elsewhere_is_masked_where_it_lies_over_the_picture(monkeypatch):
    def over_the_picture(picture, *_, **__):
        return FoundText((BOX,) if picture.shape == COVERED.shape else ())

    monkeypatch.setattr(pixel_cleaning, "find_text", over_the_picture)
    dataset = stored(noise(40, 48))
    for element, vr, value in (
        (0x0010, "US", 16),
        (0x0011, "US", 32),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [3, 5]),  # row and column of the picture, from 1
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", b"\xff" * 64),
    ):
        dataset.add_new((0x6000, element), vr, value)
    cleaned, _ = clean_pixels(saved(dataset))
    assert (saved(cleaned).overlay_array(0x6000) == ~COVERED[2:18, 4:36]).all()


@pytest.mark.parametrize(("syntax", "kind"), [(ExplicitVRLittleEndian, "<u2"), (ExplicitVRBigEndian, ">u2")])
def test_overlays_inside_the_pixels_are_cleared(monkeypatch, syntax, kind):
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda picture, *_, **__: FoundText())
    values = noise(40, 48, kind=np.uint16, high=4000)
    dataset = stored(values | np.uint16(1 << 12), syntax=syntax, BitsStored=12, HighBit=11)
    for element, vr, value in ((0x0010, "US", 40), (0x0011, "US", 48), (0x0100, "US", 16), (0x0102, "US", 12)):
        dataset.add_new((0x6002, element), vr, value)
    cleaned, findings = clean_pixels(saved(dataset))
    assert (np.frombuffer(cleaned.PixelData, kind).reshape(40, 48) == values).all()
    assert (0x6002, 0x0010) not in cleaned and findings.copies == ("overlays",)


def test_an_ultrasound_clip_keeps_its_sector_alone(monkeypatch):
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda picture, *_, **__: FoundText())
    rng = np.random.default_rng(0)
    clip = np.zeros((12, 40, 48), np.uint8)
    clip[:, 8:36, 10:40] = rng.integers(20, 220, (12, 28, 30))
    clip[:, 1:4, 1:9] = 255
    cleaned, findings = clean_pixels(saved(stored(clip, Modality="US")))
    assert findings.outside == "motion" and not cleaned.pixel_array[:, 1:4, 1:9].any()
    assert (cleaned.pixel_array[:, 10:34, 12:38] == clip[:, 10:34, 12:38]).all()
    still = np.repeat(clip[:1], 12, axis=0)
    cleaned, findings = clean_pixels(saved(stored(still, Modality="US")))
    assert findings.outside == "" and findings.needs_review and (cleaned.pixel_array == still).all()


def test_pixels_that_can_not_be_searched_are_refused(monkeypatch):
    dataset = stored(noise(40, 48))
    del dataset.PixelData
    dataset.FloatPixelData = np.zeros((40, 48), np.float32).tobytes()
    with pytest.raises(PrepareError) as caught:
        clean_pixels(saved(dataset))
    assert caught.value.problem.code == "pixels_not_searched"
    monkeypatch.setitem(__import__("sys").modules, "rapidocr", None)
    text_detection._detector.cache_clear()
    with pytest.raises(MissingExtra) as missing:
        find_text(noise(40, 48))
    assert "preceptor[ocr]" in missing.value.problem.remedy
    with pytest.raises(PrepareError):
        find_text(np.zeros((4, 4), np.uint16))


def test_what_one_frame_shows_is_searched_for():
    clip = noise(40, 40, 48, high=60)
    clip[17, 5, 10:20] = 255
    clip[23, 9, 10:20] = 0
    shown = searched(clip)
    assert any((picture[5, 10:20] == 255).all() for picture in shown)
    assert any((picture[9, 10:20] == 0).all() for picture in shown)
    assert len(searched(clip[:8])) == 8
    wide = clip.astype(np.int16)
    wide[0, 0, 0] = 30000
    assert len(displayed(wide, Dataset())) == 2, "letters at the end of the range, and letters in mid grey"


def test_what_is_masked_already_is_not_told_as_doubtful(monkeypatch):
    within = TextBox(BOX.corners * 0.5 + BOX.corners.mean(0) * 0.5, 0.6)
    beside = TextBox(BOX.corners + np.array([0, 20.0]), 0.6)
    monkeypatch.setattr(pixel_cleaning, "find_text", lambda *_, **__: FoundText((BOX,), (within, beside)))
    findings = clean_pixels(saved(stored(noise(40, 48))))[1]
    assert {box.bounds for box in findings.suspicious} == {beside.bounds} and findings.needs_review


def test_slices_of_a_volume_are_searched_upright_and_masked_where_they_were_marked(monkeypatch):
    """Voxels of a volume count from the patient's feet and back: shown as stored, all writing stands on its head."""
    seen = []

    def top_left(picture, *_, **__):
        seen.append(picture)
        return FoundText((TextBox(np.array([[0, 0], [9, 0], [9, 3], [0, 3]], float), 0.9),), ())

    monkeypatch.setattr(pixel_cleaning, "find_text", top_left)
    values = np.full((1, 48, 40, 2), 7, np.int16)
    values[0, :10, 36:] = 90  # above on the left
    cleaned, _ = clean_image(Image(values, np.eye(4)))
    assert all((picture[:4, :10] > picture[20, 20]).all() for picture in seen[:2])
    assert (cleaned.array == 7).all()
