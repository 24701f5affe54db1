"""Phantoms written as DICOM: an MR series of a file a slice, or one computed-radiography image.

Every identifier follows from the names given, so the same phantom makes the same bytes. Files say that no scanner made
them: the manufacturer is the program, and patients are named after their number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pydicom.dataset import Dataset, FileDataset

_MR = "1.2.840.10008.5.1.4.1.1.4"
_CR = "1.2.840.10008.5.1.4.1.1.1"
_MICROSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.2"
_CAPTURED_FRAMES = "1.2.840.10008.5.1.4.1.1.7.2"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"


def write_mr_series(folder: Path, grey: np.ndarray, affine_mm: np.ndarray, about: Mapping[str, Any]) -> None:
    """Write a volume as an axial MR series, a file a slice.

    Args:
        folder: An empty folder.
        grey: ``(x, y, z)`` uint16, axes along RAS+ (the phantom's own frame).
        affine_mm: Voxel index to RAS+ millimetres, without rotation.
        about: ``patient, study, series, site, sex, age`` of the image, and ``body_part``; see `new_identity`.
    """
    spacing = np.diag(affine_mm)[:3]
    left_posterior = grey[::-1, ::-1]  # DICOM's first two axes run to the patient's left and back
    first_voxel = affine_mm @ [grey.shape[0] - 1, grey.shape[1] - 1, 0, 1]
    origin = np.array([-first_voxel[0], -first_voxel[1], first_voxel[2]])
    for place in range(grey.shape[2]):
        data = new_identity(_MR, about, place + 1)
        data.Modality, data.BodyPartExamined = "MR", about.get("body_part", "HEAD")
        data.FrameOfReferenceUID = phantom_uid("frame", about["patient"], about["study"])
        data.PositionReferenceIndicator = None
        data.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        data.ScanningSequence, data.SequenceVariant, data.ScanOptions = "SE", "NONE", None
        data.MRAcquisitionType = "2D"
        data.RepetitionTime, data.EchoTime, data.EchoTrainLength = "2000", "80", "1"
        data.MagneticFieldStrength = "1.5"
        data.PatientPosition = "HFS"
        data.SliceThickness = _text(spacing[2])
        data.SpacingBetweenSlices = _text(spacing[2])
        data.PixelSpacing = [_text(spacing[1]), _text(spacing[0])]
        data.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
        position = origin + [0, 0, place * spacing[2]]
        data.ImagePositionPatient = [_text(each) for each in position]
        data.SliceLocation = _text(position[2])
        _pixels(data, left_posterior[:, :, place].T)
        data.save_as(folder / f"{place + 1:04}.dcm", enforce_file_format=True)


def write_radiograph(path: Path, grey: np.ndarray, spacing_mm: tuple[float, ...], about: Mapping[str, Any]) -> None:
    """Write a picture as a computed radiograph.

    Args:
        path: The file.
        grey: ``(x, y)`` uint16, x to the right and y down as displayed.
        spacing_mm: Between pixels along x and y, at the detector.
        about: As in `write_mr_series`, and ``view``: "frontal" is taken from front to back, "lateral" from the side.
    """
    data = new_identity(_CR, about, 1)
    data.Modality = "CR"
    data.BodyPartExamined = "CHEST"
    data.ViewPosition = "LL" if about.get("view") == "lateral" else "AP"
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.PatientOrientation = ["P", "F"] if about.get("view") == "lateral" else ["L", "F"]
    data.ImagerPixelSpacing = [_text(spacing_mm[1]), _text(spacing_mm[0])]
    data.PixelSpacing = data.ImagerPixelSpacing
    data.PixelSpacingCalibrationType = "GEOMETRY"
    data.PixelSpacingCalibrationDescription = "phantom"
    data.WindowCenter, data.WindowWidth = "500", "1000"
    _pixels(data, grey.T)
    data.save_as(path, enforce_file_format=True)


def write_colour_picture(path: Path, colours: np.ndarray, about: Mapping[str, Any]) -> None:
    """Write a picture as a visible-light microscopic image.

    Args:
        path: The file.
        colours: ``(3, x, y)`` uint8, x to the right and y down as displayed.
        about: As in `write_mr_series`.
    """
    data = new_identity(_MICROSCOPY, about, 1)
    data.Modality = "GM"
    data.ImageType = ["ORIGINAL", "PRIMARY"]
    data.PatientOrientation, data.LossyImageCompression, data.Laterality = "", "00", ""
    data.AcquisitionContextSequence = []
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.Rows, data.Columns = colours.shape[2], colours.shape[1]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    pixels = np.ascontiguousarray(colours.transpose(2, 1, 0)).tobytes()
    data.PixelData = pixels + b"\0" * (len(pixels) % 2)
    data.save_as(path, enforce_file_format=True)


def write_film(path: Path, frames: np.ndarray, time_step_s: float, about: Mapping[str, Any]) -> None:
    """Write a flat film as a multi-frame secondary capture: no modality is claimed that did not take it.

    Args:
        path: The file.
        frames: ``(time, x, y)`` uint8, x to the right and y down as displayed.
        time_step_s: From one frame to the next.
        about: As in `write_mr_series`; with ``burned_text`` other than an empty list the file says that names are in it.
    """
    data = new_identity(_CAPTURED_FRAMES, about, 1)
    data.Modality, data.ConversionType = "OT", "SYN"
    data.ImageType = ["DERIVED", "PRIMARY"]
    data.PatientOrientation, data.Laterality = "", ""
    data.BurnedInAnnotation = "NO" if about.get("burned_text", "[]") == "[]" else "YES"
    data.NumberOfFrames, data.FrameIncrementPointer = len(frames), 0x00181063
    data.FrameTime = _text(1000 * time_step_s)
    data.PresentationLUTShape = "IDENTITY"
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "0", "1", "US"
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = frames.shape[2], frames.shape[1]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 8, 8, 7, 0
    pixels = np.ascontiguousarray(frames.transpose(0, 2, 1)).tobytes()
    data.PixelData = pixels + b"\0" * (len(pixels) % 2)
    data.save_as(path, enforce_file_format=True)


def new_identity(kind: str, about: Mapping[str, Any], instance: int) -> FileDataset:
    """Patient, study, series and equipment: what every image carries.

    Args:
        kind: SOP class.
        about: ``patient``, ``study``, ``series`` (names), ``site``, ``sex`` (F or M), ``age`` (years).
        instance: Number in the series.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID

    names = (about["patient"], about["study"], about["series"])
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(kind)
    meta.MediaStorageSOPInstanceUID = UID(phantom_uid("image", *names, str(instance)))
    meta.TransferSyntaxUID = UID(_EXPLICIT_LITTLE_ENDIAN)
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    data.SpecificCharacterSet = "ISO_IR 192"
    data.PatientName, data.PatientID = f"Phantom^{about['patient']}", str(about["patient"])
    data.PatientSex, data.PatientAge, data.PatientBirthDate = about["sex"], f"{int(about['age']):03}Y", ""
    data.StudyInstanceUID = phantom_uid("study", *names[:2])
    data.SeriesInstanceUID = phantom_uid("series", *names)
    data.StudyID, data.AccessionNumber = "1", ""
    data.SeriesNumber, data.InstanceNumber, data.AcquisitionNumber = "1", str(instance), "1"
    data.StudyDate = data.SeriesDate = data.ContentDate = data.AcquisitionDate = "20200101"
    data.StudyTime = data.SeriesTime = data.ContentTime = data.AcquisitionTime = "120000"
    data.ReferringPhysicianName, data.StudyDescription, data.SeriesDescription = "", "Phantom", str(about["series"])
    data.Manufacturer, data.ManufacturerModelName = "preceptor", "phantom"
    data.DeviceSerialNumber, data.SoftwareVersions = "0", "1"
    data.InstitutionName = str(about["site"])
    return data


def _pixels(data: Dataset, rows: np.ndarray) -> None:
    """Twelve significant bits in sixteen, rows from the top."""
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = rows.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = np.ascontiguousarray(rows, dtype="<u2").tobytes()


def phantom_uid(*names: str) -> str:
    """An identifier that follows from names: the root 2.25 takes any 128-bit number (PS3.5, B.2)."""
    digest = hashlib.sha256("/".join(["preceptor phantom", *names]).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _text(number: float) -> str:
    """A number as a DICOM decimal string (at most 16 letters)."""
    return f"{float(number):.6g}"
