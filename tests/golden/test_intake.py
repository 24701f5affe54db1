"""Known answers of intake: series assembly, planted faults, hostile headers, and a split that leaks."""

from __future__ import annotations

import copy
import gzip
import io
import re
import shutil
import time
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.cohort import Case, Cohort
from preceptor.core.errors import CohortError, PreceptorError, PrepareError, safe_name
from preceptor.intake.read import read_image
from preceptor.intake.split import folds, split
from preceptor.intake.write import write_image

MIB = 2**20
REPEATED_BY = ("TemporalPositionIdentifier", "EchoNumbers", "DiffusionBValue", "AcquisitionNumber")


# ---------------------------------------------------------------------------------------------- I1.1, I1.2: one series


@pytest.fixture
def series(shared_data):
    """The sixteen slices of one coronal MR series, as data sets in order of file name."""
    import pydicom

    files = sorted((shared_data("dicom_zoo") / "files").glob("0[56]*_MR[01][0-9].dcm"))
    assert len(files) == 16
    return [pydicom.dcmread(path) for path in files]


def written(datasets, folder: Path) -> Path:
    folder.mkdir()
    for number, dataset in enumerate(datasets):
        dataset.save_as(folder / f"{number:03d}.dcm")
    return folder


def copied(datasets):
    """Data sets whose headers may be altered."""
    return [copy.deepcopy(dataset) for dataset in datasets]


@pytest.mark.answer("I1.1")
def test_a_series_is_assembled_by_its_geometry(series, tmp_path):
    rng = np.random.default_rng(0)
    image = read_image(written([series[i] for i in rng.permutation(16)], tmp_path / "series"), ".")
    expected = [
        [-0.234375, 0, 0, -65.359375],
        [0, 0, -2.0000020667, 5.992188],
        [0, -0.234375, 0, 23.554688],
        [0, 0, 0, 1],
    ]
    np.testing.assert_allclose(image.affine_mm, expected, atol=1e-6)
    assert image.orientation == "LIP"
    assert np.linalg.det(image.affine_mm[:3, :3]) == pytest.approx(0.1098633948, abs=1e-9)
    array = image.array[0]
    assert (array.shape, array.dtype) == ((256, 256, 16), np.uint16)
    assert (array.min(), array.max(), array.sum(dtype=np.int64)) == (0, 2099, 508859989)
    assert (array[100, 120, 7], array[255, 255, 15]) == (531, 37)
    for voxel, place in (
        ((100, 120, 7), (-88.796875, -8.007826467, -4.570312)),
        ((255, 255, 15), (-125.125, -24.007843, -36.210937)),
    ):
        np.testing.assert_allclose(image.affine_mm @ [*voxel, 1], [*place, 1], atol=1e-6)
    grid = np.stack(np.meshgrid(*map(np.arange, array.shape), indexing="ij"), -1).reshape(-1, 3)
    centre = array.reshape(-1).astype(float) @ grid / array.sum(dtype=float)
    np.testing.assert_allclose((image.affine_mm @ [*centre, 1])[:3], (-95.0852457, -7.6140979, -3.0378995), atol=1e-6)


@pytest.mark.answer("I1.1")
def test_a_series_agrees_with_simpleitk_and_survives_nifti(series, tmp_path):
    import nibabel
    import SimpleITK

    folder = written(series, tmp_path / "series")
    image = read_image(folder, ".")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    other = reader.Execute()
    np.testing.assert_array_equal(image.array[0], SimpleITK.GetArrayFromImage(other).transpose(2, 1, 0))
    lps = np.reshape(other.GetDirection(), (3, 3)) * other.GetSpacing()
    np.testing.assert_allclose(image.affine_mm[:3, :3], np.diag([-1, -1, 1]) @ lps, atol=1e-9)
    np.testing.assert_allclose(image.affine_mm[:3, 3], np.array([-1, -1, 1]) * other.GetOrigin(), atol=1e-9)

    write_image(tmp_path / "out.nii.gz", image)
    back = read_image(tmp_path, "out.nii.gz")
    np.testing.assert_array_equal(back.array, image.array)
    np.testing.assert_allclose(back.affine_mm, image.affine_mm, atol=5e-7 * 66)  # float32 sform
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "out.nii.gz"))
    assert canonical.shape == (256, 16, 256)
    spacing = np.diag([0.234375, 2.0000020667, 0.234375])
    np.testing.assert_allclose(canonical.affine[:3, :3], spacing, atol=1e-6)
    np.testing.assert_allclose(canonical.affine[:3, 3], (-125.125, -24.007843, -36.210937), atol=1e-5)


