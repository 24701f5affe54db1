"""DICOM segmentations: binary, fractional and label maps as volumes, and out again.

Pixels lie where each frame's own position says; the middle of the first pixel is voxel 0, 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from preceptor.core.errors import MissingExtra, PrepareError, safe_name
from preceptor.core.files import write_aside
from preceptor.core.image import Image
from preceptor.intake.dicom.file import check_deflated, decoded
from preceptor.intake.dicom.fitness import refuse_deep
from preceptor.intake.dicom.guard import guarded
from preceptor.intake.dicom.planes import Placement, planes
from preceptor.intake.limits import check_dimensions
from preceptor.maths.bit_packing import unpack_bits

from .painting import as_geometry, as_mask
from .record import Annotation, Annotations

if TYPE_CHECKING:
    from pydicom import Dataset

_LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", _LABEL_MAP)
_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_CLOSE = 0.02  # of a voxel


@dataclass(frozen=True)
class Segments:
    """The segments of a file on one grid.

    Args:
        arrays: ``{label: (x, y, z)}``: bool, or of a fractional segmentation float32 in 0..1.
        affine_mm: 4x4, voxels to RAS+ millimetres.
        study, series: Identifiers of the study and of the series that was segmented (None where the file does not say).
    """

    arrays: dict[str, np.ndarray]
    affine_mm: np.ndarray
    study: str
    series: str | None


def read_segments(path: Path, like: Image | None = None) -> Segments:
    """Read a segmentation with its values.

    Args:
        path: A DICOM file.
        like: The image that was segmented, whose grid the segments are put on. Without it the grid is the frames' own: slices
            that no frame shows lie empty between the others.

    Raises:
        PrepareError: No segmentation, damaged, a tiled one of a slide, or frames that are on no common grid.

    Source: DICOM PS3.3 A.51, C.8.20; PS3.5 8.1.1.
    """
    from pydicom import dcmread

    path = Path(path)
    with guarded(path):
        check_deflated(path)
        dataset = dcmread(path)
        refuse_deep(dataset, path)
        if str(dataset.get("SOPClassUID", "")) not in SEGMENTATIONS:
            raise _refusal(path, "the file is no segmentation", "a DICOM SEG", "no_segmentation")
        frames = int(dataset.get("NumberOfFrames") or 1)
        check_dimensions((frames, int(dataset.Rows), int(dataset.Columns)), path)
        found = [plane.placement for plane in planes(dataset, 0, path)]
        placements = [each for each in found if each is not None]
        if len(found) != frames:
            raise _refusal(
                path, f"the file describes {len(found)} frames and holds {frames}", "as many of both", "frames_differ"
            )
        if len(placements) < frames:
            raise _refusal(
                path,
                "frames lie nowhere in a patient: a tiled segmentation of a slide",
                "a position each",
                "no_geometry",
            )
        pixels = _pixels(dataset, frames, path)
        names = {int(each.SegmentNumber): str(each.SegmentLabel) for each in dataset.SegmentSequence}
        if len(set(names.values())) < len(names):  # two of one label stay two
            names = {number: f"{name} {number}" for number, name in names.items()}
        affine_mm, places, shape = (
            _own_grid(placements, dataset, path) if like is None else _grid_of(placements, like, path)
        )
        check_dimensions((len(names), *shape), path)
        shared = dataset.get("SharedFunctionalGroupsSequence") or []
        numbers = _numbers(dataset, frames, shared)
        series = next((str(each.SeriesInstanceUID) for each in dataset.get("ReferencedSeriesSequence") or []), None)
        study = str(dataset.get("StudyInstanceUID", ""))
    kind = np.float32 if pixels.dtype == np.float32 else bool
    arrays = {name: np.zeros(shape, kind) for name in names.values()}
    rows, columns = pixels.shape[1:]
    for frame, (x, y, z), number in zip(pixels, places, numbers, strict=True):
        if min(x, y, z) < 0 or x + columns > shape[0] or y + rows > shape[1] or z >= shape[2]:
            raise _refusal(path, "a frame lies outside the image", "frames within it", "grid_differs")
        for each, name in names.items():
            if number is None:
                arrays[name][x : x + columns, y : y + rows, z] = each == frame.T
            elif number == each:
                arrays[name][x : x + columns, y : y + rows, z] = frame.T
    return Segments(arrays, affine_mm, study, series)


def read_segmentation(path: Path, like: Image | None = None) -> Annotations:
    """Read a segmentation as annotations, a mask a segment. Of a fractional one a half and more counts, and `notes` tells so.

    Raises:
        PrepareError: As in `read_segments`.
    """
    segments = read_segments(path, like)
    rows, notes = [], []
    for label, values in segments.arrays.items():
        mask = values if values.dtype == bool else values >= 0.5
        if values.dtype != bool:
            notes.append(f"{label}: fractions; {int(mask.sum())} voxels of a half or more")
        geometry = as_geometry(mask, segments.affine_mm)
        rows.append(Annotation(segments.study, label, "mask", geometry, scope="series", series=segments.series))
    return Annotations(tuple(rows), labels=tuple(segments.arrays), notes=tuple(notes))


def _pixels(dataset: Dataset, frames: int, path: Path) -> np.ndarray:
    """``(frame, row, column)``: bool, fractions in float32, or label numbers."""
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if dataset.BitsAllocated == 1 and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return unpack_bits(dataset.PixelData, frames, rows, columns)
    stored = decoded(path, dataset, None).reshape(frames, rows, columns)
    if str(dataset.SOPClassUID) == _LABEL_MAP:
        return stored
    if dataset.SegmentationType == "FRACTIONAL":
        return (stored / np.float32(dataset.MaximumFractionalValue)).astype(np.float32)
    return stored != 0


def _numbers(dataset: Dataset, frames: int, shared: Sequence[Dataset]) -> list[int | None]:
    """Which segment each frame shows; None where its values say so themselves."""
    if str(dataset.SOPClassUID) == _LABEL_MAP:
        return [None] * frames
    found: list[int | None] = []
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        macro = frame.get("SegmentIdentificationSequence") or shared[0].SegmentIdentificationSequence
        found.append(int(macro[0].ReferencedSegmentNumber))
    return found


def _axes(placement: Placement) -> np.ndarray:
    """Columns: millimetres (LPS) of a step along x and along y, and the normal."""
    row, column = placement.orientation[:3], placement.orientation[3:]
    return np.stack([row * placement.spacing_mm[1], column * placement.spacing_mm[0], np.cross(row, column)], axis=1)


def _own_grid(placements: Sequence[Placement], dataset: Dataset, path: Path) -> tuple[np.ndarray, Any, tuple[int, ...]]:
    first = placements[0]
    if any(np.abs(each.orientation - first.orientation).max() > 1e-4 for each in placements):
        raise _refusal(path, "the frames are not parallel", "one orientation", "grid_differs")
    axes = _axes(first)
    normal = axes[:, 2]
    heights = np.array([each.position_mm @ normal for each in placements])
    gaps = np.diff(np.unique(heights.round(4)))
    step = float(gaps.min()) if len(gaps) else float(first.thickness_mm or 1.0)
    slices = (heights - heights.min()) / step
    lowest = placements[int(heights.argmin())].position_mm
    offsets = np.array([each.position_mm - lowest for each in placements])
    across = np.linalg.lstsq(axes[:, :2], (offsets - np.outer(offsets @ normal, normal)).T, rcond=None)[0]
    if np.abs(slices - slices.round()).max() > _CLOSE or np.abs(across).max() > _CLOSE:
        raise _refusal(path, "the frames are on no common grid", "frames a whole number of steps apart", "grid_differs")
    affine = np.eye(4)
    affine[:3, :2], affine[:3, 2], affine[:3, 3] = axes[:, :2], normal * step, lowest
    places = [(0, 0, int(each)) for each in slices.round()]
    return _RAS @ affine, places, (int(dataset.Columns), int(dataset.Rows), int(slices.round().max()) + 1)


def _grid_of(placements: Sequence[Placement], like: Image, path: Path) -> tuple[np.ndarray, Any, tuple[int, ...]]:
    from_mm = np.linalg.inv(like.affine_mm) @ _RAS
    places = []
    for each in placements:
        steps = from_mm[:3, :3] @ _axes(each)[:, :2]
        place = (from_mm @ [*each.position_mm, 1.0])[:3]
        if np.abs(steps - np.eye(3)[:, :2]).max() > 1e-3 or np.abs(place - place.round()).max() > _CLOSE:
            raise _refusal(path, "a frame is not on the image's grid", "the image that was segmented", "grid_differs")
        places.append(tuple(int(at) for at in place.round()))
    shape = like.shape if len(like.shape) == 3 else (*like.shape, 1)
    return like.affine_mm, places, shape


def write_segmentation(path: Path, annotations: Annotations, series: Path) -> list[str]:
    """Write masks as a binary DICOM segmentation of the series they were drawn on.

    Labels become the segments' labels; their codes are the general ones for tissue, for a name is no code. Readers' masks stay
    apart, a segment each.

    Args:
        path: The file.
        annotations: Masks on the grid of the series; other kinds are left out and told.
        series: Folder of the DICOM series, one file a slice.

    Returns:
        What was left out, a line each.

    Raises:
        PrepareError: The series is no volume of single-slice files, or a mask is on another grid.
        MissingExtra: highdicom is not installed.

    Source: DICOM PS3.3 A.51, by highdicom.
    """
    try:
        import highdicom
        from highdicom.sr.coding import CodedConcept
    except ImportError as error:
        raise MissingExtra.of("dicom", "writing a DICOM segmentation") from error
    from pydicom import dcmread

    from preceptor.intake.dicom.series import read_series

    image = read_series(series)
    with guarded(path):
        sources = [dcmread(each) for each in sorted(series.iterdir()) if each.is_file()]
        from_mm = np.linalg.inv(image.affine_mm) @ _RAS
        heights = [(from_mm @ [*map(float, each.ImagePositionPatient), 1.0])[2] for each in sources]
    shape = image.shape
    if image.has_time or len(shape) != 3 or sorted(np.round(heights).astype(int)) != list(range(shape[2])):
        raise _refusal(series, "the series is no volume of one file a slice", "a single series of slices", "no_volume")
    masks, names, left = [], [], 0
    for row in annotations.rows:
        if row.kind != "mask" or list(row.geometry["shape"]) != list(shape):
            left += 1
            continue
        affine_mm = row.geometry.get("affine_mm")
        if affine_mm is not None and np.abs(np.array(affine_mm) - image.affine_mm).max() > 1e-2:
            raise _refusal(series, f"the mask '{row.label}' lies elsewhere than the series", "one grid", "grid_differs")
        masks.append(as_mask(row, shape))
        names.append(row.label if row.reader is None else f"{row.label} ({row.reader})")
    if not any(mask.any() for mask in masks):
        raise _refusal(
            path, "there is nothing to write: no mask on the series' grid marks a voxel", "a mask", "nothing"
        )
    tissue = CodedConcept("85756007", "SCT", "Tissue")
    described = [
        highdicom.seg.SegmentDescription(
            segment_number=number + 1,
            segment_label=name[:64],
            segmented_property_category=tissue,
            segmented_property_type=tissue,
            algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, name in enumerate(names)
    ]
    order = np.round(heights).astype(int)
    frames = np.stack([mask[:, :, order].transpose(2, 1, 0) for mask in masks], axis=-1).astype(np.uint8)
    with guarded(path):
        made = highdicom.seg.Segmentation(
            source_images=sources,
            pixel_array=frames,
            segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=described,
            series_instance_uid=highdicom.UID(),
            series_number=1,
            sop_instance_uid=highdicom.UID(),
            instance_number=1,
            manufacturer="preceptor",
            manufacturer_model_name="preceptor",
            software_versions="preceptor",
            device_serial_number="none",
            omit_empty_frames=True,
        )
        with write_aside(path) as aside:
            made.save_as(aside)
    return [f"{left} left out: no mask on the series' grid"] if left else []


def _refusal(path: Path, what: str, expected: str, code: str) -> PrepareError:
    return PrepareError(
        what, where=safe_name(path), expected=expected, remedy="name the image it was drawn on with --image", code=code
    )
