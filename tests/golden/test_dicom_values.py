"""Known answers of DICOM files: values and colours, enhanced frames, times, the whole zoo, and files made to harm."""

from __future__ import annotations

import csv
import json
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.phantom_planes import write_enhanced, write_planes
from preceptor.maths.frame_times import mean_rate_hz
from preceptor.maths.lookup_table import looked_up, table_entries

from .dicom_fuzz import fuzz

IDENTITY = np.eye(4)
ROOT = Path(__file__).parents[2]


def values(tmp_path, stored, **attributes):
    """Values read from one plane of stored words ``(word,)``."""
    words = np.asarray(stored)[:, None, None]
    write_planes(tmp_path / "one", words, IDENTITY, attributes=attributes)
    return read_image(tmp_path, "one/0000")


# ----------------------------------------------------------------------------------------------------- I1.4: values


@pytest.mark.answer("I1.4")
@pytest.mark.parametrize(("signed", "expected"), [(0, [291, 4095, 2048, 2047]), (1, [291, -1, -2048, 2047])])
def test_twelve_bits_in_sixteen(signed, expected, tmp_path):
    stored = np.array([0xF123, 0x0FFF, 0x0800, 0x07FF], np.uint16)
    image = values(tmp_path, stored, BitsStored=12, HighBit=11, PixelRepresentation=signed)
    assert image.array.ravel().tolist() == expected


@pytest.mark.answer("I1.4")
def test_the_scale_comes_after_the_mask(tmp_path):
    image = values(tmp_path, np.array([0, 1, 2, 3], np.uint16), RescaleSlope="2.5", RescaleIntercept="-10")
    assert image.array.ravel().tolist() == [-10, -7.5, -5, -2.5]


@pytest.mark.answer("I1.4")
def test_a_table_goes_on_beyond_its_ends(tmp_path):
    from pydicom.dataset import Dataset

    entries, first, bits = table_entries([4, 10, 16], is_signed=False)
    table = np.array([0, 100, 1000, 65535])
    inputs = [0, 10, 11, 12, 13, 14, 500]
    expected = [0, 0, 100, 1000, 65535, 65535, 65535]
    assert (entries, bits) == (4, 16)
    assert looked_up(np.array(inputs), first, table).tolist() == expected
    assert table_entries([0, 0, 16], is_signed=False) == (65536, 0, 16)
    assert table_entries([256, 65436, 16], is_signed=True) == (256, -100, 16)
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4, 10, 16])
    item.add_new("LUTData", "US", table.tolist())
    item.ModalityLUTType = "US"
    image = values(tmp_path, np.array(inputs, np.uint16), ModalityLUTSequence=[item])
    assert image.array.ravel().tolist() == expected
    shown = values(tmp_path, np.array(inputs, np.uint16), VOILUTSequence=[item])
    assert shown.array.ravel().tolist() == inputs  # showing changes no value
    own = shown.meta["window"]
    assert own == {"function": "table", "first": 10, "entries": table.tolist(), "bits": 16, "named": 1}
    from preceptor.core.cohort import Sample
    from preceptor.core.slots import build

    made = build("transforms", {"window": {"preset": "dicom"}}).draw(None, Sample("a", {"view": shown}))
    np.testing.assert_allclose(made.images["view"].array.ravel(), np.array(expected) / 65535, atol=1e-6)


@pytest.mark.answer("I1.4")
def test_a_table_of_an_inverted_radiograph_is_mirrored_with_its_values(tmp_path):
    from pydicom.dataset import Dataset

    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4, 10, 16])
    item.add_new("LUTData", "US", [0, 100, 1000, 65535])
    inputs = np.array([0, 10, 11, 12, 13, 14, 200], np.uint16)
    image = values(
        tmp_path,
        inputs,
        VOILUTSequence=[item],
        PhotometricInterpretation="MONOCHROME1",
        Modality="CR",
        BitsStored=8,
        HighBit=7,
    )
    assert image.array.ravel().tolist() == (255 - inputs).tolist()
    own = image.meta["window"]
    shown = looked_up(image.array.ravel(), own["first"], np.array(own["entries"]))
    assert shown.tolist() == [65535 - each for each in (0, 0, 100, 1000, 65535, 65535, 65535)]