def refused(folder: Path, *words: str) -> None:
    """The series is refused, and the message says why, which file and what to do; never the file's own name."""
    with pytest.raises(PrepareError) as caught:
        read_image(folder, ".")
    text = str(caught.value)
    for word in words:
        assert word in text, text
    assert re.search(r"file \d+ of \d+ by name", text), text
    assert caught.value.problem.remedy
    assert not any(path.name in text for path in folder.iterdir())


@pytest.mark.answer("I1.2")
def test_planted_faults_that_are_harmless(series, tmp_path):
    whole = read_image(written(series, tmp_path / "whole"), ".")

    permuted = copied(series[::-1])
    for number, dataset in enumerate(permuted):
        dataset.InstanceNumber = (number * 7) % 16 + 1
        dataset.SpacingBetweenSlices = 3.0
    image = read_image(written(permuted, tmp_path / "permuted"), ".")
    np.testing.assert_array_equal(image.affine_mm, whole.affine_mm)
    np.testing.assert_array_equal(image.array, whole.array)

    short = copied(series[:-1])
    short[0].ImagesInAcquisition = 16
    image = read_image(written(short, tmp_path / "short"), ".")
    assert image.shape == (256, 256, 15)
    assert image.spacing_mm[2] == pytest.approx(2.000002, abs=1e-6)
    assert image.meta["declared_slices"] == 16

    localizer = copy.deepcopy(series[3])
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    localizer.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    image = read_image(written([*series, localizer], tmp_path / "localizer"), ".")
    assert image.shape == (256, 256, 16)
    assert image.meta["left_out"] == ["1 localizer"]


@pytest.mark.answer("I1.2")
def test_planted_faults_that_are_refused(series, tmp_path):
    folder = written([*series[:8], *series[9:]], tmp_path / "gap")
    refused(folder, "4.00000", "after index 7")

    twice = copy.deepcopy(series[5])
    twice.SOPInstanceUID = twice.SOPInstanceUID + ".1"
    refused(written([*series, twice], tmp_path / "twice"), "2 planes lie at the same position")

    sheared = copied(series)
    for number, dataset in enumerate(sheared):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [float(x) + 0.5 * number, y, z]
    refused(written(sheared, tmp_path / "sheared"), "14.036 degrees")

    moved = copied(series)
    x, y, z = moved[6].ImagePositionPatient
    moved[6].ImagePositionPatient = [x, float(y) + 0.4, z]
    refused(written(moved, tmp_path / "moved"), "uneven")

    mixed = copied(series)
    mixed[3].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    refused(written(mixed, tmp_path / "mixed"), "orientation", "file 4 of 16")

    spaced = copied(series)
    spaced[3].PixelSpacing = [0.25, 0.25]
    refused(written(spaced, tmp_path / "spaced"), "pixel spacing", "file 4 of 16")


@pytest.mark.answer("I1.2")
@pytest.mark.parametrize(
    "keyword", ["TemporalPositionIdentifier", "EchoNumbers", "DiffusionBValue", "AcquisitionNumber"]
)
def test_planted_repeats_are_told_apart_or_refused(series, tmp_path, keyword):
    first, second = copied(series), copied(series)
    for part, value in ((first, 2), (second, 1)):
        for dataset in part:
            dataset.AcquisitionNumber = 1
            setattr(dataset, keyword, value)
            if value == 1:
                dataset.PixelData = bytes(len(dataset.PixelData))
    image = read_image(written([*first, *second], tmp_path / "repeats"), ".")
    assert image.array.shape == (1, 2, 256, 256, 16) and image.has_time
    assert image.meta["repeated_by"] == keyword
    assert image.array[0, 0].max() == 0  # the lower value comes first
    assert image.array[0, 1].sum(dtype=np.int64) == 508859989
    assert image.spacing_mm[2] == pytest.approx(2.000002, abs=1e-6)

    for dataset in (*first, *second):
        for each in REPEATED_BY:
            if each in dataset:
                del dataset[each]
        dataset.AcquisitionTime = dataset.ContentTime = "120000"
    refused(written([*first, *second], tmp_path / "same"), "same position")


@pytest.mark.answer("I1.2")
def test_planted_scales_apply_to_each_slice(series, tmp_path):
    scaled = copied(series)
    for number, dataset in enumerate(scaled):
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1 + number / 10:.1f}", 0
    image = read_image(written(scaled, tmp_path / "scaled"), ".")
    assert image.array.dtype == np.float32
    assert image.array[0, :, :, 15].max() == pytest.approx(3485, abs=1e-3)
    assert image.array[0, :, :, 1].max() == pytest.approx(2308.9, abs=1e-3)


