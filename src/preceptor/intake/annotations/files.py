"""Files of annotations: what a file is follows from its content, what is written from the form that is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from preceptor.core.errors import RecipeError, safe_name
from preceptor.core.files import write_aside
from preceptor.core.image import UNKNOWN_GEOMETRY, Image
from preceptor.core.parquet import read_parquet
from preceptor.intake.dicom.file import check_deflated
from preceptor.intake.dicom.guard import guarded
from preceptor.intake.naming import case_key
from preceptor.intake.write import write_image

from .asap import read_asap, write_asap
from .coco import is_coco, read_coco, write_coco
from .echonet import read_tracings
from .geojson import is_geojson, read_geojson, write_geojson
from .json_file import annotation_error, read_json
from .mdai import is_mdai, read_mdai, write_mdai
from .painting import as_mask
from .record import Annotation, Annotations, from_table

Form = Literal["mdai", "coco", "geojson", "asap", "seg", "table", "masks"]

#: Of a file's name. What follows the last dot of a UID is a number, and tells images apart.
_SUFFIX = re.compile(r"(?<=[^/])\.[A-Za-z][^./]*$")


def read_annotations(path: Path, like: Image | None = None) -> Annotations:
    """Read a file of any known format: MD.ai, COCO, GeoJSON, ASAP's XML, DICOM SEG or RTSTRUCT, EchoNet's tracings, or a table
    that was written here.

    Args:
        path: The file.
        like: The image it was drawn on: needed for RTSTRUCT, and puts a SEG on its grid.

    Raises:
        CohortError: None of these, or damaged.
        PrepareError: A DICOM file that is damaged or fits no grid.
        RecipeError: An RTSTRUCT without its image.
    """
    path = Path(path)
    if not path.is_file():
        raise annotation_error(
            path, "the file is not there", "a file of annotations", "file_absent", "look at the path"
        )
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:] == b"DICM":
        return _read_dicom(path, like)
    if start.startswith(b"PAR1") or path.suffix in (".csv", ".tsv"):
        return _read_table(path)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return read_asap(path, path.stem)
    content = read_json(path)
    if is_mdai(content):
        return read_mdai(path)
    if is_coco(content):
        return read_coco(path)
    if is_geojson(content):
        return read_geojson(path, path.stem)
    expected = "MD.ai, COCO, GeoJSON, ASAP XML, DICOM SEG or RTSTRUCT, or a table with case, label, kind, geometry"
    raise annotation_error(path, "the file is of no known format of annotations", expected, "annotation_format")


def _read_dicom(path: Path, like: Image | None) -> Annotations:
    from pydicom import dcmread

    from .dicom_seg import read_segmentation
    from .rtstruct import STRUCTURE_SET, read_structures

    with guarded(path):
        check_deflated(path)
        kind = str(dcmread(path, stop_before_pixels=True).get("SOPClassUID", ""))
    if kind != STRUCTURE_SET:
        return read_segmentation(path, like)
    if like is None:
        raise RecipeError(
            "contours in millimetres need the image they were drawn on",
            where=safe_name(path),
            expected="--image FOLDER",
            remedy="name the folder of the DICOM series, or its NIfTI file",
            code="image_needed",
        )
    return read_structures(path, like)


def _read_table(path: Path) -> Annotations:
    import pandas

    try:
        if path.suffix in (".csv", ".tsv"):
            text = dict.fromkeys(("case", "label", "reader", "series", "image"), str)
            table = pandas.read_csv(path, sep="\t" if path.suffix == ".tsv" else ",", dtype=text)
        else:
            table, _ = read_parquet(path)
    except (ValueError, OSError) as error:
        raise annotation_error(
            path, "the table can't be read", "a whole CSV, TSV or Parquet", "annotation_table"
        ) from error
    if {"X1", "Y1", "X2", "Y2", "Frame"} <= set(table.columns):
        return read_tracings(path)
    return from_table(table)


def form_of(path: Path, asked: Form | None) -> Form:
    """The form that is asked for, or that the file's suffix tells.

    Raises:
        RecipeError: Neither tells.
    """
    told: dict[str, Form] = {
        ".csv": "table",
        ".parquet": "table",
        ".dcm": "seg",
        ".geojson": "geojson",
        ".xml": "asap",
        "": "masks",
    }
    form = asked or told.get(Path(path).suffix)
    if form is None:
        raise RecipeError(
            f"what is to be written does not follow from '{Path(path).suffix}'",
            expected=f"--to {' | '.join(get_args(Form))}",
            remedy="MD.ai and COCO are both JSON: name one",
            code="form_unknown",
        )
    return form


def write_annotations(path: Path, annotations: Annotations, form: Form, image: Path | None = None) -> list[str]:
    """Write annotations.

    Args:
        path: The file; of ``masks`` a folder, which must not hold any yet.
        annotations: From any format.
        form: ``mdai``, ``coco``, ``geojson``, ``asap`` (XML), ``seg`` (needs `image`), ``table``, or ``masks``: a file of 0 and
            1 for every label and image, ``LABEL/IMAGE.png`` or ``.nii.gz``, below a folder for each reader where there are
            several.
        image: Folder of the DICOM series that a segmentation belongs to.

    Returns:
        What the form can't hold, a line each.

    Raises:
        RecipeError: A segmentation without its series, or a folder that is not empty.
    """
    path = Path(path)
    if form == "mdai":
        return write_mdai(path, annotations)
    if form == "coco":
        return write_coco(path, annotations)
    if form == "geojson":
        return write_geojson(path, annotations)
    if form == "asap":
        return write_asap(path, annotations)
    if form == "masks":
        return _write_masks(path, annotations)
    if form == "seg":
        from .dicom_seg import write_segmentation

        if image is None or not image.is_dir():
            raise RecipeError(
                "a segmentation belongs to a series",
                expected="--image FOLDER of the DICOM series",
                code="image_needed",
            )
        return write_segmentation(path, annotations, image)
    table = annotations.table()
    with write_aside(path) as aside:
        if path.suffix == ".parquet":
            table.to_parquet(aside, index=False)
        else:
            table.to_csv(aside, index=False)
    return []


def shape_of(row: Annotation, annotations: Annotations) -> tuple[int, ...] | None:
    """Voxels of the image that a row is drawn on; None where nobody says."""
    if row.kind == "mask":
        return tuple(row.geometry["shape"])
    return annotations.sizes.get(row.image or row.case)


def _write_masks(folder: Path, annotations: Annotations) -> list[str]:
    if folder.exists() and any(folder.iterdir()):
        raise RecipeError(
            "the folder is not empty", where=folder.name, expected="a new folder for the masks", code="folder_taken"
        )
    painted: dict[tuple[str, ...], np.ndarray] = {}
    affines: dict[tuple[str, ...], np.ndarray] = {}
    readers = annotations.readers
    meant: dict[tuple[str, ...], tuple[Any, ...]] = {}
    left = 0

    def place(reader: str | None, label: str, image: str, frame: int | None = None) -> tuple[str, ...]:
        names = (*([reader or "unnamed"] if len(readers) > 1 else ()), label, _SUFFIX.sub("", image))
        at = tuple(case_key(name, keep_names=True) for name in names)
        whole = reader, label, image, frame
        if meant.setdefault(at, whole) != whole:
            raise RecipeError(
                "two labels, readers, images or frames would be written to one file",
                where="masks",
                expected="one frame an image, and names that differ in letters, digits, dots or dashes",
                code="names_alike",
            )
        return at

    for row in annotations.rows:
        shape = shape_of(row, annotations)
        if row.kind in ("none", "line", "point") or shape is None:
            left += 1
            continue
        at = place(row.reader, row.label, row.image or row.series or row.case, row.frame)
        mask = as_mask(row, shape)
        painted[at] = painted[at] | mask if at in painted else mask
        if row.kind == "mask" and "affine_mm" in row.geometry:
            affines[at] = np.array(row.geometry["affine_mm"])
    if "coco" in annotations.extra:  # the one format that lists what was looked at: no row means nothing there
        for label in annotations.labels:
            for image, shape in annotations.sizes.items():
                for reader in readers or (None,):
                    painted.setdefault(place(reader, label, image), np.zeros(shape, bool))
    for at, mask in painted.items():
        path = folder.joinpath(*at[:-1], at[-1] + (".png" if mask.ndim == 2 else ".nii.gz"))
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = {} if at in affines else {"geometry": UNKNOWN_GEOMETRY}
        write_image(path, Image(mask[None].astype(np.uint8), affines.get(at, np.eye(4)), is_label=True, meta=meta))
    return [f"{left} left out: no area, or on an image of unknown size"] if left else []
