"""DICOM: stored values to quantities and colours, geometry of single planes and frames, and the whole zoo."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from preceptor.core.errors import PrepareError
from preceptor.intake.dicom.planes import Placement
from preceptor.intake.dicom.stack import stack
from preceptor.intake.read import read_image

SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


def dataset(
    stored, *, stored_bits=None, signed=False, photometric="MONOCHROME2", modality="OT", **attributes
) -> Dataset:
    """A data set of one frame ``(row, column)`` of uint8 or uint16 words, or of several."""
    stored = np.asarray(stored)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = attributes.pop("kind", SECONDARY)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SeriesInstanceUID, made.Modality = "2.25.7", modality
    if stored.ndim == 3:
        made.NumberOfFrames = len(stored)
    made.Rows, made.Columns = stored.shape[-2:]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, photometric
    made.BitsAllocated = stored.dtype.itemsize * 8
    made.BitsStored = stored_bits or made.BitsAllocated
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(signed)
    made.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def read(made: Dataset, folder: Path, **options):
    made.save_as(folder / "a.dcm", enforce_file_format=True)
    return read_image(folder, "a.dcm", **options)


@pytest.mark.parametrize(("signed", "expected"), [(False, [291, 4095, 2048, 2047]), (True, [291, -1, -2048, 2047])])
def test_bits_above_the_highest_are_masked_and_the_sign_is_at_bits_stored(signed, expected, tmp_path):
    words = np.array([[0xF123, 0x0FFF, 0x0800, 0x07FF]], np.uint16)
    image = read(dataset(words, stored_bits=12, signed=signed), tmp_path)
    assert image.array[0, :, 0].tolist() == expected


def test_the_scale_gives_quantities_in_a_type_that_holds_them(tmp_path):
    words = np.arange(4, dtype=np.uint16)[None]
    image = read(dataset(words, RescaleSlope=2.5, RescaleIntercept=-10), tmp_path)
    assert image.array[0, :, 0].tolist() == [-10, -7.5, -5, -2.5] and image.array.dtype == np.float32
    image = read(dataset(words, stored_bits=12, RescaleSlope=1, RescaleIntercept=-1024), tmp_path)
    assert image.array[0, :, 0].tolist() == [-1024, -1023, -1022, -1021] and image.array.dtype == np.int16
    image = read(dataset(words, RescaleSlope=1, RescaleIntercept=-1024), tmp_path)
    assert image.array.dtype == np.int32  # sixteen stored bits reach 64511
    image = read(dataset(words, stored_bits=12, PixelPaddingValue=3), tmp_path)
    assert image.array.dtype == np.uint16 and image.meta["padding_value"] == 3


@pytest.mark.parametrize("attribute", ["ImageLaterality", "Laterality"])
def test_an_image_of_one_side_says_so_and_is_not_mirrored_unasked(attribute, tmp_path):
    from preceptor.core.cohort import Sample
    from preceptor.core.slots import build

    breast = read(dataset(np.zeros((4, 6), np.uint8), modality="MG", **{attribute: "L"}), tmp_path)
    assert breast.meta["laterality"] == "L"
    flip = build("transforms", {"flip": {"axes": ["x"], "chance": 1.0}})
    with pytest.raises(PrepareError, match="laterality"):
        flip.draw(np.random.default_rng(0), Sample("a", {"view": breast}))
    plain = read(dataset(np.zeros((4, 6), np.uint8), modality="MG"), tmp_path)
    assert "laterality" not in plain.meta
    assert flip.draw(np.random.default_rng(0), Sample("a", {"view": plain})).parameters == {"flip": ["x"]}


def test_a_lookup_table_is_the_modalitys_scale_too(tmp_path):
    made = dataset(np.array([[0, 10, 11, 12, 13, 200]], np.uint8))
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4, 10, 16])
    table.add_new("LUTData", "US", [0, 100, 1000, 65535])
    table.ModalityLUTType = "US"
    made.ModalityLUTSequence = [table]
    image = read(made, tmp_path)
    assert image.array[0, :, 0].tolist() == [0, 0, 100, 1000, 65535, 65535]


@pytest.mark.parametrize("how", [{"photometric": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}])
def test_inverted_projections_are_turned_round_once(how, tmp_path):
    words = np.array([[0, 1, 1000, 4095]], np.uint16)
    image = read(dataset(words, stored_bits=12, modality="CR", **how), tmp_path)
    assert image.array[0, :, 0].tolist() == [4095, 4094, 3095, 0]
    assert image.meta["monochrome1"] == "inverted"
    image = read(
        dataset(words, stored_bits=12, modality="DX", PresentationLUTShape="INVERSE", photometric="MONOCHROME1"),
        tmp_path,
    )
    assert image.array[0, :, 0].tolist() == [4095, 4094, 3095, 0]  # both say one inversion
    image = read(dataset(words, stored_bits=12, modality="PT", **how), tmp_path)
    assert image.array[0, :, 0].tolist() == [0, 1, 1000, 4095]
    assert "quantity" in image.meta["monochrome1"]


def test_a_palette_is_looked_up_beyond_its_ends_too(tmp_path):
    made = dataset(np.array([[0, 1, 2, 3, 200, 0]], np.uint8), photometric="PALETTE COLOR")
    for name, values in (("Red", [0, 255, 10, 20]), ("Green", [5, 6, 7, 8]), ("Blue", [9] * 4)):
        made.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [4, 1, 8])
        made.add_new(f"{name}PaletteColorLookupTableData", "OW", bytes(values))
    image = read(made, tmp_path)
    expected = [(0, 5, 9), (0, 5, 9), (255, 6, 9), (10, 7, 9), (20, 8, 9), (0, 5, 9)]
    assert [tuple(int(c) for c in image.array[:, x, 0]) for x in range(6)] == expected


def test_luminance_and_chrominance_become_rgb(tmp_path):
    pixels = np.array([[(81, 90, 240), (145, 54, 34), (76, 85, 255), (128, 128, 128)]], np.uint8)
    made = dataset(np.zeros((1, 4), np.uint8), photometric="YBR_FULL")
    made.SamplesPerPixel, made.PlanarConfiguration, made.PixelData = 3, 0, pixels.tobytes()
    image = read(made, tmp_path)
    expected = [(238.02, 14.09, 13.66), (13.21, 237.60, 13.87), (254.05, 0.10, 0), (128, 128, 128)]
    np.testing.assert_allclose(image.array[:, :, 0].T.astype(float), expected, atol=1)


@pytest.mark.parametrize(
    ("attributes", "spacing", "measured"),
    [
        ({"PixelSpacing": [0.2, 0.3]}, (0.3, 0.2), "patient"),
        ({"ImagerPixelSpacing": [0.15, 0.15]}, (0.15, 0.15), "detector, uncalibrated"),
        (
            {"ImagerPixelSpacing": [0.085, 0.085], "EstimatedRadiographicMagnificationFactor": 1.0433386837881},
            (0.0814692, 0.0814692),
            "detector over magnification",
        ),
        ({}, (1.0, 1.0), "none"),
    ],
)
def test_a_projection_says_where_its_spacing_is_measured(attributes, spacing, measured, tmp_path):
    image = read(dataset(np.zeros((2, 4), np.uint8), modality="DX", **attributes), tmp_path)
    np.testing.assert_allclose(image.spacing_mm, spacing, rtol=1e-5)
    assert image.meta["spacing_measured"] == measured and not image.has_known_geometry


def test_a_single_plane_keeps_its_place(tmp_path):
    made = dataset(
        np.arange(6, dtype=np.uint16).reshape(2, 3),
        modality="CT",
        ImagePositionPatient=[10, 20, 30],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[0.5, 0.7],
        SliceThickness=3,
    )
    image = read(made, tmp_path)
    assert image.array.shape == (1, 3, 2) and image.space_dims == 2
    np.testing.assert_allclose(image.affine_mm[:3], [[-0.7, 0, 0, -10], [0, -0.5, 0, -20], [0, 0, 3, 30]])


def test_frames_are_time_where_the_file_says_so_and_refused_where_not(tmp_path):
    words = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
    film = read(dataset(words, FrameTime=33.3), tmp_path)
    assert film.has_time and film.array.shape == (1, 3, 4, 2)
    np.testing.assert_array_equal(film.array[0, 1].T, words[1])
    assert read(dataset(words, kind="1.2.840.10008.5.1.4.1.1.3.1", modality="US"), tmp_path).has_time
    with pytest.raises(PrepareError, match="3 planes without a position"):
        read(dataset(words), tmp_path)


def enhanced(words, positions, *, shared_orientation=True) -> Dataset:
    made = dataset(words, modality="CT", kind="1.2.840.10008.5.1.4.1.1.2.1")
    orientation, measures = Dataset(), Dataset()
    orientation.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.5], 10
    shared, frames = Dataset(), []
    shared.PixelMeasuresSequence = [measures]
    if shared_orientation:
        shared.PlaneOrientationSequence = [orientation]
    for number, z in enumerate(positions):
        frame, position, scale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, z]
        scale.RescaleSlope, scale.RescaleIntercept = number + 1, -1024
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [scale]
        if not shared_orientation:
            frame.PlaneOrientationSequence = [orientation]
        frames.append(frame)
    made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence = [shared], frames
    return made


@pytest.mark.parametrize("shared_orientation", [True, False])
def test_enhanced_frames_are_sorted_along_the_normal_and_scaled_one_by_one(shared_orientation, tmp_path):
    words = np.stack([np.full((2, 2), value, np.uint16) for value in (1, 2, 3)])
    image = read(enhanced(words, [-139, -159, -149], shared_orientation=shared_orientation), tmp_path)
    assert image.array[0, 0, 0].tolist() == [1 - 1024, 3 * 3 - 1024, 2 * 2 - 1024]  # the normal is (0, 0, -1)
    np.testing.assert_allclose(image.affine_mm @ [0, 0, 2, 1], [0, 0, -159, 1])
    assert image.spacing_mm == pytest.approx((0.5, 0.5, 10))


def test_enhanced_frames_of_the_zoo(shared_data):
    files = shared_data("dicom_zoo") / "files"
    image = read_image(files, next(files.glob("026_*")).name)
    assert image.shape == (23, 38, 3)
    assert image.spacing_mm == pytest.approx((0.7, 0.7, 2.5), abs=1e-6)
    for number in ("170", "173", "175"):
        with pytest.raises(PrepareError, match="without a position"):
            read_image(files, next(files.glob(f"{number}_*")).name)


def test_folders_with_more_than_one_series(shared_data, tmp_path):
    files = shared_data("dicom_zoo") / "files"
    for number in ("052", "053"):
        shutil.copy(next(files.glob(f"{number}_*")), tmp_path)
    (tmp_path / "notes.txt").write_text("a remark")
    image = read_image(tmp_path, ".")
    assert image.meta["left_out"] == ["1 other file"]
    shutil.copy(next(files.glob("219_*")), tmp_path)
    with pytest.raises(PrepareError, match="2 series"):
        read_image(tmp_path, ".")


def test_a_file_that_might_have_been_a_slice_is_not_passed_over(shared_data, tmp_path):
    files = shared_data("dicom_zoo") / "files"
    for number in ("052", "053"):
        shutil.copy(next(files.glob(f"{number}_*")), tmp_path)
    (tmp_path / "IM0003").write_bytes(b"not quite DICOM")
    with pytest.raises(PrepareError, match="Part 10"):
        read_image(tmp_path, ".")


def test_deep_sequences_are_refused_and_not_a_recursion_error(tmp_path):
    made = dataset(np.zeros((2, 2), np.uint8))
    made.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    whole = (tmp_path / "a.dcm").read_bytes()
    level = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    close = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    start = whole.index(b"\xe0\x7f\x10\x00")
    (tmp_path / "deep.dcm").write_bytes(whole[:start] + level * 2000 + close * 2000 + whole[start:])
    with pytest.raises(PrepareError):
        read_image(tmp_path, "deep.dcm")


def test_the_whole_zoo_is_read_or_refused_and_tells_nothing(shared_data, caplog):
    """Every file: an image, or a refusal that shows no file name and no value; and no warning or log that would."""
    folder = shared_data("dicom_zoo")
    read, refused = 0, {}
    for row in csv.DictReader((folder / "index.csv").open(encoding="utf-8")):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                image = read_image(folder, row["file"])
            except PrepareError as error:
                refused[row["file"][6:9]] = error
                assert Path(row["file"]).name not in str(error)
                assert error.problem.expected and error.problem.where
                continue
        read += 1
        assert image.array.dtype.isnative and np.isfinite(image.affine_mm).all()
        assert image.array.size == image.channels * np.prod(image.array.shape[1:])
    assert read + len(refused) == 217
    assert not caplog.records
    assert read >= 120
    codes = {number: error.problem.code for number, error in refused.items()}
    assert {codes[number] for number in ("102", "214")} == {"dicom_damaged"}
    assert {codes[number] for number in ("048", "125", "213")} == {"transfer_syntax"}
    assert (codes["118"], codes["079"], codes["227"]) == ("attribute_absent", "no_pixels", "truncated")
    for number in ("002", "014", "104", "203", "279"):  # not images
        assert refused[number].problem.code == "no_image"
    for number in ("077", "142", "143", "209", "210", "287"):  # without a preamble
        assert refused[number].problem.code == "not_dicom"


@pytest.mark.parametrize("name", ["BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames", "Rows"])
def test_attributes_of_the_wrong_multiplicity_are_refused(name, tmp_path):
    made = dataset(np.zeros((4, 4), np.uint16), stored_bits=12)
    setattr(made, name, [1, 2])
    with pytest.raises(PrepareError):
        read(made, tmp_path)


@pytest.mark.slow
def test_changed_files_of_the_zoo_are_read_or_refused(shared_data, tmp_path):
    """Mutations of small files: bits, bytes, insertions, deletions, cuts; nothing but a refusal comes out."""
    rng = np.random.default_rng(20240501)
    seeds = [path for path in sorted((shared_data("dicom_zoo") / "files").iterdir()) if path.stat().st_size < 20_000]
    outcomes = []
    for _ in range(300):
        content = bytearray(seeds[rng.integers(len(seeds))].read_bytes())
        for _ in range(rng.integers(1, 6)):
            place = int(rng.integers(len(content)))
            kind = rng.integers(4)
            if kind == 0:
                content[place] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                content[place % 800 % len(content)] = int(rng.integers(256))
            elif kind == 2:
                content[place:place] = rng.integers(0, 256, 4, dtype=np.uint8).tobytes()
            else:
                del content[place : place + int(rng.integers(1, 8))]
        (tmp_path / "a.dcm").write_bytes(content)
        try:
            read_image(tmp_path, "a.dcm")
            outcomes.append("read")
        except PrepareError as error:
            outcomes.append(error.problem.code)
    assert {"read", "dicom_damaged", "no_image"} <= set(outcomes)


def test_a_file_that_kills_its_decoder_is_refused_and_the_next_is_read(shared_data, tmp_path, monkeypatch):
    """The child is killed while it decodes; this process lives, and gets a new child."""
    from preceptor.intake import decoding

    files = shared_data("dicom_zoo") / "files"
    lossless = next(files.glob("144_*")).name
    first = read_image(files, lossless)
    child = decoding._CHILD._process
    assert child is not None and child.poll() is None
    child.kill()
    child.wait()
    np.testing.assert_array_equal(read_image(files, lossless).array, first.array)
    assert decoding._CHILD._process is not child

    monkeypatch.setattr(decoding._CHILD, "_seconds", 0.2)
    os.kill(decoding._CHILD._process.pid, signal.SIGSTOP)  # it hangs
    with pytest.raises(PrepareError):
        read_image(files, lossless)
    monkeypatch.undo()
    np.testing.assert_array_equal(read_image(files, lossless).array, first.array)


def test_a_decoder_that_panics_is_a_refusal(shared_data, monkeypatch):
    """Decoders written in Rust raise a `BaseException` when they panic: seen of a damaged run-length stream."""

    class PanicException(BaseException):
        pass

    def panic(*args, **options):
        raise PanicException

    monkeypatch.setattr("pydicom.pixels.pixel_array", panic)
    files = shared_data("dicom_zoo") / "files"
    with pytest.raises(PrepareError, match="damaged"):
        read_image(files, next(files.glob("220_*")).name)


def test_pixels_agree_with_pydicom_where_nothing_is_to_be_done(shared_data):
    folder = shared_data("dicom_zoo") / "files"
    compared = 0
    for path in sorted(folder.glob("*.dcm")):
        try:
            header = pydicom.dcmread(path)
            if (
                header.PhotometricInterpretation != "MONOCHROME2"
                or "NumberOfFrames" in header
                or "RescaleSlope" in header
            ):
                continue
            image, expected = read_image(folder, path.name), header.pixel_array
        except Exception:  # noqa: S112  what can't be read is the business of the test above
            continue
        np.testing.assert_array_equal(image.array[0].T, expected)
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_the_files_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    spacing, step = rng.uniform(0.3, 3, 2), rng.uniform(0.5, 5)
    normal = np.cross(turn[0], turn[1])
    planes = [
        Placement(rng.normal(size=3) * 0 + 7 + k * step * normal, np.concatenate([turn[0], turn[1]]), tuple(spacing))
        for k in range(12)
    ]
    shuffled = rng.permutation(12)
    made = stack([planes[i] for i in shuffled])
    assert [int(shuffled[i]) for i in made.order[0]] == list(range(12))
    expected = np.diag([-1, -1, 1, 1]) @ np.block(
        [
            [
                (turn[0] * spacing[1])[:, None],
                (turn[1] * spacing[0])[:, None],
                (step * normal)[:, None],
                np.full((3, 1), 7),
            ],
            [np.array([[0, 0, 0, 1]])],
        ]
    )
    np.testing.assert_allclose(made.affine_mm, expected, atol=1e-9)
    np.testing.assert_allclose(stack(planes).affine_mm, made.affine_mm, atol=1e-12)


@pytest.mark.parametrize("wrong", [[1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0.1, 1, 0]])
def test_orientations_that_are_none_are_refused(wrong):
    with pytest.raises(PrepareError, match="perpendicular"):
        stack([Placement(np.zeros(3), np.array(wrong, float), (1.0, 1.0))])
