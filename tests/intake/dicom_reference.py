"""Writes the tables of docs/reference/dicom.md: what is supported, which test holds it, what became of the test files.

python -m tests.intake.dicom_reference FOLDER_OF_THE_DICOM_ZOO
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

from preceptor.core.errors import PrepareError
from preceptor.core.files import write_aside
from preceptor.intake.read import read_image

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "dicom.md"
MARKS = ("<!-- begin: {} -->", "<!-- end: {} -->")

_SCAN, _ENCODINGS, _DICOM = "intake/test_scan.py", "intake/test_dicom_encodings.py", "intake/test_dicom.py"
_VALUES, _SERIES, _WINDOWS = "golden/test_dicom_values.py", "golden/test_intake.py", "golden/test_windows.py"
_CONVERSION = "intake/test_conversion.py"

#: What a file or series may be, what becomes of it, and the test that holds it.
SUPPORTED = (
    ("classic series", "sorted by position along the normal", _SERIES, "test_a_series_is_assembled_by_its_geometry"),
    ("48 orientations, oblique planes", "affine as dcm2niix and SimpleITK", _CONVERSION, "test_phantoms_agree"),
    ("enhanced multi-frame", "frames sorted by position", _DICOM, "test_enhanced_frames_are_sorted_along_the_normal_and_scaled_one_by_one"),
    ("a scale for each slice or frame", "applied one by one, before stacking", _VALUES, "test_each_frame_has_a_scale_of_its_own"),
    ("tilted gantry, sheared slices", "refused: `shear`, with the angle", _SCAN, "test_what_makes_no_volume_is_refused_with_its_reason"),
    ("tilted gantry with `convert --untilt`", "slices moved onto one grid", _SCAN, "test_a_tilted_gantry_is_set_right_when_asked_for"),
    ("missing slices", "refused: `gap`, with its place", _SCAN, "test_what_makes_no_volume_is_refused_with_its_reason"),
    ("uneven slices", "refused: `uneven`", _SCAN, "test_what_makes_no_volume_is_refused_with_its_reason"),
    ("exact copies of a file", "left out, and said", _SCAN, "test_copies_are_left_out_and_other_duplicates_refused"),
    ("two planes at one place", "refused: `duplicate_position`", _SCAN, "test_copies_are_left_out_and_other_duplicates_refused"),
    ("slices thicker than their step", "taken by their positions", _SCAN, "test_overlapping_slices_are_taken_by_their_positions"),
    ("two acquisitions in one series", "split", _SCAN, "test_two_acquisitions_that_overlap_are_split"),
    ("time, echo, b-value at each position", "a fourth axis", _SCAN, "test_what_varies_at_one_position_is_a_fourth_axis"),
    ("one of several echoes not whole", "split, that one refused", _SCAN, "test_repeats_of_which_one_is_not_whole_are_split_and_that_one_refused"),
    ("magnitude and phase together", "split by ImageType", _SCAN, "test_magnitude_and_phase_are_never_one_image"),
    ("mixed orientation, spacing or size", "split", _SCAN, "test_planes_of_two_kinds_in_one_series_are_split"),
    ("every plane another way (radial)", "refused: `mixed_orientation`", _SCAN, "test_planes_that_all_look_another_way_are_refused"),
    ("localizers inside a series", "left out, and said", _SCAN, "test_localizers_inside_a_series_are_left_out_and_said_to_be"),
    ("DICOMDIR", "its references alone, never out of its folder", _SCAN, "test_scan_of_a_dicomdir_looks_at_what_it_names_alone"),
    ("zip archives", "unpacked safely; bombs and links refused", _SCAN, "test_an_archive_writes_nothing_outside_and_no_link"),
    ("signed, BitsStored below BitsAllocated", "masked, sign at BitsStored", _VALUES, "test_twelve_bits_in_sixteen"),
    ("overlays in unused bits", "masked", _ENCODINGS, "test_an_overlay_in_unused_bits_is_no_value"),
    ("HighBit that is not the last stored", "shifted", _ENCODINGS, "test_the_highest_bit_need_not_be_the_last_stored"),
    ("modality LUT, VOI LUT", "looked up; VOI for showing alone", _VALUES, "test_a_table_goes_on_beyond_its_ends"),
    ("windows: linear, exact, sigmoid, several", "the first, by its own function", _ENCODINGS, "test_many_windows_are_one_and_the_first"),
    ("MONOCHROME1, PresentationLUTShape INVERSE", "turned round once, in projections", _DICOM, "test_inverted_projections_are_turned_round_once"),
    ("palette, YBR, planar configuration", "RGB", _VALUES, "test_colours_of_a_palette_and_of_luminance_and_chrominance"),
    ("RGB by pixel and by plane", "RGB", _ENCODINGS, "test_colours_by_pixel_and_by_plane"),
    ("pixel spacing at the detector", "over the magnification, or uncalibrated", _VALUES, "test_spacing_at_the_detector_never_passes_for_the_patients"),
    ("pixel spacing that was calibrated", "the patient's", _ENCODINGS, "test_a_spacing_calibrated_against_the_detectors_is_the_patients"),
    ("films (frame time, vector)", "time as an axis, seconds kept", _VALUES, "test_files_that_tell_the_time_of_frames"),
    ("big endian, implicit, deflated", "read", _ENCODINGS, "test_byte_orders_and_deflate"),
    ("RLE, JPEG-LS, JPEG 2000 without loss", "read exactly", _ENCODINGS, "test_lossless_streams_are_read_exactly"),
    ("JPEG lossless (processes 14, 14 SV1)", "read exactly", _ENCODINGS, "test_lossless_jpeg_is_read_exactly"),
    ("JPEG baseline", "read", _ENCODINGS, "test_baseline_jpeg_is_read_within_its_loss"),
    ("12-bit JPEG (process 4)", "refused without the extra `jpeg-gpl`: `transfer_syntax`", _VALUES, "test_every_file_of_the_zoo_by_its_class"),
    ("missing tags", "refused by name: `attribute_absent`, `no_pixels`", _ENCODINGS, "test_a_missing_tag_is_named_or_refused"),
    ("damaged tags", "refused", _ENCODINGS, "test_a_damaged_tag_is_refused"),
    ("deep sequences, deflate bombs", "refused before memory is spent", _VALUES, "test_a_deflated_bomb_is_refused_before_it_is_inflated"),
    ("damaged bytes anywhere (5,000 mutations)", "read or refused, no process ends", _VALUES, "test_five_thousand_mutated_files_end_no_process"),
    ("segmentations, reports, plans, waveforms", "left out: `no_image`", _VALUES, "test_files_without_pixels_are_no_error_of_their_study"),
)  # fmt: skip


def absent_tests() -> list[str]:
    """Tests that the table names and that are not there."""
    gone = []
    for _, _, file, name in SUPPORTED:
        if not re.search(rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE):
            gone.append(f"{file}::{name}")
    return gone


def supported() -> str:
    """What is supported, as Markdown."""
    lines = ["| what | becomes | held by |", "|---|---|---|"]
    lines += [f"| {what} | {becomes} | `tests/{file}::{name}` |" for what, becomes, file, name in SUPPORTED]
    return "\n".join(lines)


def outcomes(folder: Path) -> str:
    """What became of each file of the test set, by transfer syntax, as Markdown."""
    import csv

    counts: dict[str, Counter[str]] = {}
    for row in csv.DictReader((folder / "index.csv").open(encoding="utf-8")):
        try:
            read_image(folder, row["file"])
            outcome = "read"
        except PrepareError as error:
            outcome = error.problem.code
        counts.setdefault(row["ts_name"] or "none named", Counter())[outcome] += 1
    lines = ["| transfer syntax | files | read | refused or left out, by code |", "|---|---|---|---|"]
    for name, found in sorted(counts.items()):
        rest = ", ".join(f"`{code}` {number}" for code, number in sorted(found.items()) if code != "read")
        lines.append(f"| {name} | {found.total()} | {found['read']} | {rest} |")
    return "\n".join(lines)


def between(text: str, name: str) -> str:
    """What stands between the marks of a table."""
    begin, end = (mark.format(name) for mark in MARKS)
    return text.split(begin)[1].split(end)[0].strip()


def main(folder: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, table in (("supported", supported()), ("outcomes", outcomes(folder))):
        begin, end = (mark.format(name) for mark in MARKS)
        text = f"{text.split(begin)[0]}{begin}\n{table}\n{end}{text.split(end)[1]}"
    with write_aside(PAGE) as aside:
        aside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
