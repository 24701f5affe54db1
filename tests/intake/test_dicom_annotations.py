"""Segmentations and structure sets: in the right place, to the voxel, with holes, and refused where they fit no grid."""

import json
import subprocess
from shutil import which

import numpy as np
import pytest

from preceptor.core.errors import PrepareError
from preceptor.intake.annotations.dicom_seg import read_segmentation, read_segments, write_segmentation
from preceptor.intake.annotations.geojson import read_geojson
from preceptor.intake.annotations.painting import as_geometry, as_mask
from preceptor.intake.annotations.record import Annotation, Annotations
from preceptor.intake.annotations.rtstruct import read_structures
from preceptor.intake.read import read_image
from preceptor.intake.synthesis.phantom_dicom import write_mr_series

SHAPE = (9, 7, 5)  # neither square nor a multiple of eight


@pytest.fixture
def series(tmp_path):
    """An oblique series of DICOM slices, as it is read."""
    from pydicom import dcmread

    folder = tmp_path / "series"
    folder.mkdir()
    grey = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.uint16)
    about = {"patient": "p", "study": "s", "series": "mr", "site": "one", "sex": "F", "age": 50}
    write_mr_series(folder, grey, np.diag([0.7, 0.9, 2.5, 1]), about)
    turn = np.array([(0.96, -0.28, 0), (0.28, 0.96, 0), (0, 0, 1.0)])
    for path in folder.iterdir():
        slice_ = dcmread(path)
        slice_.ImageOrientationPatient = [*turn[:, 0], *turn[:, 1]]
        slice_.ImagePositionPatient = (
            (turn @ np.array(slice_.ImagePositionPatient, float) + [11, -23, 40]).round(4).tolist()
        )
        slice_.save_as(path)
    return folder, read_image(tmp_path, "series")


def masks():
    first, second = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    first[2, 3, 1] = True  # one pixel: a shift by half of one shows
    second[1:8, 2:6, 1:4] = True
    second[3:5, 3:5, 2] = False
    return {"mark": first, "lesion": second}


def annotated(image):
    rows = [
        Annotation("study", name, "mask", as_geometry(mask, image.affine_mm), scope="series")
        for name, mask in masks().items()
    ]
    return Annotations(tuple(rows))


def test_a_segmentation_written_is_read_in_its_place(series, tmp_path):
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    folder, image = series
    assert write_segmentation(tmp_path / "seg.dcm", annotated(image), folder) == []
    on_grid = read_segmentation(tmp_path / "seg.dcm", image)
    assert [row.label for row in on_grid.rows] == ["mark", "lesion"]
    for row, mask in zip(on_grid.rows, masks().values(), strict=True):
        assert np.array_equal(as_mask(row, SHAPE), mask)
    alone = read_segments(tmp_path / "seg.dcm")  # on the grid of its own frames: slices 1 to 3
    for name, mask in masks().items():
        there = np.argwhere(mask) @ image.affine_mm[:3, :3].T + image.affine_mm[:3, 3]
        found = np.argwhere(alone.arrays[name]) @ alone.affine_mm[:3, :3].T + alone.affine_mm[:3, 3]
        assert np.sort(found.round(3), axis=0) == pytest.approx(np.sort(there.round(3), axis=0), abs=2e-3)


@pytest.mark.skipif(which("dciodvfy") is None, reason="dciodvfy (Debian dicom3tools) is not here")
def test_a_segmentation_written_is_standard(series, tmp_path):
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    folder, image = series
    write_segmentation(tmp_path / "seg.dcm", annotated(image), folder)
    told = subprocess.run(["dciodvfy", tmp_path / "seg.dcm"], capture_output=True, text=True, check=False).stderr
    errors = [line for line in told.splitlines() if line.startswith("Error")]
    before = subprocess.run(["dciodvfy", next(folder.iterdir())], capture_output=True, text=True, check=False).stderr
    assert not set(errors) - {line for line in before.splitlines() if line.startswith("Error")}, errors


def test_a_mask_of_another_grid_is_no_segment_of_this_series(series, tmp_path):
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    folder, image = series
    rows = annotated(image).rows
    elsewhere = image.affine_mm + np.diag([0, 0, 0, 0.0])
    elsewhere[0, 3] += 1
    moved = Annotation("study", "moved", "mask", as_geometry(masks()["mark"], elsewhere))
    with pytest.raises(PrepareError, match="lies elsewhere"):
        write_segmentation(tmp_path / "seg.dcm", Annotations((moved,)), folder)
    flat = Annotation("study", "flat", "box", [[0, 0], [1, 1]])
    assert write_segmentation(tmp_path / "seg.dcm", Annotations((*rows, flat)), folder) == [
        "1 left out: no mask on the series' grid"
    ]
    other = image.with_array(image.array, image.affine_mm @ np.diag([2, 1, 1, 1]))
    with pytest.raises(PrepareError, match="not on the image's grid"):
        read_segments(tmp_path / "seg.dcm", other)


