"""Cohorts from zip archives: BIDS with its names and sidecars, DICOM of any mess, and what is refused."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest

from preceptor import api
from preceptor.cli import main
from preceptor.core.cohort import Cohort
from preceptor.core.errors import CohortError
from preceptor.core.slots import build
from preceptor.intake.acquisition import acquisition
from preceptor.intake.case import open_case
from preceptor.intake.synthesis.phantom_planes import write_planes
from preceptor.intake.unpacking import unpack, unpack_for_good

GREY = np.arange(6 * 6 * 4, dtype=np.uint16).reshape(6, 6, 4)


def zipped(folder: Path, archive: Path, below: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                made.write(path, f"{below}{path.relative_to(folder).as_posix()}")
    return archive


def write_bids(folder: Path) -> Path:
    """Two subjects; what all T1 images share is said once, at the top."""
    for subject, echo in (("01", 0.003), ("02", None)):
        place = folder / f"sub-{subject}" / "anat"
        place.mkdir(parents=True)
        for suffix in ("T1w", "FLAIR"):
            own = GREY.astype(np.int16) + 1000 * int(subject) + len(suffix)  # one content twice would be one file
            nibabel.Nifti1Image(own, np.eye(4)).to_filename(place / f"sub-{subject}_{suffix}.nii.gz")
        if echo:
            (place / f"sub-{subject}_T1w.json").write_text(json.dumps({"EchoTime": echo, "PatientName": "Roe"}))
    (folder / "T1w.json").write_text(json.dumps({"EchoTime": 0.1, "MagneticFieldStrength": 3, "Manufacturer": "Acme"}))
    (folder / "participants.tsv").write_text("participant_id\tsex\nsub-01\tF\nsub-02\tM\n")
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "small", "BIDSVersion": "1.10.0"}))
    return folder


def write_dicom(folder: Path) -> Path:
    for name in ("1", "2"):
        write_planes(
            folder / f"Müller {name}", GREY, np.diag([1.0, 1.0, 2.0, 1.0]), about={"patient": name, "study": name}
        )
    (folder / "notes.txt").write_text("hello")
    return folder


def facts(cohort: Cohort) -> list:
    """Everything but where the files lie."""
    return [
        (
            case.key,
            case.patient,
            sorted(case.images),
            dict(case.fields),
            open_case(cohort.root, case).images["image"].array.sum(),
        )
        if "image" in case.images
        else (case.key, case.patient, dict(case.images), dict(case.fields))
        for case in cohort
    ]


@pytest.mark.parametrize("below", ["", "export/2026/"])
@pytest.mark.parametrize("write", [write_bids, write_dicom])
def test_an_archive_makes_the_cohort_of_its_folder(tmp_path, write, below):
    folder = write(tmp_path / "plain")
    archive = zipped(folder, tmp_path / "sent.zip", below)
    plain = api.build_cohort(folder)
    found = api.build_cohort(archive, unpack_to=tmp_path / "files")
    assert len(plain) == 2 and facts(found) == facts(plain)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".unpacking")]


def test_the_verb_unpacks_beside_the_table(tmp_path, capsys):
    archive = zipped(write_dicom(tmp_path / "plain"), tmp_path / "sent.zip")
    out = tmp_path / "made" / "cohort.parquet"
    out.parent.mkdir()
    assert main(["cohort", "build", str(archive), "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"] == 2
    cohort = Cohort.read(out)
    assert all(open_case(cohort.root, case).reference.array.any() for case in cohort)
    assert cohort.root.is_relative_to(out.with_name("cohort-files"))
    out.unlink()
    assert main(["cohort", "build", str(archive), "-o", str(out)]) == 3, "the files are there already"
    assert main(["scan", str(archive), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"taken": 2}


def test_sidecars_say_how_an_image_was_taken_and_not_of_whom(tmp_path):
    cohort = api.build_cohort(
        zipped(write_bids(tmp_path / "plain"), tmp_path / "sent.zip"), unpack_to=tmp_path / "files"
    )
    first, second = (dict(case.fields) for case in cohort)
    shared = {"t1w_field_strength_t": 3, "t1w_manufacturer": "Acme"}
    assert first == {"sex": "F", "t1w_echo_time_s": 0.003} | shared, "the nearer sidecar holds; no name is kept"
    assert second == {"sex": "M", "t1w_echo_time_s": 0.1} | shared
    without = build("datasets", {"bids": {"sidecars": False}}, root=cohort.root)
    assert [dict(case.fields) for case in without.cases()] == [{"sex": "F"}, {"sex": "M"}]


def test_damaged_sidecars_are_counted(tmp_path):
    folder = write_bids(tmp_path / "plain")
    (folder / "sub-01" / "anat" / "sub-01_T1w.json").write_text("{")
    (folder / "sub-02" / "anat" / "sub-02_T1w.json").write_text(
        json.dumps({"EchoTime": [1, 2], "Manufacturer": "x" * 99})
    )
    cohort = api.build_cohort(folder)
    assert cohort.notes == ("1 times a JSON sidecar could not be read",)
    assert [case.fields["t1w_echo_time_s"] for case in cohort] == [0.1, 0.1]
    assert acquisition(folder / "sub-01" / "anat" / "sub-01_FLAIR.nii.gz", folder) == ({}, 0)


def test_sidecars_in_archives_are_cleaned_beside_their_image(tmp_path):
    archive = zipped(write_bids(tmp_path / "plain"), tmp_path / "sent.zip")
    (tmp_path / "key").write_bytes(bytes(range(32)))
    api.deidentify(archive, tmp_path / "clean", key=tmp_path / "key", workers=1)
    sidecars = [path for path in (tmp_path / "clean").rglob("*.json") if b"EchoTime" in path.read_bytes()]
    assert len(sidecars) == 2 and not any(b"Roe" in path.read_bytes() for path in sidecars)
    images = {path.name.removesuffix(".nii.gz") for path in (tmp_path / "clean").rglob("*.nii.gz")}
    assert len(images) == 4 and sum(path.stem in images for path in sidecars) == 1


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["../evil.nii"], "archive_name"),
        (["/evil.nii"], "archive_name"),
        (["a/../../evil.nii"], "archive_name"),
        (["C:\\evil.nii"], "archive_name"),
        (["e" * 300], "archive_name"),
        (["a/" * 40 + "b"], "archive_name"),
        (["a\n.nii"], "archive_name"),
        (["a. "], "archive_name"),
        (["Scan.nii", "scan.nii"], "archive_twice"),
        (["M\u00fcller", "Mu\u0308ller"], "archive_twice"),
        (["a/b", "a"], "archive_twice"),
        (["a", "a/b"], "archive_twice"),
    ],
)
def test_names_that_are_kept_lead_nowhere(tmp_path, names, code):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, b"1")
    with pytest.raises(CohortError) as refused:
        unpack_for_good(tmp_path / "a.zip", tmp_path / "files")
    assert refused.value.problem.code == code and "evil" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_folder_in_use_is_left_alone(tmp_path):
    archive = zipped(write_bids(tmp_path / "plain"), tmp_path / "sent.zip")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine").write_text("x")
    for folder in (tmp_path / "files", None):
        with pytest.raises(CohortError) as refused:
            unpack_for_good(archive, folder)
        assert refused.value.problem.code == "unpack_to"
    assert [path.name for path in (tmp_path / "files").iterdir()] == ["mine"]


def test_numbered_files_keep_the_suffix_that_says_what_they_are(tmp_path):
    names = ["a/Roe.nii.gz", "a/Roe.JSON", "a/Roe.json", "b/1.2.840.4", "Roe.nii.gz"]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number, name in enumerate(names):
            archive.writestr(name, f"{number}")
    (tmp_path / "out").mkdir()
    written = unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [path.read_text() for path in written] == ["0", "1", "2", "3", "4"]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        "00000/000000.nii.gz",
        "00000/000000.json",
        "00000/000002.json",
        "00001/000003",
        "00002/000004.nii.gz",
    ]
    shutil.rmtree(tmp_path / "out")
