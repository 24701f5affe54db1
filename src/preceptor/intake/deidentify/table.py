"""DICOM PS3.15 Table E.1-1, the confidentiality profile, as data; and what each kind of object must hold (PS3.3)."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

#: Edition of the table in this package.
EDITION = "DICOM PS3.15 2024b"

#: The options that have a column in the table.
COLUMNS = (
    *("descriptors", "graphics", "structured-content", "full-dates", "modified-dates", "patient-characteristics"),
    *("device", "uids", "safe-private", "institution"),
)


@dataclass(frozen=True)
class Row:
    """One attribute of the table.

    Attributes:
        tag: Eight hexadecimal digits, ``x`` for any; ``odd groups`` for the private attributes.
        name: As the standard calls it.
        in_standard_iod: Whether a standard composite object holds it.
        basic: What the basic profile does: X remove, Z empty, D dummy, U new UID, or several: the first that the object allows.
        options: What an option does instead, by the option's name: K keep, C clean.
    """

    tag: str
    name: str
    in_standard_iod: bool
    basic: str
    options: Mapping[str, str]


@cache
def confidentiality_table() -> tuple[Row, ...]:
    """The 621 rows, by tag.

    Source: DICOM PS3.15 Table E.1-1 (edition 2024b).
    """
    text = files(__package__).joinpath("confidentiality_table.csv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Row(
            each["tag"],
            each["name"],
            each["in_standard_iod"] == "Y",
            each["basic"],
            {column: each[column] for column in COLUMNS if each[column]},
        )
        for each in csv.DictReader(lines)
    )


@cache
def _attribute_types() -> dict:
    return json.loads(files(__package__).joinpath("attribute_types.json").read_text(encoding="utf-8"))


@cache
def required_types(sop_class: str) -> Mapping[tuple[int, int], str] | None:
    """Which attributes an object must hold.

    Args:
        sop_class: UID of the kind of object.

    Returns:
        ``(tag of the sequence it lies in or 0, tag)``: ``1``, ``1C``, ``2`` or ``2C``, the strictest where modules differ;
        what is not in it is optional. None for a kind that the standard does not know.

    Source: DICOM PS3.3, PS3.5 7.4 (types).
    """
    content = _attribute_types()
    kind = content["classes"].get(sop_class)
    if kind is None:
        return None
    found: dict[tuple[int, int], str] = {}
    for module in content["objects"].get(kind, ()):
        for type_, places in content["modules"][module].items():
            for place in places.split():
                parent, _, tag = place.rpartition("/")
                at = int(parent or "0", 16), int(tag, 16)
                found[at] = min(type_, found.get(at, type_))
    return found
