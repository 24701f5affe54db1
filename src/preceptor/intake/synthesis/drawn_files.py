"""Drawn cases on disk: NIfTI, PNG or DICOM, the same bytes every time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from preceptor.core.errors import RecipeError
from preceptor.core.files import write_aside
from preceptor.core.image import Image

from ..write import write_image as write_file
from .phantom_dicom import write_colour_picture, write_film, write_mr_series, write_radiograph

Format = Literal["nifti", "png", "dicom"]


def write_drawn(folder: Path, source: str, image: Image, kind: Format, about: Mapping[str, Any]) -> str:
    """Write one image of a drawn case.

    Grey values of 0 to 1 become thousandths (NIfTI, which keeps what lies outside, and DICOM, which does not) or 255ths
    (PNG, and colours and DICOM's films).

    Args:
        folder: Of the study.
        source: Where the image goes inside it, without its suffix.
        image: As a phantom drew it.
        kind: The format.
        about: ``patient, study, series, site, sex, age``, for DICOM.

    Returns:
        Its source, relative to `folder`: a file, or the folder of a series.

    Raises:
        RecipeError: The format does not hold such an image.
    """
    colour = image.channels == 3
    if kind == "nifti":
        shown = _scaled(image, 255, np.uint8) if colour else _scaled(image, 1000, np.int16)
        write_file(_below(folder, f"{source}.nii.gz"), shown)
        return f"{source}.nii.gz"
    flat_film = image.has_time and image.space_dims == 2 and kind == "dicom" and not colour
    if (image.has_time and not flat_film) or (image.space_dims == 3 and (kind == "png" or colour)):
        what = "such a film" if image.has_time else "a volume in colour" if colour else "a volume"
        raise RecipeError(
            f"{kind.upper()} is not written for {what}",
            expected="nifti" if colour or image.has_time else "nifti or dicom",
            remedy="take another format, or an image of two axes",
            code="phantom_format",
        )
    if kind == "png":
        write_file(_below(folder, f"{source}.png"), _scaled(image, 255, np.uint8))
        return f"{source}.png"
    if image.space_dims == 2:
        path = _below(folder, f"{source}.dcm")
        with write_aside(path, durable=False) as aside:  # it can be made again
            if flat_film:
                write_film(aside, _scaled(image, 255, np.uint8).array[0], image.meta["time_step_s"], about)
            elif colour:
                write_colour_picture(aside, _scaled(image, 255, np.uint8).array, about)
            else:
                write_radiograph(aside, _scaled(image, 1000, np.uint16).array[0], image.spacing_mm, about)
        return f"{source}.dcm"
    path = _below(folder, source)
    aside = path.with_name(f".{path.name}.part")
    for each in (aside, path):
        shutil.rmtree(each, ignore_errors=True)
    aside.mkdir()
    write_mr_series(aside, _scaled(image, 1000, np.uint16).array[0], image.affine_mm, about)
    aside.replace(path)
    return source


def write_truth(folder: Path, source: str, mask: Image, kind: Format) -> str:
    """Write a label map in the voxel order that the case's image has in its file.

    Args:
        folder: Of the study.
        source: Where it goes, without its suffix.
        mask: As a phantom drew it.
        kind: The format of the image; a map beside DICOM is NIfTI where it has three axes, PNG where two.

    Returns:
        Its source, relative to `folder`.

    Raises:
        RecipeError: It is a film's, which neither PNG nor NIfTI hold as DICOM's films are read.
    """
    if mask.has_time and kind != "nifti":
        raise RecipeError(
            f"no label map of a film is written beside {kind.upper()}",
            expected="nifti",
            remedy="take NIfTI, or a kind's setting that shows views instead of a film",
            code="phantom_format",
        )
    largest = int(mask.array.max(initial=0))
    whole = replace(mask, array=mask.array.astype(np.uint8 if largest < 256 else np.uint16))
    if mask.space_dims == 2 and kind != "nifti":
        write_file(_below(folder, f"{source}.png"), whole)
        return f"{source}.png"
    if kind == "dicom":  # a series is stored with its first two axes towards the patient's left and back
        turned = whole.affine_mm.copy()
        for axis in (0, 1):
            turned[:3, 3] += turned[:3, axis] * (mask.shape[axis] - 1)
            turned[:3, axis] *= -1
        whole = whole.with_array(np.ascontiguousarray(whole.array[:, ::-1, ::-1]), turned)
    write_file(_below(folder, f"{source}.nii.gz"), whole)
    return f"{source}.nii.gz"


def _scaled(image: Image, unit: int, kind: type[np.integer[Any]]) -> Image:
    bounds = np.iinfo(kind)
    top = unit if bounds.min == 0 else bounds.max
    whole = np.clip(np.rint(unit * image.array.astype(np.float64)), bounds.min, top)
    return replace(image, array=whole.astype(kind))


def _below(folder: Path, source: str) -> Path:
    path = folder / source
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
