"""What a person still has to look at: faces that could be rebuilt, and pixels that nobody searched, series by series."""

from __future__ import annotations

import io
import json

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence

from preceptor.cli import main
from preceptor.intake.deidentify.dicom import clean_dicom
from preceptor.intake.deidentify.faces import face_flag
from preceptor.intake.deidentify.leaks import Needles
from preceptor.intake.deidentify.nifti import clean_nifti
from preceptor.intake.deidentify.profile import Settings
from preceptor.intake.deidentify.pseudonyms import Key
from preceptor.intake.deidentify.review import series_to_review, write_series_sheet

from .planted import KNOWN, image, write_folder

KEY = Key(b"a key of sufficient length")


@pytest.mark.parametrize(
    ("modality", "words", "thickness", "begins"),
    [
        ("MR", "HEAD", 1.0, "a face may be rebuilt from it: slices of 1 mm"),
        ("CT", "Schädel nativ", 0.625, "a face may be rebuilt from it: slices of 0.625 mm"),
        ("MR", "t1 mprage sag", None, "a face may be rebuilt from it: slices of unknown"),
        ("CT", "brain", 5.0, "a face may be rebuilt from it, in steps: slices of 5 mm"),
        ("CT", "c-spine", 2.999, "a face may be rebuilt from it: slices of 3 mm"),
        ("CT", "neck", 3.0, "a face may be rebuilt from it, in steps"),
        ("CT", "", 1.0, "may show a face: it does not say"),
        ("CT", "heart surface", 1.0, ""),
        ("MR", "CHEST", 1.0, ""),
        ("US", "HEAD", 1.0, ""),
        ("XC", "", None, "a photograph"),
    ],
)
def test_who_may_be_known_by_the_face(modality, words, thickness, begins):
    flag = face_flag(modality, words, thickness)
    assert flag.startswith(begins) and bool(flag) == bool(begins)


def changed(**values):
    dataset = dcmread(io.BytesIO(image(1)))
    dataset.StudyDescription = dataset.SeriesDescription = "routine"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return clean_dicom(out.getvalue(), Settings(), KEY)


def test_a_file_says_it_of_itself_in_classic_and_enhanced_form():
    assert changed(BodyPartExamined="HEAD", SliceThickness=1.5).flags == (
        "a face may be rebuilt from it: slices of 1.5 mm",
    )
    assert changed(BodyPartExamined="KNEE", SliceThickness=1.5).flags == ()
    measures, frame, region = Dataset(), Dataset(), Dataset()
    measures.SliceThickness = 4
    frame.PixelMeasuresSequence = Sequence([measures])
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "69536005", "SCT", "Head"
    enhanced = changed(SharedFunctionalGroupsSequence=Sequence([frame]), AnatomicRegionSequence=Sequence([region]))
    assert enhanced.flags == ("a face may be rebuilt from it, in steps: slices of 4 mm",)
    assert enhanced.shows == "MR"
    region.CodeMeaning = "Knee"
    assert changed(AnatomicRegionSequence=Sequence([region])).flags == ()


def test_a_volume_in_which_a_face_would_fit():
    def cleaned(shape, spacing):
        made = nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.diag([-spacing, spacing, spacing, 1.0]))
        return clean_nifti(made.to_bytes(), "place")

    assert cleaned((90, 90, 90), 2.0).flags[0].startswith("may show a face")
    assert cleaned((35, 51, 35), 1.0).flags == () and cleaned((90, 90, 1), 2.0).flags == ()
    assert cleaned((35, 51, 35), 1.0).shows == "NIfTI"


def test_the_sheet_lists_what_nobody_looked_at_and_shows_no_one(tmp_path, capsys):
    write_folder(tmp_path / "in")
    (tmp_path / "key.txt").write_text("a key of sufficient length")
    command = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(tmp_path / "key.txt")]
    command += ["--review", str(tmp_path / "review.html"), "--workers", "1"]
    assert main(command) == 3
    said = capsys.readouterr()
    assert "7 cleaned, 2 refused; 1 pseudonyms; 5 files to look at" in said.err
    assert "in 6 images nobody searched the pixels for writing (--retain pixel-data does)" in said.err
    page = (tmp_path / "review.html").read_text()
    assert "6 image files in 2 series" in page and "not searched in 5" in page
    assert "a face may be rebuilt from it: slices of unknown thickness" in page
    assert not Needles(KNOWN).search(page.encode())
    lines = [json.loads(line) for line in (tmp_path / "out/manifest.jsonl").read_text().splitlines()[1:]]
    assert sorted(line["shows"] for line in lines if "file" in line) == ["", *["MR"] * 5, "NIfTI"]
    assert main([*command, "--json"]) == 3  # all done before: the list is still whole
    told = json.loads(capsys.readouterr().out)
    assert told["not_searched"] == 6 and {each["files"] for each in told["review"]} == {1, 5}
    assert (tmp_path / "review.html").read_text() == page


def test_searched_series_tell_what_is_doubtful(tmp_path):
    pixels = {"masked_share": 0.1, "suspicious_boxes": 0, "notes": []}
    entries = [
        {"file": "P/a/1.dcm", "shows": "US", "pixels": pixels, "flags": []},
        {"file": "P/a/2.dcm", "shows": "US", "pixels": {**pixels, "suspicious_boxes": 2}, "flags": []},
        {"file": "P/b/1.dcm", "shows": "MR", "pixels": {**pixels, "masked_share": 0.0}, "flags": []},
        {"file": "P/c/1.dcm", "shows": "", "flags": []},
        {"refused": "dicom_damaged"},
    ]
    first, second = series_to_review(entries)
    assert (first.place, first.masked, first.doubtful, first.not_searched) == ("P/a", 2, ["2.dcm"], 0)
    assert second.place == "P/b" and not second.is_open
    assert "doubtful: 2.dcm" in write_series_sheet([first, second], tmp_path / "sheet.html").read_text()
