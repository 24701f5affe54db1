"""Known answers of burned-in text: I3.1 (text), I3.2 (ultrasound regions), I3.3 (the sector of a clip)."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pydicom import Dataset, dcmread

from preceptor.core.errors import PrepareError
from preceptor.intake.burned_in import text_detection
from preceptor.intake.burned_in.text_detection import TextBox, cover, find_text
from preceptor.intake.burned_in.ultrasound_regions import regions_fit, tissue_mask, tissue_regions
from preceptor.maths.moving_sector import moving_sector

from .planted_names import SIZES, font, is_readable, phantom, pictures, plant, reads


def box(left, top, right, bottom, score):
    return TextBox(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float), score)


@pytest.mark.answer("I3.1")
def test_a_box_over_the_whole_frame_masks_nothing(monkeypatch):
    """The detector does answer so: without the rule the picture would be blanked."""
    boxes = [box(0, 0, 400, 300, 0.9), box(10, 280, 110, 295, 0.9), box(0, 0, 400, 31, 0.9), box(0, 40, 70, 240, 0.99)]
    monkeypatch.setattr(text_detection, "_searched", lambda piece, place, scale: boxes)
    found = find_text(np.zeros((300, 400), np.uint8))
    mask = cover((300, 400), found.text)
    assert mask[285, 50] and mask[10, 200], "a line, and a banner over the full width, are text"
    assert mask.mean() < 0.15
    monkeypatch.setattr(text_detection, "_searched", lambda piece, place, scale: boxes[:1])
    assert not find_text(np.zeros((300, 400), np.uint8)).text


@pytest.mark.answer("I3.1")
def test_boxes_grow_and_thresholds_follow_their_shape(monkeypatch):
    boxes = [box(50, 50, 90, 60, 0.45), box(150, 150, 170, 165, 0.6), box(250, 250, 253, 253, 0.99)]
    monkeypatch.setattr(text_detection, "_searched", lambda piece, place, scale: boxes)
    found = find_text(np.zeros((300, 300), np.uint8), "MR")
    assert {each.score for each in found.text} == {0.45}
    assert found.text[0].bounds == (45, 46, 95, 64), "3 px, and 10 % of the height across, 20 % along"
    assert {each.score for each in found.suspicious} == {0.6}, "a square needs more; three pixels are no letter"


@pytest.mark.answer("I3.1")
def test_names_on_phantoms_are_masked_whole_wherever_they_stand():
    pytest.importorskip("rapidocr")
    rng = np.random.default_rng(3)
    for size, turned in ((12, 0), (16, 90)):
        planted = plant(phantom(rng, 280), rng, size, turned=turned)
        mask = cover(planted.ink.shape, find_text(planted.picture, "CT").text)
        assert planted.covered(mask) >= 0.95
        assert mask.mean() < planted.ink.mean() * 12 + 0.01


@pytest.mark.slow
@pytest.mark.answer("I3.1")
def test_names_on_real_pictures_are_masked(shared_data):
    """The gates at N = 20; `benchmarks/burned_in_text.py` holds them at 500."""
    pytest.importorskip("rapidocr")
    folder = shared_data("cxr_covid_ieee8023").parent
    rng = np.random.default_rng(5)
    covered, areas = [], {}
    for index, (modality, picture) in enumerate(pictures(folder, 20, rng)):
        planted = plant(picture, rng, SIZES[2 + index % 18], 110 if index % 4 == 3 else None)
        mask = cover(planted.ink.shape, find_text(planted.picture, modality).text)
        covered.append(planted.covered(mask))
        if covered[-1] < 1:
            masked = planted.picture.copy()
            masked[mask] = 0
            assert not any(is_readable(read, planted.text) for read in reads(masked, planted).values())
        if index >= 15:
            areas[modality] = float(cover(picture.shape[:2], find_text(picture, modality).text).mean())
    assert min(covered) > 0 and np.mean(np.array(covered) >= 0.95) >= 0.95, "19 of 20"
    assert all(area <= (0.07 if modality == "DX" else 0.02) for modality, area in areas.items())


ZOO = {
    "051_no-pixel-spacing": [(120, 60, 799, 518)],
    "072_YBR_FULL-RLE": [(84, 48, 483, 415)],
    "144_JPGLosslessP14SV1_1s_1f_8b": [(14, 38, 1010, 758)],
    "146_OBXXXX1A_rle": [(120, 60, 799, 518)],
    "147_OBXXXX1A_rle_2frame": [(120, 60, 799, 518)],
    "271_examples_ybr_color": [(84, 31, 319, 239)],
}


@pytest.mark.answer("I3.2")
def test_tissue_regions_of_the_zoo(shared_data):
    files = shared_data("dicom_zoo") / "files"
    for name, expected in ZOO.items():
        dataset = dcmread(files / f"{name}.dcm", stop_before_pixels=True)
        assert tissue_regions(dataset) == expected, name
        assert regions_fit(dataset) == (not name.startswith("271")), "271 kept the coordinates of a larger picture"
        left, top, right, bottom = expected[0]
        assert tissue_mask(dataset).sum() == (right - left + 1) * (bottom - top + 1), "both corners belong to it"
    without = dcmread(files / "121_gdcm-US-RGB-8-epicard.dcm", stop_before_pixels=True)
    assert tissue_regions(without) == [] and tissue_mask(without) is None


def ultrasound(*regions, rows=100, columns=100):
    dataset = Dataset()
    dataset.Rows, dataset.Columns, dataset.SequenceOfUltrasoundRegions = rows, columns, []
    for left, top, right, bottom, form, kind in regions:
        item = Dataset()
        item.RegionLocationMinX0, item.RegionLocationMinY0 = left, top
        item.RegionLocationMaxX1, item.RegionLocationMaxY1 = right, bottom
        item.RegionSpatialFormat, item.RegionDataType = form, kind
        dataset.SequenceOfUltrasoundRegions.append(item)
    return dataset


@pytest.mark.answer("I3.2")
def test_regions_elsewhere_are_refused_and_other_kinds_left_out():
    assert tissue_regions(ultrasound((0, 0, 49, 49, 1, 1), (0, 60, 99, 99, 1, 10), (0, 0, 99, 99, 3, 1))) == [
        (0, 0, 49, 49)
    ]
    assert tissue_regions(ultrasound((50, 50, 149, 149, 1, 1))) == [(50, 50, 99, 99)], "a quarter is inside"
    for outside in ((51, 50, 150, 149), (120, 0, 160, 40), (60, 60, 50, 90)):
        with pytest.raises(PrepareError) as caught:
            tissue_regions(ultrasound((*outside, 1, 1)))
        assert caught.value.problem.code == "region_outside"


def moving_clip(rng):
    """16 frames of 120 x 160 with a sector of 38 degrees to either side, and writing in two corners that does not move."""
    rows, columns = np.mgrid[:120, :160]
    down, across = rows + 6.0, columns - 79.5
    truth = (np.abs(np.degrees(np.arctan2(across, down))) <= 38) & (np.hypot(across, down) <= 118) & (down > 10)
    canvas = Image.new("L", (160, 120))
    drawing = ImageDraw.Draw(canvas)
    drawing.text((2, 2), "ARDEN^ADA", fill=255, font=font(10))
    drawing.text((100, 106), "48213077", fill=255, font=font(10))
    letters = np.asarray(canvas, float) / 255
    frames = []
    for _ in range(16):
        speckle = 70 * rng.rayleigh(0.8, truth.shape) * truth
        frames.append(np.clip(speckle * (1 - letters) + 230 * letters + rng.normal(2, 0.6, truth.shape), 0, 255))
    return np.stack(frames), truth, letters > 0.5


@pytest.mark.answer("I3.3")
def test_the_sector_of_a_clip_is_what_moves():
    for seed in range(5):
        frames, truth, ink = moving_clip(np.random.default_rng(seed))
        mask = moving_sector(frames)
        assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) >= 0.97
        assert (truth & ~mask).sum() <= 0.01 * truth.sum()
        assert (mask & ink & ~truth).sum() <= 0.03 * ink.sum()
    assert not moving_sector(np.full((16, 20, 30), 50.0)).any(), "nothing moves"


@pytest.mark.answer("I3.3")
def test_a_shadow_belongs_to_the_sector_and_a_blinking_sign_does_not():
    rng = np.random.default_rng(0)
    frames = np.zeros((16, 40, 60))
    frames[:, 10:30, 10:40] = rng.integers(20, 220, (16, 20, 30))
    frames[:, 15:25, 18:32] = 0
    frames[:, 2:6, 50:56] = rng.integers(20, 220, (16, 4, 6))
    mask = moving_sector(frames)
    assert mask[20, 25] and mask[11:29, 11:39].all() and not mask[3, 52]


@pytest.mark.answer("I3.3")
def test_clips_cropped_to_their_sector_keep_writing_so_that_text_is_looked_for_besides(shared_data):
    """The hull of what moves holds a corner's writing in most of these clips: motion alone is no de-identification."""
    clips = sorted(path for path in (shared_data("pocus_lung_us_video") / "clips").iterdir() if path.is_dir())
    assert len(clips) == 123
    kept, shares = 0, []
    for path in clips[::8]:
        frames = np.stack([np.asarray(Image.open(each).convert("L"), float) for each in sorted(path.glob("*.jpg"))])
        canvas = Image.new("L", frames.shape[:0:-1])
        ImageDraw.Draw(canvas).text((2, 2), "ARDEN^ADA", fill=255, font=font(12))
        letters = np.asarray(canvas, float) / 255
        written = frames * (1 - letters) + 255 * letters
        shares.append(moving_sector(frames).mean())
        kept += bool(moving_sector(written)[letters > 0.5].any())
    assert min(shares) > 0 and 0.6 < np.median(shares) < 0.95
    assert kept > len(clips[::8]) / 2