@pytest.mark.answer("I1.2")
def test_pairs_of_the_zoo_are_no_volumes(shared_data, tmp_path):
    files = shared_data("dicom_zoo") / "files"
    for names, word in (
        (("134_", "135_"), "same position"),
        (("024_", "025_"), "5 mm apart and 2.5 mm thick"),
        (("035_", "036_"), "28 mm apart and 2 mm thick"),
    ):
        folder = tmp_path / names[0]
        folder.mkdir()
        for name in names:
            shutil.copy(next(files.glob(f"{name}*")), folder)
        with pytest.raises(PrepareError, match=word):
            read_image(folder, ".")


# ------------------------------------------------------------------------------------------------- I12.3: hostile files


def zeros_gzipped(number: int, start: bytes) -> bytes:
    """`start` and that many zeros as gzip members: the same member over and over, so that making it is quick."""
    once = gzip.compress(bytes(16 * MIB), 9)
    return gzip.compress(start) + once * (number // (16 * MIB))


def zeros_deflated(number: int, start: bytes) -> bytes:
    """`start` and that many zeros as one raw deflate stream, made of the same flushed block."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = squeeze.compress(start) + squeeze.flush(zlib.Z_FULL_FLUSH)
    once = squeeze.compress(bytes(8 * MIB)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return head + once * (number // (8 * MIB)) + squeeze.flush(zlib.Z_FINISH)


def nifti_header(shape, pixdim=(1, 1, 1), sform=None) -> bytes:
    import nibabel

    header = nibabel.Nifti1Header()
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header["datatype"], header["bitpix"] = 4, 16
    header["pixdim"][1:4] = pixdim
    header["sform_code"] = 1
    header["srow_x"], header["srow_y"], header["srow_z"] = np.diag([*(sform or pixdim), 1])[:3]
    header["magic"], header["vox_offset"] = b"n+1", 352
    return header.binaryblock + bytes(4)


def png(size: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    squeeze = zlib.compressobj(9)
    rows = [squeeze.compress(bytes((size + 1) * 500)) for _ in range(size // 500)]
    pixels = b"".join(rows) + squeeze.flush()
    head = size.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def npy_header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def npz_of_zeros() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy_header((200, MIB), "|u1") + bytes(200 * MIB))
    return stream.getvalue()


def deflated_dicom() -> bytes:
    import pydicom

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "2.25.1"
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    plain = stream.getvalue()
    body = 132 + 12 + int(pydicom.dcmread(io.BytesIO(plain)).file_meta.FileMetaInformationGroupLength)
    syntax, deflated = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    meta = plain[:body].replace(
        b"UI" + (20).to_bytes(2, "little") + syntax, b"UI" + (22).to_bytes(2, "little") + deflated
    )
    length = plain.index(b"UL\x04\x00") + 4
    meta = meta[:length] + (len(meta) - 144).to_bytes(4, "little") + meta[length + 4 :]
    pixels = b"\xe0\x7f\x10\x00OB\0\0" + (600 * MIB).to_bytes(4, "little")
    return meta + zeros_deflated(600 * MIB, plain[body:] + pixels)


def tiff_of_zeros() -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((8192, 8192), np.uint8), compression="zlib")
    return stream.getvalue()


HOSTILE = {
    "huge.npy": lambda: npy_header((10**11,)),
    "dims.nii": lambda: nifti_header((32767, 32767, 32767)),
    "negative.nii": lambda: nifti_header((-5, 10, 10)) + bytes(1000),
    "short.nii": lambda: nifti_header((10, 10, 10)) + bytes(1000),
    "nan.nii": lambda: nifti_header((4, 4, 4), (1, np.nan, 1)) + bytes(128),
    "zero.nii": lambda: nifti_header((4, 4, 4), (1, 0, 1)) + bytes(128),
    "pixdim.nii": lambda: nifti_header((4, 4, 4), (1, np.nan, 1), sform=(1, 1, 1)) + bytes(128),
    "zeros.nii.gz": lambda: zeros_gzipped(1024 * MIB, nifti_header((1024, 1024, 512))),
    "20000.png": lambda: png(20000),
    "12000.png": lambda: png(12000),
    "zeros.tif": tiff_of_zeros,
    "zeros.npz": npz_of_zeros,
    "deflated.dcm": deflated_dicom,
}


@cache
def hostile(name: str) -> bytes:
    return HOSTILE[name]()


@pytest.mark.answer("I12.3")
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_label", [False, True])
def test_hostile_files_are_refused_quickly_and_small(name, is_label, tmp_path):
    if is_label and name in ("zeros.tif", "zeros.npz"):
        pytest.skip("64 and 200 MiB are within what a nearly empty label map may unpack to")
    path = tmp_path / f"Meier^Anna {name}"
    path.write_bytes(hostile(name))
    member = "::images::0" if name.endswith(".npz") else ""
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before, began = peak_bytes(), time.process_time()
    with pytest.raises(PrepareError) as caught:
        read_image(tmp_path, path.name + member, is_label=is_label)
    assert time.process_time() - began <= 2
    assert peak_bytes() - before <= 200 * MIB
    assert safe_name(path) in str(caught.value) and "Meier" not in str(caught.value)
    assert caught.value.problem.expected


def peak_bytes() -> int:
    """Most memory this process held since the peak was forgotten."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


@pytest.mark.answer("I12.3")
def test_hostile_files_are_small_and_well_formed(tmp_path):
    """The bombs are small on disk, and begin as whole files of their kind do: they are refused for what they hold."""
    for name in ("zeros.nii.gz", "zeros.tif", "zeros.npz", "deflated.dcm", "20000.png", "12000.png"):
        assert len(hostile(name)) < 1.2 * MIB
    (tmp_path / "a.nii").write_bytes(nifti_header((4, 4, 4)) + bytes(128))
    (tmp_path / "b.nii.gz").write_bytes(zeros_gzipped(16 * MIB, nifti_header((256, 256, 128))))
    (tmp_path / "c.png").write_bytes(png(500))
    for name, shape in (("a.nii", (4, 4, 4)), ("b.nii.gz", (256, 256, 128)), ("c.png", (500, 500))):
        image = read_image(tmp_path, name)
        assert image.shape == shape and not image.array.any()


@pytest.mark.answer("I12.3")
def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path):
    content = hostile("zeros.npz")
    whole = (200 * MIB + len(npy_header((200, MIB), "|u1"))).to_bytes(4, "little")
    assert content.count(whole) == 2  # local header and directory
    (tmp_path / "lies.npz").write_bytes(content.replace(whole, (4 * MIB).to_bytes(4, "little")))
    with pytest.raises(PrepareError):
        read_image(tmp_path, "lies.npz::images::0")


