"""A volume in any orientation written as DICOM, a file a plane or all planes in one enhanced file.

What a reader has to get right is set apart: the affine may turn, mirror and shear, each plane may have a scale of its
own, and attributes may be changed plane by plane.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .phantom_dicom import new_identity, phantom_uid

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

_KINDS = {
    ("CT", False): "1.2.840.10008.5.1.4.1.1.2",
    ("MR", False): "1.2.840.10008.5.1.4.1.1.4",
    ("CT", True): "1.2.840.10008.5.1.4.1.1.2.1",
    ("MR", True): "1.2.840.10008.5.1.4.1.1.4.1",
}
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_ABOUT = {"patient": "1", "study": "1", "series": "1", "site": "", "sex": "F", "age": 50}


def write_planes(
    folder: Path,
    stored: np.ndarray,
    affine_mm: np.ndarray,
    *,
    modality: str = "CT",
    about: Mapping[str, Any] | None = None,
    scales: Sequence[tuple[float, float]] | None = None,
    attributes: Mapping[str, Any] | None = None,
    change: Callable[[int, Dataset], None] | None = None,
    start: int = 0,
) -> list[Path]:
    """Write a volume as a classic series, a file a plane.

    Args:
        folder: Made where it is absent.
        stored: ``(x, y, z)`` uint16 or int16, the values before the scale.
        affine_mm: Voxel to RAS+ millimetres. Its first two columns are perpendicular; the third may be anything.
        modality: ``CT`` or ``MR``.
        about: As in `preceptor.intake.synthesis.phantom_dicom.write_mr_series`.
        scales: ``(slope, intercept)`` of each plane.
        attributes: Set in every file.
        change: Called with the number and the data set of each plane before it is written.
        start: Number of the first file, so that several calls fill one folder.

    Returns:
        The files, in order of their planes.
    """
    folder.mkdir(exist_ok=True, parents=True)
    lps = _TO_LPS @ affine_mm
    written = []
    for k in range(stored.shape[2]):
        data = _header(modality, stored, affine_mm, about, start + k + 1, is_enhanced=False)
        data.PixelSpacing, data.ImageOrientationPatient, data.SliceThickness = _measures(lps)
        data.ImagePositionPatient = _decimals((lps @ [0, 0, k, 1])[:3])
        if scales is not None:
            data.RescaleSlope, data.RescaleIntercept = map(float, scales[k])
        data.PixelData = np.ascontiguousarray(stored[:, :, k].T).tobytes()
        for name, value in (attributes or {}).items():
            setattr(data, name, value)
        if change is not None:
            change(k, data)
        written.append(folder / f"{start + k:04}")
        data.save_as(written[-1], enforce_file_format=True)
    return written


def write_enhanced(
    path: Path,
    stored: np.ndarray,
    affine_mm: np.ndarray,
    *,
    modality: str = "CT",
    order: Sequence[int] | None = None,
    scales: Sequence[tuple[float, float]] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a volume as one enhanced file of several frames.

    Args:
        path: The file.
        stored, affine_mm, modality, scales, about: As in `write_planes`.
        order: Which plane each frame holds; as they lie by default.
    """
    from pydicom.dataset import Dataset

    order = range(stored.shape[2]) if order is None else order
    lps = _TO_LPS @ affine_mm
    data = _header(modality, stored, affine_mm, about, 1, is_enhanced=True)
    spacing, orientation, thickness = _measures(lps)
    shared, measures, turned = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = spacing, thickness
    turned.ImageOrientationPatient = orientation
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turned]
    frames = []
    for k in order:
        frame, position, scale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = _decimals((lps @ [0, 0, k, 1])[:3])
        scale.RescaleSlope, scale.RescaleIntercept = map(float, (1, 0) if scales is None else scales[k])
        scale.RescaleType = "HU" if modality == "CT" else "US"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [scale]
        frames.append(frame)
    data.NumberOfFrames = len(frames)
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], frames
    data.PixelData = np.ascontiguousarray(stored[:, :, list(order)].transpose(2, 1, 0)).tobytes()
    data.save_as(path, enforce_file_format=True)


def _header(
    modality: str,
    stored: np.ndarray,
    affine_mm: np.ndarray,
    about: Mapping[str, Any] | None,
    instance: int,
    *,
    is_enhanced: bool,
) -> FileDataset:
    about = {**_ABOUT, **(about or {})}
    data = new_identity(_KINDS[modality, is_enhanced], about, instance)
    data.Modality, data.PatientPosition = modality, "HFS"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL" if modality == "CT" else "OTHER"]
    data.FrameOfReferenceUID = phantom_uid("frame", about["patient"], about["study"])
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Columns, data.Rows = stored.shape[:2]
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = int(stored.dtype.kind == "i")
    return data


def _measures(lps: np.ndarray) -> tuple[list[str], list[str], str]:
    """Spacing between rows and columns, cosines of both, and the thickness as far as the step goes along the normal."""
    across, down = lps[:3, 0], lps[:3, 1]
    lengths = np.linalg.norm([across, down], axis=1)
    cosines = np.concatenate([across / lengths[0], down / lengths[1]])
    normal = np.cross(cosines[:3], cosines[3:])
    return _decimals(lengths[::-1]), _decimals(cosines), _decimals([float(abs(lps[:3, 2] @ normal))])[0]


def _decimals(values: Sequence[float] | np.ndarray) -> list[str]:
    """Decimal strings of at most 16 letters, as exact as that allows."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value)) for value in values]
