"""Any mess of files: DICOM found by content, grouped by series, split or refused with the reason; nothing lost."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas
import pydicom
import pytest

from preceptor.cli import main
from preceptor.core.errors import CohortError, PrepareError
from preceptor.intake.cohort import build_cohort, detect_layout
from preceptor.intake.dicom.scanning import scan
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.phantom_planes import write_enhanced, write_planes
from preceptor.intake.unpacking import unpack, unpacked

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 4000, (8, 6, 5)).astype(np.uint16)
AFFINE = np.array([[-0.7, 0, 0, 10], [0, -0.7, 0, 20], [0, 0, 3.0, -40], [0, 0, 0, 1]])


def about(number: int) -> dict:
    return {"patient": f"Doe{number}", "study": str(number), "series": str(number)}


def moved(mm: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[2, 3] += mm
    return affine


def only(found):
    (row,) = found.rows
    return row


@pytest.fixture
def mess(tmp_path):
    """Two series whose files lie mixed, under names that say nothing, among files that are no DICOM."""
    folder = tmp_path / "mess"
    first = write_planes(tmp_path / "a", GREY, AFFINE, about=about(1))
    second = write_planes(tmp_path / "b", GREY + 1, AFFINE, about=about(2), modality="MR")
    for number, path in enumerate([first[3], second[0], first[0], second[4], first[4], *second[1:4], *first[1:3]]):
        place = folder / ("Doe^John" if number % 2 else "x/y z/ä")
        place.mkdir(parents=True, exist_ok=True)
        shutil.move(path, place / f"{number}.{'jpg' if number % 3 else 'bak'}")
    (folder / "notes.txt").write_text("a remark")
    (folder / "empty").touch()
    (folder / ".DS_Store").write_bytes(b"\0" * 200)
    os.mkfifo(folder / "pipe")  # opening it would wait for ever
    (folder / "loop").symlink_to(folder)
    return folder


def test_series_are_found_in_a_mess_and_read_whole(mess):
    found = scan(mess)
    assert {row.modality for row in found.taken} == {"CT", "MR"} and len(found.rows) == 2
    assert found.others == 3
    for row in found.taken:
        image = read_image(mess, row.source)
        np.testing.assert_array_equal(image.array[0], GREY + (row.modality == "MR"))
        np.testing.assert_allclose(image.affine_mm, AFFINE, atol=1e-6)
        assert (row.shape, row.files) == ((8, 6, 5), 5)
        np.testing.assert_allclose(row.spacing_mm, (0.7, 0.7, 3), rtol=1e-6)
        assert "Doe" not in row.series + row.patient + row.study + row.reason


def test_a_folder_that_changes_is_looked_through_again(mess, tmp_path):
    row = next(row for row in scan(mess).taken if row.modality == "CT")
    read_image(mess, row.source)
    middle = AFFINE[2, 3] + 2 * AFFINE[2, 2]  # neither the first plane nor the last, whose loss nothing tells
    for path in mess.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.read_bytes()[128:132] == b"DICM":
            header = pydicom.dcmread(path)
            if header.Modality == "CT" and header.ImagePositionPatient[2] == middle:
                path.rename(tmp_path / "gone")
    with pytest.raises(PrepareError) as refused:
        read_image(mess, row.source)
    assert refused.value.problem.code in ("gap", "no_member")


def test_scan_prints_rows_and_writes_a_table(mess, tmp_path, capsys):
    table = tmp_path / "rows.csv"
    assert main(["scan", str(mess), "--out", str(table), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["rows"] == {"taken": 2} and said["files_that_are_no_dicom"] == 3
    assert "Doe" not in json.dumps(said)
    rows = pandas.read_csv(table)
    assert sorted(rows["modality"]) == ["CT", "MR"] and rows["source"].notna().all()
    assert main(["scan", str(mess)]) == 0
    assert "2 taken; 3 files are no DICOM" in capsys.readouterr().out
    assert main(["scan", str(mess), "--out", str(table)]) == 3
    assert main(["scan", str(mess / "nothing")]) == 3


def test_scan_of_a_zip(mess, tmp_path, capsys):
    archive = tmp_path / "mess.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in mess.rglob("*"):
            if path.is_file() and not path.is_symlink():
                packed.write(path, path.relative_to(mess))
    assert main(["scan", str(archive), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"taken": 2}


def test_scan_of_a_dicomdir_looks_at_what_it_names_alone(tmp_path):
    from pydicom.fileset import FileSet

    files = write_planes(tmp_path / "in", GREY, AFFINE)
    medium = FileSet()
    for path in files:
        medium.add(path)
    medium.write(tmp_path / "medium")
    write_planes(tmp_path / "medium" / "OTHER", GREY, AFFINE, about=about(9))
    row = only(scan(tmp_path / "medium" / "DICOMDIR"))
    assert row.verdict == "taken" and row.files == 5
    image = read_image(tmp_path / "medium", row.source)
    np.testing.assert_array_equal(image.array[0], GREY)
    for path in (tmp_path / "medium").rglob("*"):
        if path.is_file() and path.read_bytes() == files[2].read_bytes():
            path.unlink()
    assert {row.code for row in scan(tmp_path / "medium" / "DICOMDIR").rows} == {"file_absent", "gap"}


def test_a_dicomdir_leads_nowhere_else(tmp_path):
    from pydicom.fileset import FileSet

    medium = FileSet()
    medium.add(write_planes(tmp_path / "in", GREY[:, :, :1], AFFINE)[0])
    medium.write(tmp_path / "medium")
    index = tmp_path / "medium" / "DICOMDIR"
    whole = pydicom.dcmread(index)
    for record in whole.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "SECRET"]
    whole.save_as(index)
    with pytest.raises(CohortError, match="name that DICOM does not allow"):
        scan(index)


def test_copies_are_left_out_and_other_duplicates_refused(tmp_path):
    files = write_planes(tmp_path / "in", GREY, AFFINE)
    (tmp_path / "in" / "more").mkdir()
    shutil.copy(files[2], tmp_path / "in" / "more" / "copy")
    row = only(scan(tmp_path))
    assert (row.verdict, row.files, row.reason) == ("taken", 5, "1 copies of files left out")
    np.testing.assert_array_equal(read_image(tmp_path, row.source).array[0], GREY)
    another = pydicom.dcmread(files[2])
    another.SOPInstanceUID = another.file_meta.MediaStorageSOPInstanceUID = "2.25.5"
    another.save_as(tmp_path / "in" / "more" / "copy")
    row = only(scan(tmp_path))
    assert (row.verdict, row.code, row.source) == ("refused", "duplicate_position", "")


@pytest.mark.parametrize(
    ("fault", "code"),
    [("gap", "gap"), ("uneven", "uneven"), ("shear", "shear"), ("damaged", "dicom_damaged"), ("cut", "truncated")],
)
def test_what_makes_no_volume_is_refused_with_its_reason(fault, code, tmp_path):
    affine = AFFINE.copy()
    if fault == "shear":
        affine[:3, 2] = [0, 1.5, 3]
    files = write_planes(tmp_path / "in", GREY, affine)
    if fault == "gap":
        files[2].unlink()
    if fault == "uneven":
        plane = pydicom.dcmread(files[2])
        plane.ImagePositionPatient[2] += 1
        plane.save_as(files[2])
    if fault == "damaged":
        plane = pydicom.dcmread(files[2])
        plane.ImagePositionPatient = [1, 2]
        plane.save_as(files[2])
    if fault == "cut":
        files[2].write_bytes(files[2].read_bytes()[:-20])
    row = only(scan(tmp_path))
    assert (row.verdict, row.code) == ("refused", code) and row.reason and row.remedy


def test_overlapping_slices_are_taken_by_their_positions(tmp_path):
    write_planes(tmp_path / "in", GREY, AFFINE, attributes={"SliceThickness": "5"})
    row = only(scan(tmp_path))
    assert row.verdict == "taken" and row.spacing_mm[2] == pytest.approx(3)


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        ("AcquisitionNumber", ("1", "2")),
        ("TemporalPositionIdentifier", (1, 2)),
        ("EchoTime", (10.0, 90.0)),
        ("DiffusionBValue", (0.0, 1000.0)),
    ],
)
def test_two_acquisitions_that_overlap_are_split(tag, values, tmp_path):
    write_planes(tmp_path / "in", GREY, AFFINE, attributes={tag: values[0]})
    write_planes(tmp_path / "in", GREY + 7, moved(1.1), attributes={tag: values[1]}, start=5)
    found = scan(tmp_path)
    assert [(row.verdict, row.part, row.reason) for row in found.rows] == [
        ("split", "1 of 2", f"by {tag}"),
        ("split", "2 of 2", f"by {tag}"),
    ]
    for row, added, shift in zip(found.rows, (0, 7), (0, 1.1), strict=True):
        image = read_image(tmp_path, row.source)
        np.testing.assert_array_equal(image.array[0], GREY + added)
        np.testing.assert_allclose(image.affine_mm, moved(shift), atol=1e-6)


@pytest.mark.parametrize("name", ["TemporalPositionIdentifier", "EchoNumbers", "DiffusionBValue"])
def test_what_varies_at_one_position_is_a_fourth_axis(name, tmp_path):
    for repeat in range(3):
        write_planes(tmp_path / "in", GREY + repeat, AFFINE, attributes={name: repeat + 1}, start=5 * repeat)
    row = only(scan(tmp_path))
    assert (row.verdict, row.repeats, row.reason) == ("taken", 3, f"repeated by {name}")
    image = read_image(tmp_path, row.source)
    assert image.has_time and image.array.shape == (1, 3, 8, 6, 5)
    for repeat in range(3):
        np.testing.assert_array_equal(image.array[0, repeat], GREY + repeat)


def test_repeats_of_which_one_is_not_whole_are_split_and_that_one_refused(tmp_path):
    files = []
    for repeat in range(2):
        settings = {"attributes": {"EchoNumbers": repeat + 1}, "start": 5 * repeat}
        files += write_planes(tmp_path / "in", GREY + repeat, AFFINE, **settings)
    files[7].unlink()
    found = scan(tmp_path)
    assert [(row.verdict, row.code) for row in found.rows] == [("split", ""), ("refused", "gap")]
    np.testing.assert_array_equal(read_image(tmp_path, found.taken[0].source).array[0], GREY)


def test_time_may_be_told_by_an_index_alone(tmp_path):
    for time in range(2):
        write_planes(
            tmp_path / "in", GREY + time, AFFINE, attributes={"TemporalPositionIndex": time + 1}, start=5 * time
        )
    row = only(scan(tmp_path))
    assert (row.verdict, row.repeats, row.reason) == ("taken", 2, "repeated by TemporalPositionIdentifier")


def test_a_slice_beside_the_line_of_the_others_is_refused(tmp_path):
    def push(number, dataset):
        x, y, z = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x + (1 if number == 2 else 0), y, z]

    write_planes(tmp_path / "in", GREY, AFFINE, change=push)
    row = only(scan(tmp_path))
    assert (row.verdict, row.code) == ("refused", "uneven") and "slice 2 lies 1.000 mm off the line" in row.reason


def test_a_gap_is_none_the_less_one_where_every_slice_is_an_acquisition(tmp_path):
    def number_it(number, dataset):
        dataset.AcquisitionNumber = number + 1

    files = write_planes(tmp_path / "in", GREY, AFFINE, change=number_it)
    files[2].unlink()
    found = scan(tmp_path)
    assert [(row.verdict, row.code, row.files) for row in found.rows] == [("refused", "gap", len(files) - 1)]


@pytest.mark.parametrize(
    ("tag", "kinds"),
    [
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
        ("ConvolutionKernel", ("B30f", "B70f")),
    ],
)
def test_magnitude_and_phase_are_never_one_image(tag, kinds, tmp_path):
    for number, kind in enumerate(kinds):
        attributes = {tag: kind, "ContentTime": f"12000{number}"}
        write_planes(tmp_path / "in", GREY + number, AFFINE, attributes=attributes, start=5 * number)
    found = scan(tmp_path)
    assert [row.reason for row in found.rows] == [f"by {tag}"] * 2
    assert [int(read_image(tmp_path, row.source).array[0, 0, 0, 0]) for row in found.rows] == [
        int(GREY[0, 0, 0]),
        int(GREY[0, 0, 0]) + 1,
    ]


@pytest.mark.parametrize("what", ["orientation", "spacing", "size"])
def test_planes_of_two_kinds_in_one_series_are_split(what, tmp_path):
    other, grey = AFFINE.copy(), GREY
    if what == "orientation":
        other = other[:, [0, 2, 1, 3]] * [1, 1, -1, 1]
    if what == "spacing":
        other[:2, :2] *= 1.2
    if what == "size":
        grey = GREY[:6]
    write_planes(tmp_path / "in", GREY, AFFINE)
    write_planes(tmp_path / "in", grey, other, start=5)
    found = scan(tmp_path)
    assert [row.verdict for row in found.rows] == ["split", "split"]
    np.testing.assert_allclose(read_image(tmp_path, found.rows[1].source).affine_mm, other, atol=1e-6)


def test_planes_that_all_look_another_way_are_refused(tmp_path):
    for number, turn in enumerate(np.linspace(0, 1, 6)):
        affine = AFFINE.copy()
        affine[:3, :3] = [[-np.cos(turn), 0, np.sin(turn)], [0, -1, 0], [np.sin(turn), 0, np.cos(turn)]]
        write_planes(tmp_path / "in", GREY[:, :, :1], affine, start=number)
    row = only(scan(tmp_path))
    assert (row.verdict, row.code, row.files) == ("refused", "mixed_orientation", 6)


def test_localizers_inside_a_series_are_left_out_and_said_to_be(tmp_path):
    write_planes(tmp_path / "in", GREY, AFFINE)
    scout = {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}
    write_planes(tmp_path / "in", GREY[:, :, :1], AFFINE[:, [1, 2, 0, 3]], attributes=scout, start=5)
    found = scan(tmp_path)
    assert sorted((row.verdict, row.code, row.files) for row in found.rows) == [
        ("left out", "localizer", 1),
        ("taken", "", 5),
    ]
    np.testing.assert_array_equal(read_image(tmp_path, found.taken[0].source).array[0], GREY)


def test_an_enhanced_file_is_a_series_of_its_own(tmp_path):
    write_enhanced(tmp_path / "one", GREY, AFFINE, order=[2, 0, 4, 1, 3])
    row = only(scan(tmp_path))
    image = read_image(tmp_path, row.source)
    np.testing.assert_array_equal(image.array[0], GREY)
    np.testing.assert_allclose(image.affine_mm, AFFINE, atol=1e-6)


def test_every_file_of_the_zoo_is_in_a_row(shared_data):
    folder = shared_data("dicom_zoo")
    found = scan(folder / "files")
    listed = sum(row.files for row in found.rows) + found.others + found.indices
    copies = sum(int(row.reason.split(" copies")[0].split()[-1]) for row in found.rows if "copies" in row.reason)
    assert listed + copies >= 217
    for row in found.taken:
        if row.modality == "MR" and row.files == 16:
            assert read_image(folder / "files", row.source).shape == (256, 256, 16)
            break
    else:
        pytest.fail("the sixteen slices are not found")


def test_a_cohort_is_built_of_a_mess(mess, tmp_path):
    dataset = detect_layout(mess)
    assert type(dataset).__name__ == "Dicom"
    cohort = build_cohort(dataset)
    assert len(cohort) == 2 and cohort.knows_patients
    assert "Doe" not in " ".join(f"{case.key} {case.patient}" for case in cohort)
    np.testing.assert_array_equal(read_image(cohort.root, cohort.cases[0].images["image"]).array.shape, (1, 8, 6, 5))
    assert main(["cohort", "build", str(mess), "--out", str(tmp_path / "cohort.parquet")]) == 0


def test_a_study_is_a_case_with_a_view_for_each_modality(tmp_path):
    from preceptor.core.slots import build

    for number, modality in enumerate(("CT", "MR")):
        same = {"patient": "1", "study": "1", "series": modality}
        write_planes(tmp_path / str(number), GREY, AFFINE, about=same, modality=modality)
    (case,) = build("datasets", {"dicom": {"case": "study"}}, root=tmp_path).cases()
    assert set(case.images) == {"ct", "mr"} and case.fields["modality"] == "CT+MR"
    (case,) = build("datasets", {"dicom": {"modality": "MR"}}, root=tmp_path).cases()
    assert case.fields["modality"] == "MR"
    write_planes(tmp_path / "2", GREY, AFFINE, about={"patient": "1", "study": "1", "series": "x"})
    with pytest.raises(CohortError, match="3 images of 2 modalities"):
        list(build("datasets", {"dicom": {"case": "study"}}, root=tmp_path).cases())


def test_an_archive_writes_nothing_outside_and_no_link(tmp_path):
    archive, folder = tmp_path / "a.zip", tmp_path / "deep" / "target"
    folder.mkdir(parents=True)
    names = [
        "../x",
        "/x",
        "C:\\x",
        "a/../../x",
        "n\0ul",
        "y" * 300,
        "Case",
        "case",
        "caf\u00e9",
        "cafe\u0301",
        "",
        "a/b",
    ]
    with zipfile.ZipFile(archive, "w") as packed:
        for number, name in enumerate(names):
            entry = zipfile.ZipInfo("placeholder")
            entry.filename = name
            packed.writestr(entry, str(number))
    written = unpack(archive, folder)
    assert [path.read_text() for path in written] == [str(number) for number in range(12)]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {archive, *written}
    for kind in (0o120777, 0o020666):
        with zipfile.ZipFile(archive, "w") as packed:
            entry = zipfile.ZipInfo("link")
            entry.external_attr = kind << 16
            packed.writestr(entry, "/etc/passwd")
        with pytest.raises(CohortError, match="link or a device"):
            unpack(archive, folder)


def test_an_archive_that_is_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("zeros", "w") as file:
        for _ in range(100):
            file.write(bytes(1 << 20))
    with pytest.raises(CohortError) as refused, unpacked(archive):
        pass
    assert refused.value.problem.code == "archive_bomb"
    archive.write_bytes(archive.read_bytes()[:200] + b"PK\x05\x06" + bytes(18))
    with pytest.raises(CohortError), unpacked(archive):
        pytest.fail("a damaged archive is no folder")


def test_unpacked_of_a_folder_is_the_folder(tmp_path):
    with unpacked(tmp_path) as place:
        assert place == Path(tmp_path)


def test_tags_are_written_to_a_table(mess, tmp_path, capsys):
    for suffix in ("csv", "parquet"):
        table = tmp_path / f"tags.{suffix}"
        assert main(["tags", str(mess), str(table), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        rows = pandas.read_csv(table) if suffix == "csv" else pandas.read_parquet(table)
        assert said["rows"] == len(rows) == 2
        assert set(rows["series"]) == {row.series for row in scan(mess).taken}  # the two tables join
        assert set(rows["age_years"]) == {50} and set(rows["files"]) == {5}
        assert rows["slice_thickness_mm"].tolist() == [3, 3]
        assert "Doe" not in rows.to_csv()
    assert main(["tags", str(mess), str(tmp_path / "files.csv"), "--level", "file"]) == 0
    assert len(pandas.read_csv(tmp_path / "files.csv")) == 10
    assert main(["tags", str(mess), str(tmp_path / "files.csv")]) == 3


def test_series_are_converted_and_a_stopped_conversion_goes_on(mess, tmp_path, capsys):
    out = tmp_path / "nifti"
    assert main(["convert", str(mess), str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["images"] == {"taken": 2} and len(said["files"]) == 2
    for name in said["files"]:
        image = read_image(out, name)
        np.testing.assert_allclose(image.affine_mm, AFFINE, atol=1e-5)
        assert np.abs(image.array[0].astype(int) - GREY).max() <= 1 and "Doe" not in name
    before = (out / said["files"][0]).stat().st_mtime_ns
    (out / said["files"][1]).unlink()
    assert main(["convert", str(mess), str(out)]) == 0
    assert (out / said["files"][0]).stat().st_mtime_ns == before and (out / said["files"][1]).is_file()
    table = pandas.read_csv(out / "conversion.csv")
    assert sorted(table["file"]) == sorted(said["files"])


def test_what_is_not_converted_is_told(tmp_path, capsys):
    files = write_planes(tmp_path / "in", GREY, AFFINE)
    files[2].unlink()
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == {"refused": 1}
    table = pandas.read_csv(tmp_path / "out" / "conversion.csv")
    assert table["code"].tolist() == ["gap"] and table["file"].isna().all()


def test_a_tilted_gantry_is_set_right_when_asked_for(tmp_path, capsys):
    """A slanted bar that is straight in the patient: sheared as it is stored, straight again on the new grid."""
    affine = np.diag([-0.5, -0.5, 2.0, 1.0])
    affine[1, 2] = 0.8  # aside of one another by 1.6 pixels
    where = np.stack(np.meshgrid(*map(np.arange, (20, 40, 9)), indexing="ij"), -1) @ affine[:3, :3].T + affine[:3, 3]
    ramp = (3000 + 100 * where[..., 1] + 7 * where[..., 0] + 10 * where[..., 2]).astype(np.float64)
    write_planes(tmp_path / "in", np.rint(ramp * 10).astype(np.uint16), affine, scales=[(0.1, 0.0)] * 9)
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == {"refused": 1}
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "out"), "--untilt", "--json"]) == 0
    (name,) = json.loads(capsys.readouterr().out)["files"]
    image = read_image(tmp_path / "out", name)
    steps = image.affine_mm[:3, :3]
    np.testing.assert_allclose(steps.T @ steps, np.diag([0.25, 0.25, 4]), atol=1e-5)
    places = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"), -1) @ steps.T + image.affine_mm[:3, 3]
    expected = 3000 + 100 * places[..., 1] + 7 * places[..., 0] + 10 * places[..., 2]
    covered = np.abs(image.array[0] - expected) < 0.2
    assert covered.mean() > 38 / image.shape[1] * 0.94  # all but the rim that a slice covers in part
    inner = image.array[0][:, 16:36]
    np.testing.assert_allclose(inner, expected[:, 16:36], atol=0.2)
