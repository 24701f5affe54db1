"""How an image was taken, as the JSON sidecars of BIDS say it; nothing of who was imaged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError

from .description import read_description

#: What is taken of a sidecar, and what it is called here, with its unit: BIDS writes seconds, degrees, tesla and mm.
_TAKEN: Mapping[str, str] = {
    "Manufacturer": "manufacturer",
    "ManufacturersModelName": "model",
    "MagneticFieldStrength": "field_strength_t",
    "RepetitionTime": "repetition_time_s",
    "EchoTime": "echo_time_s",
    "InversionTime": "inversion_time_s",
    "FlipAngle": "flip_angle_deg",
    "SliceThickness": "slice_thickness_mm",
}
_LONGEST_TEXT = 64


def acquisition(image: Path, root: Path) -> tuple[dict[str, Any], int]:
    """What the sidecars of an image say of how it was taken.

    A sidecar speaks for every image whose name ends in its suffix and holds all its entities, in its own folder and those
    below; of two that say the same thing the nearer one holds.

    Args:
        image: An image of a BIDS folder.
        root: The dataset's folder.

    Returns:
        ``{column: value}``, texts and numbers, and how many sidecars can't be read.

    Source: BIDS 1.10, "The inheritance principle"; MRI metadata (units).
    """
    said: dict[str, Any] = {}
    unreadable = 0
    for sidecar in _sidecars(image, root):
        try:
            content = read_description(sidecar)
        except (CohortError, OSError):
            unreadable += 1
            continue
        said |= {name: content[key] for key, name in _TAKEN.items() if _is_plain(content.get(key))}
    return said, unreadable


def _sidecars(image: Path, root: Path) -> Iterator[Path]:
    """From the dataset's folder down to the image's, and in each from the most general to the most particular."""
    entities, suffix = _parts(re.sub(r"\.nii(\.gz)?$", "", image.name))
    folder = root
    for step in (".", *image.parent.relative_to(root).parts):
        folder = folder / step
        found = [path for path in folder.glob(f"*{suffix}.json") if path.is_file() and not path.is_symlink()]
        fitting = [
            (held, path) for path in found for held, of in [_parts(path.stem)] if of == suffix and held <= entities
        ]
        yield from (path for _, path in sorted(fitting, key=lambda each: (len(each[0]), each[1].name)))


def _parts(stem: str) -> tuple[frozenset[str], str]:
    *entities, suffix = stem.split("_")
    return frozenset(entities), suffix


def _is_plain(value: Any) -> bool:
    return (isinstance(value, str) and len(value) <= _LONGEST_TEXT) or (
        isinstance(value, (int, float)) and not isinstance(value, bool)
    )
