"""The option to clean pixels: writing is covered first, then the header is cleaned as always."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from preceptor.core.errors import safe_name

from ..dicom.guard import guarded
from .dicom import Cleaned, clean_dicom
from .profile import Settings
from .pseudonyms import Key


def with_clean_pixels(data: bytes, path: Path, settings: Settings, key: Key) -> tuple[Cleaned, dict[str, Any]]:
    """Cover what is written in a file's pixels, then take the patient out of its header.

    Args:
        data: The whole file.
        path: Where it lies, for decoders that run apart.
        settings: The profile.
        key: From which pseudonyms follow.

    Returns:
        The cleaned file, and what was found in its pixels, in numbers.

    Raises:
        PrepareError: The file is damaged, or its pixels can't be vouched for.
        MissingExtra: ``preceptor[ocr]`` is not installed.
    """
    from pydicom import dcmread

    from ..burned_in.pixel_cleaning import clean_pixels

    clean_dicom(data, settings, key, safe_name(path))  # what is refused for its header needs no search of its pixels
    with guarded(path):
        dataset = dcmread(io.BytesIO(data))
    masked, findings = clean_pixels(dataset, path=path)
    out = io.BytesIO()
    with guarded(path):
        masked.save_as(out, enforce_file_format=True)
    made = clean_dicom(out.getvalue(), settings, key, safe_name(path), pixels_cleaned=True)
    flags = [*made.flags, *(["pixels to review"] if findings.needs_review else [])]
    flags = [each for each in flags if "burned" not in each]
    return replace(made, flags=tuple(flags)), findings.to_json()