@pytest.mark.answer("I12.3")
def test_a_safetensors_header_beyond_its_file_is_refused(tmp_path):
    import safetensors.torch  # noqa: F401  its seconds are not the reader's

    from preceptor.core.files import read_tensors

    (tmp_path / "a.safetensors").write_bytes((2**60).to_bytes(8, "little") + b"{}")
    (tmp_path / "a.json").write_text('{"sha256": "", "record": {}}')
    began = time.process_time()
    with pytest.raises(PreceptorError):
        read_tensors(tmp_path / "a.safetensors")
    assert time.process_time() - began <= 2


# -------------------------------------------------------------------------------------------- L14.6: a split that leaks


def slices(seed: int, named: bool) -> tuple[Cohort, dict[str, np.ndarray], dict[str, int]]:
    """60 patients with 10 slices; the label is random and the patient's, the features are the patient's likeness."""
    rng = np.random.default_rng(seed)
    cases, features, labels = [], {}, {}
    for patient in range(60):
        label, likeness = int(rng.integers(2)), rng.normal(size=50)
        for number in range(10):
            key = f"p{patient:02d}s{number}"
            cases.append(Case(key, {"image": key}, patient=f"p{patient}" if named else None, labels={"label": label}))
            features[key], labels[key] = likeness + 0.3 * rng.normal(size=50), label
    return Cohort(tuple(cases), Path()), features, labels


def nearest_neighbour_accuracy(cohort: Cohort, features, labels, seed: int) -> float:
    right = []
    for part in folds(cohort, 5, seed):
        train, test = part.with_role("train"), part.with_role("test")
        known = np.stack([features[case.key] for case in train])
        for case in test:
            nearest = train[int(np.linalg.norm(known - features[case.key], axis=1).argmin())]
            right.append(labels[nearest.key] == labels[case.key])
    assert len(right) == 600
    return float(np.mean(right))


@pytest.mark.answer("L14.6")
@pytest.mark.parametrize("seed", range(5))
def test_slices_of_one_patient_on_both_sides_look_like_skill(seed):
    assert nearest_neighbour_accuracy(*slices(seed, named=False), seed) >= 0.99
    assert abs(nearest_neighbour_accuracy(*slices(seed, named=True), seed) - 0.5) <= 0.12


@pytest.mark.answer("L14.6")
def test_a_split_by_image_that_parts_patients_is_refused():
    cohort, _, _ = slices(0, named=True)
    shares = {"by": "image", "train": 0.8, "test": 0.2}
    with pytest.raises(CohortError, match="60 patients"):
        split(cohort, shares, 0)
    with pytest.raises(CohortError):
        folds(cohort, 5, 0, by="image")
    one_each = cohort.select(lambda case: case.key.endswith("s0"))
    assert len(split(one_each, shares, 0).with_role("test")) == 12