@pytest.mark.slow
@pytest.mark.answer("I3.3")
def test_sector_and_text_together_leave_nothing_written_in_a_clip(shared_data):
    """A name in the corner of a cropped clip, in every frame: movement keeps it, the search for text does not."""
    pytest.importorskip("rapidocr")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    from preceptor.intake.burned_in.pixel_cleaning import clean_pixels

    clips = sorted(path for path in (shared_data("pocus_lung_us_video") / "clips").iterdir() if path.is_dir())
    for path in clips[40:60:15]:
        shown = [Image.open(each).convert("L") for each in sorted(path.glob("*.jpg"))]
        frames = np.stack([np.asarray(each.resize((2 * each.width, 2 * each.height))) for each in shown])
        canvas = Image.new("L", frames.shape[:0:-1])
        ImageDraw.Draw(canvas).text((4, 4), "FENWICK, ELENA", fill=255, font=font(16))
        ink = np.asarray(canvas) > 127
        frames[:, ink] = 255
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.Modality, dataset.PhotometricInterpretation = "US", "MONOCHROME2"
        dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames.shape
        dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelData = 7, frames.tobytes()
        dataset["PixelData"].VR = "OB"
        cleaned, findings = clean_pixels(dataset)
        assert findings.mask[ink].mean() >= 0.985
        after = np.frombuffer(cleaned.PixelData, np.uint8).reshape(frames.shape)
        assert (after[:, findings.mask] == frames.min()).all(), "in every frame"
        assert (after[:, ~findings.mask] == frames[:, ~findings.mask]).all()