@pytest.mark.answer("I1.4")
def test_colours_of_a_palette_and_of_luminance_and_chrominance(tmp_path):
    palette = {"PhotometricInterpretation": "PALETTE COLOR", "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    for name, entries in (("Red", [0, 255, 10, 20]), ("Green", [5, 6, 7, 8]), ("Blue", [9] * 4)):
        palette[f"{name}PaletteColorLookupTableDescriptor"] = [4, 1, 8]
        palette[f"{name}PaletteColorLookupTableData"] = bytes(entries)
    image = values(tmp_path, np.arange(6, dtype=np.uint16), PixelData=bytes([0, 1, 2, 3, 200, 0]), **palette)
    expected = [(0, 5, 9), (0, 5, 9), (255, 6, 9), (10, 7, 9), (20, 8, 9), (0, 5, 9)]
    assert [tuple(map(int, image.array[:, x, 0])) for x in range(6)] == expected

    ybr = np.array([(81, 90, 240), (145, 54, 34), (76, 85, 255)], np.uint8)
    exact = np.array([(238.02, 14.09, 13.66), (13.21, 237.60, 13.87), (254.05, 0.10, 0)])
    for planar in (0, 1):
        pixels = (ybr if planar == 0 else ybr.T).tobytes() + b"\0"
        image = values(
            tmp_path,
            np.arange(3, dtype=np.uint16),
            **{**palette, "PhotometricInterpretation": "YBR_FULL", "SamplesPerPixel": 3, "PlanarConfiguration": planar},
            PixelData=pixels,
        )
        np.testing.assert_allclose(image.array[:, :, 0].T, exact, atol=1)


@pytest.mark.answer("I1.4")
def test_spacing_at_the_detector_never_passes_for_the_patients(shared_data):
    folder = shared_data("dicom_zoo") / "files"
    plain = read_image(folder, next(folder.glob("257_*")).name)
    assert plain.meta["spacing_measured"] == "detector, uncalibrated" and not plain.has_known_geometry
    np.testing.assert_allclose(plain.spacing_mm, 0.1)
    breast = read_image(folder, next(folder.glob("297_*")).name)
    np.testing.assert_allclose(breast.spacing_mm, 0.0814692, atol=1e-6)
    assert breast.meta["spacing_measured"] == "detector over magnification"


# --------------------------------------------------------------------------------------- I1.5, I1.6: frames and times


@pytest.mark.answer("I1.5")
def test_frames_stored_against_the_normal(shared_data):
    """The pixels are 12-bit JPEG, for which the decoder is an extra; where the frames lie is told without them."""
    import pydicom

    from preceptor.intake.dicom.parts import parts
    from preceptor.intake.dicom.planes import planes

    folder = shared_data("dicom_zoo") / "files"
    path = next(folder.glob("037_*"))
    header = pydicom.dcmread(path, stop_before_pixels=True)
    found = planes(header, 0, path)
    (part,) = parts([header], [path], "037")
    assert part.stack is not None and part.stack.order.tolist() == [[1, 0]]
    assert [plane.placement.position_mm[2] for plane in found] == [-159, -149]
    assert [(plane.slope, plane.intercept) for plane in found] == [(1, -1024)] * 2
    np.testing.assert_allclose(part.stack.affine_mm[:3, 2], [0, 0, -10])
    image = read_image(folder, next(folder.glob("026_*")).name)
    np.testing.assert_allclose(image.spacing_mm, (0.7, 0.7, 2.5), atol=1e-6)
    np.testing.assert_allclose(sorted(image.affine_mm[2, 3] + 2.5 * np.arange(3)), [-177.75, -175.25, -172.75])


@pytest.mark.answer("I1.5")
def test_frames_without_groups_have_no_geometry(shared_data):
    folder = shared_data("dicom_zoo") / "files"
    for number in ("170", "173", "175"):
        with pytest.raises(PrepareError) as refused:
            read_image(folder, next(folder.glob(f"{number}_*")).name)
        assert refused.value.problem.code == "no_geometry"
    kinds = Counter()
    for path in folder.glob("*"):
        try:
            read_image(folder, path.name)
        except PrepareError as error:
            kinds[error.problem.what] += "segmentation" in error.problem.what
    assert kinds["the file holds a segmentation, not an image"] == 14 + 2  # and two label maps


@pytest.mark.answer("I1.5")
def test_each_frame_has_a_scale_of_its_own(tmp_path):
    stored = np.random.default_rng(3).integers(0, 4000, (5, 4, 4)).astype(np.uint16)
    affine = np.diag([-0.5, -0.5, 3, 1.0])
    scales = [(1 + k / 2, -1000.0 * k) for k in range(4)]
    write_enhanced(tmp_path / "a", stored, affine, order=[2, 0, 3, 1], scales=scales)
    image = read_image(tmp_path, "a")
    np.testing.assert_allclose(image.affine_mm, affine, atol=1e-9)
    for k, (slope, intercept) in enumerate(scales):
        np.testing.assert_allclose(image.array[0, :, :, k], stored[:, :, k] * slope + intercept)


@pytest.mark.answer("I1.6")
def test_files_that_tell_the_time_of_frames(shared_data):
    import pydicom

    folder = shared_data("dicom_zoo") / "files"
    names = ("FrameTime", "FrameTimeVector", "CineRate")
    timed = []
    for path in sorted(folder.glob("*")):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except (pydicom.errors.InvalidDicomError, ValueError, NotImplementedError):
            continue
        if any(name in header for name in names):
            timed.append(path.name[:3])
    assert timed == ["094", "271"]
    film = read_image(folder, next(folder.glob("271_*")).name)
    times_s = np.array(film.meta["frame_times_s"])
    assert len(times_s) == 30 and mean_rate_hz(times_s) == pytest.approx(30.0003, abs=1e-4)
    still = read_image(folder, next(folder.glob("094_*")).name)
    assert "frame_times_s" not in still.meta


# ---------------------------------------------------------------------------------------------------- I1.7: the zoo

NO_PREAMBLE = {"077", "142", "143", "209", "210", "287"}
NAMED = {
    "103": "not_nifti",  # gzip
    "048": "transfer_syntax",
    **dict.fromkeys(("037", "125", "213"), "transfer_syntax"),  # 12-bit JPEG: the extra [jpeg-gpl] reads 037
    **dict.fromkeys(("102", "214", "090"), "dicom_damaged"),
    **dict.fromkeys(("118", "274", "275"), "attribute_absent"),
    "079": "no_pixels",
    **dict.fromkeys(("082", "227"), "truncated"),
    **dict.fromkeys(NO_PREAMBLE, "not_dicom"),
}
READ_ALL = """
import sys
from pathlib import Path
from preceptor.core.errors import PreceptorError
from preceptor.intake.read import read_image
folder = Path(sys.argv[1])
for path in sorted(folder.iterdir()):
    try:
        read_image(folder, path.name)
    except PreceptorError:
        continue
# Not `ru_maxrss`: that remembers how large the process was that started this one.
highest = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(highest.split()[1]) // 1024)
"""


@pytest.mark.answer("I1.7")
def test_every_file_of_the_zoo_by_its_class(shared_data):
    folder = shared_data("dicom_zoo")
    assert len(list(csv.DictReader((folder / "index.csv").open(encoding="utf-8")))) == 217
    codes, seconds = {}, []
    for path in sorted((folder / "files").iterdir()):
        started = time.perf_counter()
        try:
            read_image(folder / "files", path.name)
            code = "read"
        except PrepareError as error:
            code = error.problem.code
        codes[path.name[:3]] = code
        seconds.append(time.perf_counter() - started)
    assert len(codes) == 217
    assert {number: codes[number] for number in NAMED} == NAMED
    unnamed = Counter(code for number, code in codes.items() if number not in NAMED)
    assert unnamed == {"read": 122, "no_image": 64, "no_geometry": 8, "no_pixels": 3}
    assert sorted(seconds)[-3] < 1  # one loads libraries, and one starts the decoding process


@pytest.mark.answer("I1.7")
def test_the_zoo_is_read_in_bounded_memory(shared_data):
    command = [sys.executable, "-c", READ_ALL, str(shared_data("dicom_zoo") / "files")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 600  # MiB


@pytest.mark.answer("I1.7")
def test_files_without_pixels_are_no_error_of_their_study(shared_data):
    from preceptor.intake.dicom.scanning import scan

    found = scan(shared_data("dicom_zoo") / "files")
    left_out = [row for row in found.rows if row.verdict == "left out"]
    assert {row.code for row in left_out} == {"no_image"}
    refused = {row.code for row in found.rows if row.verdict == "refused"}
    assert "no_image" not in refused and "not_dicom" in refused


# ---------------------------------------------------------------------------------------- I1.8: files made to harm


def one_plane(tmp_path):
    (path,) = write_planes(tmp_path / "one", np.zeros((4, 4, 1), np.uint16), IDENTITY)
    return path


@pytest.mark.answer("I1.8")
@pytest.mark.parametrize(("levels", "is_read"), [(30, True), (33, False), (100, False), (200, False), (4000, False)])
def test_deep_sequences_are_refused_by_a_limit_of_our_own(levels, is_read, tmp_path):
    path = one_plane(tmp_path)
    whole = path.read_bytes()
    level = struct.pack("<HH2s2xIHHI", 0x0040, 0xA730, b"SQ", 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    close = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    start = whole.index(b"\xe0\x7f\x10\x00")
    path.write_bytes(whole[:start] + level * levels + close * levels + whole[start:])
    if is_read:
        assert read_image(tmp_path, "one/0000").array.sum() == 0
        return
    with pytest.raises(PrepareError) as refused:
        read_image(tmp_path, "one/0000")
    assert refused.value.problem.code == "too_deep"


@pytest.mark.answer("I1.8")
def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path):
    from preceptor.intake.dicom.scanning import scan

    path = one_plane(tmp_path)
    whole = path.read_bytes()
    start = 144 + struct.unpack("<I", whole[140:144])[0]
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (
        [deflate.compress(whole[start:])] + [deflate.compress(bytes(1 << 20)) for _ in range(200)] + [deflate.flush()]
    )
    meta = whole[:start].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    grown = len(meta) - start
    meta = meta.replace(struct.pack("<2sH", b"UI", 20), struct.pack("<2sH", b"UI", 22), 1) if grown == 2 else meta
    place = meta.index(b"1.2.840.10008.1.2.1.99")
    meta = meta[: place - 2] + struct.pack("<H", 22) + meta[place:]
    meta = meta[:140] + struct.pack("<I", struct.unpack("<I", meta[140:144])[0] + grown) + meta[144:]
    path.write_bytes(meta + b"".join(bomb))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with pytest.raises(PrepareError) as refused:
        read_image(tmp_path, "one/0000")
    assert refused.value.problem.code == "decompression_bomb"
    (row,) = scan(tmp_path).rows
    assert row.code == "decompression_bomb"
    assert time.perf_counter() - started < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


@pytest.mark.answer("I1.8")
def test_a_preamble_that_is_a_program_does_no_harm(tmp_path):
    path = one_plane(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(b"MZ" + bytes(126) + whole[128:])
    assert read_image(tmp_path, "one/0000").shape == (4, 4)


@pytest.mark.answer("I1.8")
def test_mutated_files_are_read_or_refused(shared_data, tmp_path):
    folder = shared_data("dicom_zoo") / "files"
    seeds = [path for path in sorted(folder.iterdir()) if path.stat().st_size < 40_000]
    found = fuzz(seeds, tmp_path, 150)
    assert found["read"] > 0 and found["dicom_damaged"] > 0


@pytest.mark.slow
@pytest.mark.answer("I1.8")
def test_five_thousand_mutated_files_end_no_process(shared_data, tmp_path):
    command = [sys.executable, "-m", f"{__package__}.dicom_fuzz", str(shared_data("dicom_zoo") / "files")]
    done = subprocess.run(
        [*command, str(tmp_path), "5000", "150000"], capture_output=True, text=True, timeout=900, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]  # no exception of another kind, no death
    found = json.loads(done.stdout)
    assert sum(found.values()) == 5000 and found["read"] > 500, "not everything is refused"
