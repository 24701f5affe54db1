"""One tidy table of what DICOM headers say: a row for each series or file, units in the names of the columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from preceptor.core.errors import PrepareError

from ..dicom.collecting import collect
from ..dicom.file import check_deflated
from ..dicom.fitness import refuse_deep
from ..dicom.guard import guarded
from ..dicom.scanning import series_key
from ..naming import case_key
from .age import Age, age_at_study
from .dates import Moment, date_of, moment_of, offset_of, time_of
from .frame_rate import FrameRate, frame_rate
from .mr_contrast import MrTags, field_strength_t, mr_contrast

if TYPE_CHECKING:
    from pydicom import Dataset

#: Column: attribute, and how it is read.
_TEXT = {
    "modality": "Modality",
    "sex": "PatientSex",
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "kernel": "ConvolutionKernel",
    "view_position": "ViewPosition",
    "body_part": "BodyPartExamined",
    "patient_position": "PatientPosition",
    "photometric": "PhotometricInterpretation",
    "burned_in_annotation": "BurnedInAnnotation",
    "lossy_compression": "LossyImageCompression",
    "image_type": "ImageType",
}
_NUMBERS = {
    "slice_thickness_mm": "SliceThickness",
    "slice_step_mm": "SpacingBetweenSlices",
    "tube_voltage_kv": "KVP",
    "tube_current_ma": "XRayTubeCurrent",
    "exposure_mas": "Exposure",
    "weight_kg": "PatientWeight",
    "bits_stored": "BitsStored",
    "columns_px": "Columns",
    "rows_px": "Rows",
    "frames": "NumberOfFrames",
}
_MR_NUMBERS = {
    "repetition_time_ms": ("RepetitionTime",),
    "echo_time_ms": ("EchoTime", "EffectiveEchoTime"),
    "inversion_time_ms": ("InversionTime", "InversionTimes"),
    "flip_angle_deg": ("FlipAngle",),
}
_MR_NAMES = ("SequenceName", "PulseSequenceName", "SeriesDescription", "ProtocolName")
_NEVER_VARYING = ("findings", "files", "varying", "series", "study", "patient")


def tag_rows(
    source: Path, level: Literal["series", "file"] = "series", tell: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """What the headers below a folder say.

    Args:
        source: A folder, a DICOMDIR or one file.
        level: A row for each series (its first file by name; ``varying`` names the columns in which others differ), or
            for each file.
        tell: Is told how many of how many series are done.

    Returns:
        Rows of the same columns; what is absent or damaged is None. Descriptions, names and numbers that lead to a
        person are not among them; patient, study and series are keys.

    Raises:
        CohortError: The source is absent.
    """
    found = collect(Path(source))
    rows: list[dict[str, Any]] = []
    for number, (identity, files) in enumerate(found.series.items(), start=1):
        of_files = [row for path in files if (row := _row(path, identity)) is not None]
        if level == "file":
            rows += of_files
        elif of_files:
            rows.append(_of_series(of_files))
        if tell is not None:
            tell(number, len(found.series))
    return rows


def describe(header: Dataset) -> dict[str, Any]:
    """The columns of one header, without its keys.

    Args:
        header: Without pixels.

    Returns:
        ``{column: value}``; ``findings`` names what is wrong with the tags, by code.
    """
    findings: list[str] = []
    row: dict[str, Any] = {name: _text(header.get(keyword)) for name, keyword in _TEXT.items()}
    row |= {name: _number(_anywhere(header, keyword)) for name, keyword in _NUMBERS.items()}
    row |= {name: _first_number(header, keywords) for name, keywords in _MR_NUMBERS.items()}
    row["laterality"] = _text(header.get("ImageLaterality")) or _text(header.get("Laterality"))
    row["contrast_agent"] = bool(_text(header.get("ContrastBolusAgent")))
    row["transfer_syntax"] = _text(getattr(header, "file_meta", {}).get("TransferSyntaxUID"))
    row["field_strength_t"], told = field_strength_t(_number(_anywhere(header, "MagneticFieldStrength")))
    findings += told
    _describe_contrast(header, row)
    _describe_times(header, row, findings)
    _describe_age(header, row, findings)
    _describe_rate(header, row, findings)
    row["findings"] = ";".join(dict.fromkeys(findings))
    return row


def _row(path: Path, identity: tuple[str, str]) -> dict[str, Any] | None:
    """One file's row; None where its header can't be read, which `scan` tells."""
    from pydicom import dcmread

    try:
        with guarded(path):
            check_deflated(path)
            header = dcmread(path, stop_before_pixels=True)
            refuse_deep(header, path)
            keys = {
                "series": series_key(identity),
                "study": case_key(identity[0], prefix="study") if identity[0] else None,
                "patient": case_key(patient, prefix="patient") if (patient := _text(header.get("PatientID"))) else None,
                "files": 1,
            }
            return {**keys, **describe(header), "varying": ""}
    except PrepareError:
        return None


def _of_series(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    row = dict(rows[0])
    row["files"] = len(rows)
    differing = [name for name in row if name not in _NEVER_VARYING and any(each[name] != row[name] for each in rows)]
    row["varying"] = ";".join(differing)
    row["findings"] = ";".join(dict.fromkeys(code for each in rows for code in each["findings"].split(";") if code))
    return row


def _describe_contrast(header: Dataset, row: dict[str, Any]) -> None:
    sequences = header.get("ScanningSequence")
    row["scanning_sequence"] = _text(sequences)
    row["mr_contrast"] = row["mr_contrast_by"] = None
    if row["modality"] == "MR":
        row["mr_contrast"], row["mr_contrast_by"] = mr_contrast(
            MrTags(
                sequences=_texts(sequences),
                repetition_ms=row["repetition_time_ms"],
                echo_ms=row["echo_time_ms"],
                inversion_ms=row["inversion_time_ms"],
                flip_deg=row["flip_angle_deg"],
                acquisition_contrast=_text(_anywhere(header, "AcquisitionContrast")) or "",
                names=[text for name in _MR_NAMES if (text := _text(_anywhere(header, name)))],
                image_type=_texts(header.get("ImageType")),
            )
        )


def _describe_times(header: Dataset, row: dict[str, Any], findings: list[str]) -> None:
    for column, keyword in (("study_date", "StudyDate"), ("acquisition_date", "AcquisitionDate")):
        row[column] = None
        try:
            day, notes = date_of(_raw(header, keyword))
            row[column] = None if day is None else day.isoformat()
            findings += [f"date_{note}" for note in notes]
        except ValueError:
            findings.append("date_damaged")
    for column, keyword in (
        ("study_time", "StudyTime"), ("series_time", "SeriesTime"), ("acquisition_time", "AcquisitionTime")
    ):  # fmt: skip
        row[column] = None
        try:
            clock = time_of(_raw(header, keyword))
            if clock is not None:
                row[column] = clock.value.isoformat()
                findings += [f"time_{note}" for note in clock.notes]
        except ValueError:
            findings.append("time_damaged")
    zone = _raw(header, "TimezoneOffsetFromUTC")
    try:
        offset_of(zone)
    except ValueError:
        zone = ""
        findings.append("zone_damaged")
    row["utc_offset"] = zone or None
    row["acquisition_datetime"] = None
    try:
        moment: Moment | None = moment_of(_raw(header, "AcquisitionDateTime"), zone)
        row["acquisition_datetime"] = None if moment is None else str(moment)
    except ValueError:
        findings.append("datetime_damaged")


def _describe_age(header: Dataset, row: dict[str, Any], findings: list[str]) -> None:
    dates = []
    for keyword in ("PatientBirthDate", "StudyDate"):
        try:
            dates.append(date_of(_raw(header, keyword))[0])
        except ValueError:
            dates.append(None)
    age: Age = age_at_study(_raw(header, "PatientAge"), *dates)
    row["age_years"], row["age_by"] = age.years, age.source or None
    findings += age.findings


def _describe_rate(header: Dataset, row: dict[str, Any], findings: list[str]) -> None:
    try:
        vector_ms = [float(each) for each in _texts(header.get("FrameTimeVector"))]
    except ValueError:
        vector_ms = []
        findings.append("frame_times_damaged")
    rate: FrameRate = frame_rate(
        int(row["frames"] or 1),
        vector_ms=vector_ms,
        frame_time_ms=_number(header.get("FrameTime")),
        display_hz=_number(header.get("RecommendedDisplayFrameRate")),
        cine_hz=_number(header.get("CineRate")),
        acquired_s=_acquired_s(header),
    )
    row["frame_time_ms"], row["frame_rate_hz"] = rate.frame_time_ms, rate.rate_hz
    row["frame_rate_by"], row["frame_rate_is_for_display"] = rate.source or None, rate.is_for_display
    findings += rate.findings


def _acquired_s(header: Dataset) -> list[float]:
    """Seconds at which the frames of an enhanced film were taken; empty where one is not said, or two are the same."""
    moments = []
    for frame in header.get("PerFrameFunctionalGroupsSequence") or []:
        for content in (frame.get("FrameContentSequence") or [])[:1]:
            try:
                moments.append(moment_of(_raw(content, "FrameAcquisitionDateTime")))
            except ValueError:
                return []
    told = [each for each in moments if each is not None]
    if len(told) < 2 or len(told) < len(moments):
        return []
    seconds = [(each.value - told[0].value).total_seconds() for each in told]
    return seconds if len(set(seconds)) == len(seconds) else []


def _anywhere(header: Dataset, keyword: str) -> Any:
    """An attribute of the header, or of the shared or first frame's groups of an enhanced file."""
    if keyword in header:
        return header.get(keyword)
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in (header.get(group) or [])[:1]:
            for element in item:
                if element.VR == "SQ" and element.value and keyword in element.value[0]:
                    return element.value[0].get(keyword)
    return None


def _first_number(header: Dataset, keywords: Sequence[str]) -> float | None:
    """The first that is a number above zero: zero is how absent times are written."""
    return next((value for each in keywords if (value := _number(_anywhere(header, each)))), None)


def _raw(header: Dataset, keyword: str) -> str:
    """The text as it stands in the file."""
    return next(iter(_texts(header.get(keyword))), "")


def _texts(value: Any) -> list[str]:
    if value is None or isinstance(value, bytes):
        return []
    many = not isinstance(value, str) and hasattr(value, "__iter__")
    return [str(getattr(each, "original_string", each)).strip(" \0") for each in (value if many else [value])]


def _text(value: Any) -> str | None:
    return "\\".join(_texts(value)) or None


def _number(value: Any) -> float | None:
    try:
        number = float(next(iter(_texts(value)), "nan"))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
