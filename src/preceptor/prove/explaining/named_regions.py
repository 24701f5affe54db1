"""Regions as they are named on the command line: ``heart=mask:heart``, ``corner=box:0-0.2,0-0.2``."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

from preceptor.core.errors import CohortError, PreceptorError, RecipeError, safe_name
from preceptor.intake.door import read_apart
from preceptor.prove.explaining.serial_occlusion import AtlasRegion, BoxRegion, MaskRegion, Region

_EXPECTED = (
    "NAME=mask:MASK, NAME=box:0-0.2,0-0.5 (shares of each side), NAME=boxes:FILE.csv or NAME=atlas:FILE; "
    "a mask's or an atlas' codes may follow: NAME=mask:MASK:1,2"
)


def region_named(text: str, *, masks: Sequence[str], margin_voxels: int = 2) -> tuple[str, Region]:
    """A region from the words that name it.

    ``mask`` takes a mask of the cohort, ``box`` the same share of every image, ``boxes`` a table of a box for each case
    (``key`` and ``<axis>_low``, ``<axis>_high`` for the axes x, y and z, in voxels of the prepared image), and ``atlas``
    a label image that lies in the same space as the cases.

    Args:
        text: The words.
        masks: Which masks the cohort has.
        margin_voxels: How far masks and atlas regions are grown.

    Returns:
        Its name and the region.

    Raises:
        RecipeError: The words name no region, a mask that the cohort lacks, or a file that can't be read.
    """
    name, equals, rest = text.partition("=")
    kind, colon, what = rest.partition(":")
    if not (equals and colon and name and what) or kind not in ("mask", "box", "boxes", "atlas"):
        raise RecipeError(f"'{text}' names no region", expected=_EXPECTED, code="region_unknown")
    if kind == "box":
        return name, _box(text, what)
    if kind == "boxes":
        return name, _boxes(Path(what))
    what, _, codes = what.rpartition(":") if _is_codes(what.rpartition(":")[2]) and ":" in what else (what, "", "")
    values = tuple(int(each) for each in codes.split(",")) if codes else None
    if kind == "atlas":
        return name, _atlas(Path(what), values, margin_voxels)
    if what not in masks:
        raise RecipeError(
            f"no case of the cohort has a mask '{what}'",
            where=text,
            expected=f"one of {', '.join(masks)}" if masks else "a cohort with masks",
            remedy="name a box or an atlas, or build the cohort with the masks",
            code="region_no_mask",
        )
    return name, MaskRegion(what, values, margin_voxels)


def _is_codes(text: str) -> bool:
    return bool(text) and all(each.strip().isdigit() for each in text.split(","))


def _box(text: str, what: str) -> BoxRegion:
    sides = []
    for side in what.split(","):
        low, dash, high = side.partition("-")
        try:
            sides.append((float(low), float(high)))
        except ValueError:
            sides.append((math.nan, math.nan))
        if not dash or not 0 <= sides[-1][0] < sides[-1][1] <= 1:
            raise RecipeError(
                f"'{side}' is no share of a side",
                where=text,
                expected="such as 0-0.2, within 0 and 1",
                code="region_box",
            )
    low_ends, high_ends = zip(*sides, strict=True)
    return BoxRegion(tuple(low_ends), tuple(high_ends), share=True)


def _boxes(path: Path) -> BoxRegion:
    boxes: dict[str, tuple[list[int], list[int]]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                axes = [axis for axis in "xyz" if row.get(f"{axis}_low") not in (None, "")]
                ends = ([int(row[f"{axis}_{end}"]) for axis in axes] for end in ("low", "high"))
                low, high = ends
                if not axes or any(a < 0 or a >= b for a, b in zip(low, high, strict=True)):
                    raise ValueError(f"line {len(boxes) + 2}")
                boxes[row["key"]] = (low, high)
        if not boxes:
            raise ValueError("it holds none")
    except (OSError, KeyError, TypeError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise RecipeError(
            "the table of boxes can't be read",
            where=safe_name(path),
            expected="a CSV with the columns key, x_low, x_high, y_low, y_high (and z_low, z_high) in voxels, low below high",
            code="region_boxes",
        ) from error
    return BoxRegion(boxes=boxes)


def _atlas(path: Path, values: tuple[int, ...] | None, margin_voxels: int) -> AtlasRegion:
    try:
        return AtlasRegion(read_apart(path.parent, path.name, is_label=True), values, margin_voxels)
    except PreceptorError as error:
        raise RecipeError(
            "the atlas can't be read",
            where=safe_name(path),
            expected="a label image in the space of the cases",
            code="region_atlas",
        ) from error


def fits_every_case(name: str, region: Region, axes: int) -> None:
    """Refuse a box with another number of axes than the images.

    Raises:
        CohortError: It has more or fewer.
    """
    if not isinstance(region, BoxRegion):
        return
    given = len(region.low) if region.boxes is None else len(next(iter(region.boxes.values()))[0])
    if given != axes:
        raise CohortError(
            f"the region '{name}' has {given} axes and the images have {axes}",
            expected=f"{axes} sides",
            code="region_axes",
        )
