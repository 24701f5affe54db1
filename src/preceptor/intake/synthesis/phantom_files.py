"""Phantoms on disk: each file whole or not there, the same bytes every time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.files import write_aside

from .phantom_dicom import write_mr_series, write_radiograph
from .phantom_plan import Plan


def _affine(plan: Plan) -> np.ndarray:
    """Centre of the field of view at the origin; a flat image lies in the axial plane."""
    affine = np.eye(4)
    for axis, (size, step) in enumerate(zip(plan.size, plan.step_mm, strict=True)):
        affine[axis, axis], affine[axis, 3] = step, -(size - 1) / 2 * step
    return affine


def _format(plan: Plan, site: int) -> str:
    return plan.format if plan.format != "mixed" else ("dicom", "nifti")[site % 2]


def write_image(
    plan: Plan, root: Path, source: str, scan: Callable[[], np.ndarray], about: Mapping[str, Any], site: int
) -> str:
    """Write one image in the format of its site, unless it is there.

    Args:
        plan: The study's.
        root: The study's folder.
        source: Where the image goes, without its suffix.
        scan: Makes the grey values ``(*size)`` in 0..1; asked only where the file is missing.
        about: As in `preceptor.intake.synthesis.phantom_dicom.write_mr_series`.
        site: Number of the site.

    Returns:
        The image's source, relative to `root`.
    """
    kind = _format(plan, site)
    flat = len(plan.size) == 2
    source += {"nifti": ".nii.gz", "png": ".png", "dicom": ".dcm" if flat else ""}[kind]
    path = root / source
    if path.exists():
        return source
    path.parent.mkdir(exist_ok=True)
    grey = scan()
    if kind == "dicom" and not flat:
        aside = path.with_name(f".{path.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        write_mr_series(aside, np.rint(1000 * grey).astype(np.uint16), _affine(plan), about)
        aside.replace(path)
        return source
    with write_aside(path, durable=False) as aside:  # it can be made again
        if kind == "dicom":
            write_radiograph(aside, np.rint(1000 * grey).astype(np.uint16), plan.step_mm, about)
        elif kind == "nifti":
            _write_nifti(aside, np.rint(1000 * grey).astype(np.int16), _affine(plan))
        else:
            _write_png(aside, np.rint(255 * grey).astype(np.uint8))
    return source


def write_mask(plan: Plan, root: Path, key: str, truth: np.ndarray, site: int) -> str:
    """Write one label map, unless it is there, in the voxel order that its image has in the file.

    Args:
        plan: The study's.
        root: The study's folder.
        key: Of the case.
        truth: ``(*size)`` values of the label map.
        site: Number of the site.

    Returns:
        The mask's source, relative to `root`.
    """
    source = f"masks/{key}" + (".png" if plan.format == "png" else ".nii.gz")
    path = root / source
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with write_aside(path, durable=False) as aside:  # it can be made again
            if plan.format == "png":
                _write_png(aside, truth.astype(np.uint8))
            elif _format(plan, site) == "dicom" and truth.ndim == 3:
                turned = np.diag([-1.0, -1.0, 1.0, 1.0]) @ _affine(plan)  # the field of view is centred
                _write_nifti(aside, truth[::-1, ::-1].astype(np.uint8), turned)
            else:
                _write_nifti(aside, truth.astype(np.uint8), _affine(plan))
    return source


def _write_nifti(path: Path, array: np.ndarray, affine_mm: np.ndarray) -> None:
    import nibabel

    image = nibabel.Nifti1Image(array, affine_mm)
    image.header.set_xyzt_units("mm")
    path.write_bytes(_gzip(image.to_bytes()))


def _gzip(content: bytes) -> bytes:
    """Compressed without a time stamp: the same bytes every time."""
    import gzip

    return gzip.compress(content, 1, mtime=0)  # most of it is noise: more effort saves nothing


def _write_png(path: Path, array: np.ndarray) -> None:
    from PIL import Image as Pillow

    Pillow.fromarray(np.ascontiguousarray(array.T)).save(path, format="PNG")
