"""A folder goes in, a folder without its patients comes out: complete, restartable, the same for any number of processes."""

from __future__ import annotations

import csv
import io
import json
import os

import nibabel
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from preceptor.core.errors import CohortError, PreceptorError, RecipeError
from preceptor.intake.deidentify.folder import deidentify_folder
from preceptor.intake.deidentify.leak_audit import audit_folder
from preceptor.intake.deidentify.profile import Settings
from preceptor.intake.deidentify.pseudonyms import Key
from preceptor.intake.deidentify.relinking import write_relinking_table

from .planted import KNOWN, image, write_folder


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sent")
    write_folder(folder / "in")
    (folder / "key.txt").write_bytes(b"a key of sufficient length\n")
    return folder


def _run(sent, out, *, retain=("modified-dates", "descriptors"), workers=1, **more):
    outcomes = []
    report = deidentify_folder(
        sent / "in", out, Settings(retain=retain), sent / "key.txt", workers=workers, tell=outcomes.append, **more
    )
    return report, outcomes


def test_nothing_known_is_left_in_files_names_manifest_or_messages(sent, tmp_path):
    report, outcomes = _run(sent, tmp_path / "out")
    assert report.states == {"cleaned": 7, "refused": 2}
    assert {each.code for each in report.refused} == {"dicom_damaged", "kind_unknown"}
    said = "\n".join(each.line() for each in outcomes) + json.dumps(report.to_json())
    (tmp_path / "said.txt").write_text(said)
    assert audit_folder(sent / "in", KNOWN).leaks  # the search finds them where they are
    for place in (tmp_path / "out", tmp_path / "said.txt"):
        found = audit_folder(place, KNOWN)
        assert found.passed, [(hit.name, hit.how) for _, _, hit in found.leaks]
    kept = [path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(kept) == 8 and "manifest.jsonl" in kept


def test_what_an_image_needs_survives(sent, tmp_path):
    _run(sent, tmp_path / "out")
    key = Key.read(sent / "key.txt")
    images = sorted((dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")), key=lambda each: each.InstanceNumber)
    assert [each.InstanceNumber for each in images] == [1, 2, 3, 4, 5]
    assert {each.SeriesInstanceUID for each in images} == {key.uid("1.2.3.9.1")}
    assert {each.PatientID for each in images} == {str(images[0].PatientName)} == {key.pseudonym(KNOWN["identifier"])}
    first, second = images[:2]
    assert np.array_equal(first.pixel_array, np.arange(16).reshape(4, 4)) and np.array_equal(
        first.pixel_array, second.pixel_array
    )
    assert first.StudyDescription == "MR brain" and first.SeriesDescription == "t1 mprage sag"
    assert first.RepetitionTime == 2300 and list(first.ImageType) == ["ORIGINAL", "PRIMARY", "M", "ND"]
    assert first.Manufacturer == "SIEMENS" and not any(element.tag.is_private for element in first)
    assert second.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    made = next((tmp_path / "out").rglob("*.nii.gz"))
    volume = nibabel.load(made)
    assert np.array_equal(np.asanyarray(volume.dataobj).ravel(), np.arange(24)) and volume.affine[2, 2] == 3
    assert not volume.header.extensions
    beside = json.loads(made.with_name(made.name.removesuffix(".nii.gz") + ".json").read_text())
    assert beside == {
        "RepetitionTime": 2.3,
        "EchoTime": 0.00298,
        "FlipAngle": 9,
        "Manufacturer": "Siemens",
        "SliceTiming": [0.0, 0.1],
        "SeriesDescription": "t1 mprage",
    }


def test_any_number_of_processes_writes_the_same_bytes(sent, tmp_path):
    _run(sent, tmp_path / "one", workers=1)
    _run(sent, tmp_path / "two", workers=2)
    assert _tree(tmp_path / "one") == _tree(tmp_path / "two")


def _tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stopped_batch_goes_on_and_another_profile_is_refused(sent, tmp_path):
    out = tmp_path / "out"
    _run(sent, out)
    whole = _tree(out)
    text = (out / "manifest.jsonl").read_text()
    lines = text.splitlines(keepends=True)
    (out / "manifest.jsonl").write_text("".join(lines[:4]) + lines[4][:30])  # stopped in the middle of a line
    report, _ = _run(sent, out)
    assert report.states["done before"] + report.states["cleaned"] == 7 and report.states["done before"] >= 1
    now = _tree(out)
    assert {path: now[path] for path in whole if path.suffix != ".jsonl"} == {
        path: whole[path] for path in whole if path.suffix != ".jsonl"
    }
    report, _ = _run(sent, out)
    assert report.states["done before"] == 7
    with pytest.raises(CohortError) as other:
        _run(sent, out, retain=())
    assert other.value.problem.code == "batch_other"
    _run(sent, out, retain=(), fresh=True)


def test_places_that_would_leak_are_refused(sent, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "key.txt").write_bytes(b"a key of sufficient length")
    for source, into, key, error in (
        (sent / "in", out, out / "key.txt", RecipeError),
        (sent / "in", sent / "in/cleaned", sent / "key.txt", RecipeError),
        (sent / "in", out, sent / "key.txt", CohortError),  # holds something already
        (sent / "in", tmp_path / "x", sent / "no key", RecipeError),
        (sent / "nothing", tmp_path / "x", sent / "key.txt", CohortError),
    ):
        with pytest.raises(error):
            deidentify_folder(source, into, Settings(), key)
    with pytest.raises(RecipeError):
        Key(b"short")
    with pytest.raises(RecipeError):
        write_relinking_table(sent / "in", sent / "key.txt", out / "who.csv", out=out)


def test_the_key_and_the_originals_tell_who_is_who(sent, tmp_path):
    _run(sent, tmp_path / "out")
    assert write_relinking_table(sent / "in", sent / "key.txt", tmp_path / "who.csv", out=tmp_path / "out") == 1
    (row,) = csv.DictReader((tmp_path / "who.csv").open())
    cleaned = dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert row["patient_id"] == KNOWN["identifier"] and row["pseudonym"] == cleaned.PatientID
    assert row["new_study_uid"] == cleaned.StudyInstanceUID
    assert os.stat(tmp_path / "who.csv").st_mode & 0o077 == 0


def test_repeated_files_and_repeated_uids(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "key").write_bytes(b"a key of sufficient length")
    (tmp_path / "in/a.dcm").write_bytes(image(1))
    (tmp_path / "in/b.dcm").write_bytes(image(1))
    (tmp_path / "in/c.dcm").write_bytes(image(1, day="20210311"))
    (tmp_path / "in/d.dcm").write_bytes(image(1).replace(b"t1 mprage sag", b"t2 mprage sag"))
    (tmp_path / "in/e.dcm").symlink_to(tmp_path / "in/a.dcm")
    outcomes = []
    settings = Settings(retain=("descriptors",))
    deidentify_folder(tmp_path / "in", tmp_path / "out", settings, tmp_path / "key", workers=1, tell=outcomes.append)
    assert [(each.state, each.code) for each in outcomes] == [
        *(("cleaned", ""), ("repeated", ""), ("repeated", ""), ("refused", "uid_repeated"), ("refused", "link"))
    ]


def test_options_keep_what_they_name_and_no_more():
    from preceptor.intake.deidentify.dicom import clean_dicom

    key = Key(b"a key of sufficient length")

    def cleaned(*retain, **more):
        return dcmread(io.BytesIO(clean_dicom(image(1), Settings(retain=retain, **more), key).content))

    basic = cleaned()
    assert "PatientAge" not in basic and "StudyDescription" not in basic and not basic.StudyDate
    assert cleaned("patient-characteristics").PatientAge == "070Y"
    assert cleaned("full-dates").StudyDate == "20210310" and not cleaned("full-dates").PatientBirthDate
    assert cleaned("uids").StudyInstanceUID == KNOWN["study"]
    least = cleaned(profile="safe-list")
    assert "RepetitionTime" in least and not least.Manufacturer and least.PixelData == basic.PixelData
    tiny = cleaned(profile="safe-list", keep=("Rows", "Columns", "SOPClassUID", "SOPInstanceUID"))
    assert "RepetitionTime" not in tiny and tiny.Rows == 4
    for wrong in (
        {"retain": ("everything",)},
        {"profile": "safe-list", "keep": ("Rowz",)},
        {"retain": ("full-dates", "modified-dates")},
    ):
        with pytest.raises(RecipeError):
            Settings(**wrong)


def test_damaged_bytes_end_in_one_error_without_a_value():
    from preceptor.intake.deidentify.dicom import clean_dicom

    key, rng, whole = Key(b"a key of sufficient length"), np.random.default_rng(7), image(1)
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        for at in rng.integers(132, len(data), rng.integers(1, 8)):
            data[at] = rng.integers(256)
        cut = bytes(data[: rng.integers(140, len(data))]) if rng.random() < 0.3 else bytes(data)
        try:
            clean_dicom(cut, Settings(retain=("descriptors", "modified-dates")), key)
        except PreceptorError as error:
            refused += 1
            assert not any(value.lower() in str(error).lower() for value in KNOWN.values())
    assert 40 < refused < 400


def test_a_deflated_file_is_refused_before_it_fills_the_memory():
    from preceptor.intake.deidentify.dicom import clean_dicom

    dataset = dcmread(io.BytesIO(image(1)))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    key, codes = Key(b"a key of sufficient length"), []
    for pixels in (32, 64 * 2**20):
        dataset.PixelData = bytes(pixels)
        out = io.BytesIO()
        dataset.save_as(out, enforce_file_format=True)
        try:
            assert dcmread(io.BytesIO(clean_dicom(out.getvalue(), Settings(), key).content)).PixelData == bytes(32)
            codes.append("cleaned")
        except PreceptorError as error:
            codes.append(error.problem.code)
    assert codes == ["cleaned", "decompression_bomb"]


@pytest.mark.slow
def test_pixels_are_searched_where_that_is_asked_for(tmp_path):
    pytest.importorskip("rapidocr")
    (tmp_path / "in").mkdir()
    (tmp_path / "key").write_bytes(b"a key of sufficient length")
    dataset = dcmread(io.BytesIO(image(1)))
    dataset.Rows = dataset.Columns = 128
    dataset.PixelData = np.zeros((128, 128), np.uint16).tobytes()
    dataset.save_as(tmp_path / "in/a.dcm", enforce_file_format=True)
    report = deidentify_folder(
        tmp_path / "in", tmp_path / "out", Settings(retain=("pixel-data",)), tmp_path / "key", workers=1
    )
    made = dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert report.states == {"cleaned": 1}
    assert made.BurnedInAnnotation == "NO"
    assert [item.CodeValue for item in made.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    assert made.PixelData == dataset.PixelData
    assert '"pixels"' in (tmp_path / "out/manifest.jsonl").read_text()
