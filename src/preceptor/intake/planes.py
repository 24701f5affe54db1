"""Where each plane of a DICOM file lies, from its header alone: position, orientation, spacing, scale, repeats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .guard import guarded

if TYPE_CHECKING:
    from pydicom import Dataset

#: What a plane is repeated by at one position, in the order they are tried.
_REPEATED_BY = (
    "TemporalPositionIdentifier",
    "EchoNumbers",
    "EchoTime",
    "DiffusionBValue",
    "NominalCardiacTriggerDelayTime",
    "TriggerTime",
    "AcquisitionNumber",
    "AcquisitionTime",
    "ContentTime",
)


@dataclass(frozen=True)
class Plane:
    """One plane of pixels and where it lies, from the header alone.

    Args:
        file: Number of its file in the series, by name, from 0.
        frame: Number of the frame in its file, or None where the file holds one.
        position_mm: Centre of the first pixel, LPS; None where the file does not say.
        orientation: Row cosine and column cosine, ``(6,)`` LPS.
        spacing_mm: Between rows, between columns.
        slope, intercept: Of the modality's linear scale.
        thickness_mm: Of the slice, which is not the step from one to the next.
        repeats: Values of what may repeat a plane at one position (time, echo, b-value …).
    """

    file: int
    frame: int | None
    position_mm: np.ndarray | None
    orientation: np.ndarray | None
    spacing_mm: tuple[float, float] | None
    slope: float = 1.0
    intercept: float = 0.0
    thickness_mm: float | None = None
    repeats: Mapping[str, Any] = field(default_factory=dict)


def planes(dataset: Dataset, file: int, path: Path) -> list[Plane]:
    """Where each plane of a file lies; for several frames the shared and the per-frame groups are looked through.

    Raises:
        PrepareError: A position, orientation or spacing is no set of finite numbers.
    """
    with guarded(path):
        frames = dataset.get("PerFrameFunctionalGroupsSequence")
        if not frames:
            number = int(dataset.get("NumberOfFrames") or 1)
            plane = _plane(_Macros([dataset]), file, None)
            if number == 1:
                return [plane]
            return [replace(plane, frame=index, position_mm=None) for index in range(number)]  # one position: whose?
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
        return [_plane(_Macros([frame, *shared]), file, index) for index, frame in enumerate(frames)]


class _Macros:
    """Looks an attribute up in the items given and one sequence deep in them, the first that has it winning."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def get(self, name: str) -> Any:
        for item in self._items:
            if name in item:
                return item[name].value
            for element in item:
                if element.VR == "SQ" and element.keyword in _MACROS and element.value and name in element.value[0]:
                    return element.value[0][name].value
        return None


_MACROS = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "MREchoSequence",
    "MRDiffusionSequence",
    "CardiacSynchronizationSequence",
)


def _plane(macros: _Macros, file: int, frame: int | None) -> Plane:
    spacing = _numbers(macros.get("PixelSpacing"), 2)
    slope, intercept = macros.get("RescaleSlope"), macros.get("RescaleIntercept")
    thickness = macros.get("SliceThickness")
    repeats = {name: macros.get(name) for name in _REPEATED_BY}
    repeats["TemporalPositionIdentifier"] = repeats["TemporalPositionIdentifier"] or macros.get("TemporalPositionIndex")
    return Plane(
        file,
        frame,
        _numbers(macros.get("ImagePositionPatient"), 3),
        _numbers(macros.get("ImageOrientationPatient"), 6),
        None if spacing is None else (float(spacing[0]), float(spacing[1])),
        1.0 if slope is None else float(slope),
        0.0 if intercept is None else float(intercept),
        float(thickness) if thickness not in (None, "") else None,
        {name: str(value) for name, value in repeats.items() if value not in (None, "")},
    )


def _numbers(value: Any, count: int) -> np.ndarray | None:
    """Decimal strings as numbers; None where absent. Raises ValueError where they are not `count` finite numbers."""
    if value is None or value == "":
        return None
    numbers = np.asarray([float(each) for each in value])
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise ValueError
    return numbers


def detector_spacing(dataset: Dataset) -> tuple[tuple[float, float] | None, str]:
    """Spacing of a projection (between rows, between columns) and where it is measured.

    ImagerPixelSpacing is at the detector: with a magnification it is brought to the patient, without one it is
    uncalibrated and must not pass for millimetres in the patient.

    Source: DICOM PS3.3 section 10.7.
    """
    spacing = _numbers(dataset.get("PixelSpacing"), 2)
    imager = _numbers(dataset.get("ImagerPixelSpacing"), 2)
    if spacing is not None and (imager is None or not np.allclose(spacing, imager)):
        return (float(spacing[0]), float(spacing[1])), "patient"
    if imager is None:
        return None, "none"
    magnification = float(dataset.get("EstimatedRadiographicMagnificationFactor") or 0)
    if magnification > 0 and math.isfinite(magnification):
        imager = imager / magnification
        return (float(imager[0]), float(imager[1])), "detector over magnification"
    return (float(imager[0]), float(imager[1])), "detector, uncalibrated"