@pytest.mark.parametrize("change", ["between two slices", "to the side", "askew", "nothing"])
def test_frames_on_no_common_grid_are_refused_not_rounded(series, tmp_path, change):
    """Without its image a segmentation is on the grid of its own frames, if there is one."""
    pytest.importorskip("highdicom", reason="the extra 'dicom' is not installed")
    from pydicom import Dataset, dcmread

    folder, image = series
    write_segmentation(tmp_path / "seg.dcm", annotated(image), folder)
    made = dcmread(tmp_path / "seg.dcm")
    frame = made.PerFrameFunctionalGroupsSequence[1]
    place = frame.PlanePositionSequence[0]
    if change == "askew":
        straight = list(made.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient)
        del made.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
        for number, each in enumerate(made.PerFrameFunctionalGroupsSequence):
            own = Dataset()
            own.ImageOrientationPatient = straight if number != 1 else [1, 0, 0, 0, 1, 0]
            each.PlaneOrientationSequence = [own]
    step_mm = {"between two slices": (0, 0, 0.8), "to the side": (0.3, 0, 0)}.get(change, (0, 0, 0))
    place.ImagePositionPatient = [at + by for at, by in zip(place.ImagePositionPatient, step_mm, strict=True)]
    made.save_as(tmp_path / "seg.dcm")
    if change == "nothing":
        assert read_segments(tmp_path / "seg.dcm").arrays["mark"].sum() == 1
        return
    with pytest.raises(PrepareError) as refused:
        read_segments(tmp_path / "seg.dcm")
    assert refused.value.problem.code == "grid_differs"


def structures(path, image, contours):
    """A structure set of one structure: ``[(kind, voxels)]``."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine_mm
    drawn = []
    for kind, voxels in contours:
        contour = Dataset()
        contour.ContourGeometricType = kind
        places = np.array(voxels, float) @ to_lps[:3, :3].T + to_lps[:3, 3]
        contour.ContourData = [f"{each:.6f}" for each in places.ravel()]
        drawn.append(contour)
    named, structure, made = Dataset(), Dataset(), Dataset()
    named.ROINumber, named.ROIName = 4, "heart"
    structure.ReferencedROINumber, structure.ContourSequence = 4, drawn
    made.SOPClassUID, made.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", generate_uid()
    made.StudyInstanceUID, made.Modality = "1.2.3", "RTSTRUCT"
    made.StructureSetROISequence, made.ROIContourSequence = [named], [structure]
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.save_as(path, enforce_file_format=True)
    return path


def ring(x0, y0, x1, y1, z):
    return [(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)]


def test_contours_become_masks_with_holes_and_islands(series, tmp_path):
    _, image = series
    nested = [
        ring(0.5, 0.5, 7.5, 6.5, 2),
        ring(1.5, 1.5, 6.5, 5.5, 2),
        ring(2.5, 2.5, 4.5, 4.5, 2),
        ring(3.4, 2.6, 4.4, 3.4, 1),
    ]
    path = structures(tmp_path / "rt.dcm", image, [("CLOSED_PLANAR", each) for each in nested])
    found = read_structures(path, image)
    expected = np.zeros(SHAPE, bool)
    expected[1:8, 1:7, 2] = True
    expected[2:7, 2:6, 2] = False
    expected[3:5, 3:5, 2] = True
    expected[4, 3, 1] = True
    assert found.rows[0].label == "heart" and np.array_equal(as_mask(found.rows[0], SHAPE), expected)


def test_a_hole_drawn_as_a_channel_is_a_hole(series, tmp_path):
    _, image = series
    keyhole = [
        (0.5, 0.5),
        (7.5, 0.5),
        (7.5, 6.5),
        (0.5, 6.5),
        (0.5, 3),
        (2.5, 3),
        (2.5, 4.5),
        (4.5, 4.5),
        (4.5, 2.5),
        (2.5, 2.5),
        (2.5, 3),
        (0.5, 3),
    ]
    path = structures(tmp_path / "rt.dcm", image, [("CLOSED_PLANAR", [(x, y, 3) for x, y in keyhole])])
    expected = np.zeros(SHAPE, bool)
    expected[1:8, 1:7, 3] = True
    expected[3:5, 3:5, 3] = False
    assert np.array_equal(as_mask(read_structures(path, image).rows[0], SHAPE), expected)


def test_points_are_points_and_contours_that_fit_no_plane_are_refused(series, tmp_path):
    _, image = series
    path = structures(
        tmp_path / "rt.dcm", image, [("POINT", [(2.25, 3.5, 1.75)]), ("OPEN_PLANAR", ring(0, 0, 1, 1, 1))]
    )
    found = read_structures(path, image)
    assert found.rows[0].kind == "point" and found.rows[0].geometry == pytest.approx([2.25, 3.5, 1.75], abs=1e-5)
    assert found.notes == ("heart: 1 open contours hold no area",)
    for z, told in ((1.5, "in no plane"), (17, "outside the image")):
        path = structures(tmp_path / "rt.dcm", image, [("CLOSED_PLANAR", ring(0, 0, 3, 3, z))])
        with pytest.raises(PrepareError, match=told):
            read_structures(path, image)


def test_geojson_of_a_slide_viewer(tmp_path):
    square = [[0, 0], [8, 0], [8, 8], [0, 8], [0, 0]]
    hole = [[1, 1], [7, 1], [7, 7], [1, 7], [1, 1]]
    island = [[3, 3], [5, 3], [5, 5], [3, 5], [3, 3]]
    features = [
        {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": [[island], [square, hole]]}, "properties": {"classification": {"name": "tumour"}}},
        {"type": "Feature", "geometry": {"type": "MultiPoint", "coordinates": [[0.5, 2.5], [4, 4]]}, "properties": {"name": "mitosis"}},
    ]  # fmt: skip
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    found = read_geojson(tmp_path / "a.geojson", "slide")
    expected = np.zeros((9, 9), bool)
    expected[:8, :8] = True
    expected[1:7, 1:7] = False
    expected[3:5, 3:5] = True
    assert np.array_equal(as_mask(found.rows[0], (9, 9)), expected)
    assert [row.geometry for row in found.rows[1:]] == [[0, 2], [3.5, 3.5]]
    assert found.labels == ("tumour", "mitosis")
