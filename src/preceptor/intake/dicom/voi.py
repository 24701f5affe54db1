"""What a DICOM file says about showing its values: the window it names, in the unit its values are read in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .file import inverts, lut_entries, value_range
from .planes import Plane

if TYPE_CHECKING:
    from pydicom import Dataset

_FUNCTIONS = {"": "linear", "LINEAR": "linear", "LINEAR_EXACT": "linear_exact", "SIGMOID": "sigmoid"}


def own_window(header: Dataset, plane: Plane) -> dict[str, Any] | None:
    """The first window that a file names, as what is read from it has to be windowed.

    Where reading inverted the values (a radiograph stored as MONOCHROME1) the window is mirrored with them.

    Args:
        header: Of the file.
        plane: Its first plane.

    Returns:
        ``{"centre", "width", "function", "named"}``: the function is one of `preceptor.maths.display_window`'s, LINEAR
        where the file says none, and ``named`` is how many windows the file offers. Where it offers a table and no
        window, ``{"function": "table", "first", "entries", "bits", "named"}``. None where it names none that can be
        used.

    Source: DICOM PS3.3 C.11.2.1.1 (table), C.11.2.1.2 (window).
    """
    for item in _items(header):
        centres, widths = _numbers(item.get("WindowCenter")), _numbers(item.get("WindowWidth"))
        function = _FUNCTIONS.get(str(item.get("VOILUTFunction") or "").strip().upper())
        if not centres or not widths or function is None:
            continue
        centre, width = centres[0], widths[0]
        if not np.isfinite([centre, width]).all() or width < (1 if function == "linear" else 1e-9):
            continue
        if inverts(header):
            if "ModalityLUTSequence" in header:
                return None  # mirrored at the values' own extremes, which the header does not tell
            # LINEAR's middle lies half a unit below its centre.
            centre = sum(value_range(header, plane)) - centre + (1 if function == "linear" else 0)
        return {"centre": centre, "width": width, "function": function, "named": len(centres)}
    return _own_table(header, plane)


def _own_table(header: Dataset, plane: Plane) -> dict[str, Any] | None:
    for item in _items(header):
        tables = item.get("VOILUTSequence") or []
        if not tables or (inverts(header) and "ModalityLUTSequence" in header):
            continue
        first, entries, bits = lut_entries(tables[0], is_signed=value_range(header, plane)[0] < 0)
        if inverts(header):  # both what goes in and what is shown are mirrored
            first = int(sum(value_range(header, plane))) - first - len(entries) + 1
            entries = ((1 << bits) - 1 - entries)[::-1]
        return {"function": "table", "first": first, "entries": entries.tolist(), "bits": bits, "named": len(tables)}
    return None


def padding_value(header: Dataset, plane: Plane) -> float | None:
    """What pixels outside the picture hold once they are read: scaled, and mirrored, as all others are."""
    stored = _numbers(header.get("PixelPaddingValue"))
    if not stored or "ModalityLUTSequence" in header:
        return None
    value = stored[0] * plane.slope + plane.intercept
    return sum(value_range(header, plane)) - value if inverts(header) else value


def _items(header: Dataset) -> Iterator[Any]:
    """The file itself, and where a file of several frames keeps its windows."""
    yield header
    for group in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for frame in list(header.get(group) or [])[:1]:
            yield from list(frame.get("FrameVOILUTSequence") or [])[:1]


def _numbers(value: Any) -> list[float]:
    if value is None or value == "":
        return []
    values = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return [float(each) for each in values]
