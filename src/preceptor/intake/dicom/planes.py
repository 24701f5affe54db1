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
class Placement:
    """Where a plane lies in the patient, LPS.

    Args:
        position_mm: Centre of the first pixel, ``(3,)``.
        orientation: Row cosine and column cosine, ``(6,)``.
        spacing_mm: Between rows, between columns.
        thickness_mm: Of the slice, which is not the step from one to the next; None where not said.
        repeats: Values of what may repeat a plane at one position (time, echo, b-value …), as text.
    """

    position_mm: np.ndarray
    orientation: np.ndarray
    spacing_mm: tuple[float, float]
    thickness_mm: float | None = None
    repeats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plane:
    """One plane of pixels, from the header alone.

    Args:
        file: Number of its file in the series, by name, from 0.
        frame: Number of the frame in its file, or None where the file holds one.
        placement: Where it lies; None where the file does not say.
        slope, intercept: Of the modality's linear scale.
    """

    file: int
    frame: int | None
    placement: Placement | None
    slope: float = 1.0
    intercept: float = 0.0


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
            return [replace(plane, frame=index, placement=None) for index in range(number)]  # one position: whose?
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
    slope, intercept = macros.get("RescaleSlope"), macros.get("RescaleIntercept")
    scale = [default if value in (None, "") else float(value) for value, default in ((slope, 1.0), (intercept, 0.0))]
    if not np.isfinite(scale).all():
        raise ValueError
    return Plane(file, frame, _placement(macros), *scale)


def _placement(macros: _Macros) -> Placement | None:
    position = _numbers(macros.get("ImagePositionPatient"), 3)
    orientation = _numbers(macros.get("ImageOrientationPatient"), 6)
    spacing = _numbers(macros.get("PixelSpacing"), 2)
    if position is None or orientation is None or spacing is None:
        return None
    thickness = macros.get("SliceThickness")
    repeats = {name: macros.get(name) for name in _REPEATED_BY}
    repeats["TemporalPositionIdentifier"] = repeats["TemporalPositionIdentifier"] or macros.get("TemporalPositionIndex")
    return Placement(
        position,
        orientation,
        (float(spacing[0]), float(spacing[1])),
        None if thickness in (None, "") else float(thickness),
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
