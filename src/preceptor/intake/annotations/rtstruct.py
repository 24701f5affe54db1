"""DICOM structure sets: contours in millimetres, brought to the voxels of the image they were drawn on."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from preceptor.core.errors import PrepareError, safe_name
from preceptor.core.image import Image
from preceptor.intake.dicom.file import check_deflated
from preceptor.intake.dicom.fitness import refuse_deep
from preceptor.intake.dicom.guard import guarded
from preceptor.maths.polygons import inside_polygon

from .painting import as_geometry
from .record import Annotation, Annotations

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_CLOSE = 0.1  # of a slice


def read_structures(path: Path, like: Image) -> Annotations:
    """Read the structures as masks on an image's grid, and points as points.

    A contour holds the voxels whose middle lies inside. Contours of one structure in one plane combine by exclusive or, so
    that one within another is a hole, and an island in a hole counts again; a hole drawn as a channel to the outside (keyhole)
    comes out the same. Nothing is filled in between planes.

    Args:
        path: A DICOM RTSTRUCT file.
        like: The image it was drawn on.

    Returns:
        A mask a structure, and a row for each of its points. Structures without contours, and open contours, are told in
        `notes`.

    Raises:
        PrepareError: No structure set, damaged, or a contour that lies in no plane of the image.

    Source: DICOM PS3.3 C.8.8.6.
    """
    from pydicom import dcmread

    path = Path(path)
    if like.space_dims != 3:
        raise _refusal(path, "contours in space need an image in space", "a volume", "no_volume")
    from_mm = np.linalg.inv(like.affine_mm) @ np.diag([-1.0, -1.0, 1.0, 1.0])
    rows, notes = [], []
    with guarded(path):
        check_deflated(path)
        dataset = dcmread(path)
        refuse_deep(dataset, path)
        if str(dataset.get("SOPClassUID", "")) != STRUCTURE_SET:
            raise _refusal(path, "the file is no structure set", "a DICOM RTSTRUCT", "no_structures")
        names = {int(each.ROINumber): str(each.ROIName) for each in dataset.StructureSetROISequence}
        study = str(dataset.get("StudyInstanceUID", ""))
        for structure in dataset.get("ROIContourSequence") or []:
            label = names[int(structure.ReferencedROINumber)]
            flat: dict[int, list[np.ndarray]] = defaultdict(list)
            open_ones = 0
            for contour in structure.get("ContourSequence") or []:
                places = _voxels(contour.ContourData, from_mm)
                kind = str(contour.ContourGeometricType)
                if kind == "POINT":
                    rows.append(Annotation(study, label, "point", places[0].tolist(), scope="series"))
                elif kind.startswith("CLOSED_PLANAR") or kind == "CLOSEDPLANAR_XOR":
                    flat[_plane(places, label, path)].append(places)
                else:
                    open_ones += 1
            if open_ones:
                notes.append(f"{label}: {open_ones} open contours hold no area")
            if flat:
                mask = _filled(flat, like.shape, path)
                rows.append(Annotation(study, label, "mask", as_geometry(mask, like.affine_mm), scope="series"))
            elif not open_ones and not any(row.label == label for row in rows):
                notes.append(f"{label}: no contours")
    return Annotations(tuple(rows), labels=tuple(names.values()), notes=tuple(notes))


def _voxels(data: Any, from_mm: np.ndarray) -> np.ndarray:
    """``(vertex, 3)`` in voxels."""
    places = np.array([float(each) for each in data]).reshape(-1, 3)
    return places @ from_mm[:3, :3].T + from_mm[:3, 3]


def _plane(places: np.ndarray, label: str, path: Path) -> int:
    height = places[:, 2]
    plane = int(np.round(height.mean()))
    if np.abs(height - plane).max() > _CLOSE:
        raise _refusal(
            path, f"a contour of '{label}' lies in no plane of the image", "the image it was drawn on", "no_plane"
        )
    return plane


def _filled(flat: dict[int, list[np.ndarray]], shape: tuple[int, ...], path: Path) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    for plane, rings in flat.items():
        if not 0 <= plane < shape[2]:
            raise _refusal(path, "a contour lies outside the image", "the image it was drawn on", "grid_differs")
        for ring in rings:
            if len(ring) >= 3:
                mask[:, :, plane] ^= inside_polygon(ring[:, :2], shape[:2])
    return mask


def _refusal(path: Path, what: str, expected: str, code: str) -> PrepareError:
    return PrepareError(
        what, where=safe_name(path), expected=expected, remedy="name the image it was drawn on with --image", code=code
    )
