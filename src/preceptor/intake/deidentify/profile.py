"""From a profile and its options to one rule for each attribute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from importlib.resources import files
from typing import Literal

from preceptor.core.errors import RecipeError

from .elements import dictionary_vr
from .table import COLUMNS, confidentiality_table

#: Options of a profile: those with a column in the table, and the two that are work on pixels.
OPTIONS = (*COLUMNS, "pixel-data", "visual-features")

#: What each option is called in ``DeidentificationMethodCodeSequence``.
#:
#: Source: DICOM PS3.16 CID 7050.
CODES = {
    "basic": ("113100", "Basic Application Confidentiality Profile"),
    "pixel-data": ("113101", "Clean Pixel Data Option"),
    "visual-features": ("113102", "Clean Recognizable Visual Features Option"),
    "graphics": ("113103", "Clean Graphics Option"),
    "structured-content": ("113104", "Clean Structured Content Option"),
    "descriptors": ("113105", "Clean Descriptors Option"),
    "full-dates": ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    "modified-dates": ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    "patient-characteristics": ("113108", "Retain Patient Characteristics Option"),
    "device": ("113109", "Retain Device Identity Option"),
    "uids": ("113110", "Retain UIDs Option"),
    "safe-private": ("113111", "Retain Safe Private Option"),
    "institution": ("113112", "Retain Institution Identity Option"),
}

Profile = Literal["basic", "safe-list"]


class Rule(Enum):
    """What happens to an attribute. The order is that of severity."""

    remove = "removed"
    empty = "emptied"
    dummy = "replaced"
    uid = "UID mapped"
    pseudonym = "pseudonym"
    shift = "date moved"
    clean = "text cleaned"
    technical = "text of the machine cleaned"
    code = "code checked"
    code_string = "code string checked"
    number = "number checked"
    binary = "bytes checked"
    age = "age capped"
    retain = "retained"
    recurse = "sequence entered"
    keep = "kept"


_TEXT = frozenset(("LO", "LT", "SH", "ST", "UC", "UT", "PN", "AE", "UR"))
_DATES = frozenset(("DA", "DT", "TM"))
_BYTES = frozenset(("OB", "OW", "OF", "OD", "OL", "OV", "UN"))
#: Groups whose bytes are pictures, curves and tables of colours; elsewhere bytes may hold anything.
_PICTURE_GROUPS = frozenset((0x0022, 0x0028, 0x0066, 0x5200, 0x5400, 0x5600))
_CODES = frozenset((0x00080100, 0x00080102, 0x00080103, 0x00080119, 0x00080120))
_TEXT_VALUE = 0x0040A160

#: Text outside the table that says how an image was made. Each value is cleaned like a descriptor.
_MACHINE_TEXT = frozenset(
    (
        *(
            0x00080070,
            0x00080104,
            0x00081090,
            0x00180024,
            0x00180031,
            0x00180085,
            0x00181020,
            0x00181040,
            0x00181160,
            0x00181210,
        ),
        *(0x00181250, 0x00181251, 0x00181260, 0x00181261, 0x00181401, 0x00185010, 0x00187006, 0x00189005, 0x00201040),
        *(0x00209056, 0x00209421, 0x00280A04, 0x00281054, 0x00281055, 0x00283003, 0x00409210, 0x00480106, 0x00541101),
        *(0x00541103, 0x00541105, 0x00620005, 0x00620006, 0x00620009, 0x00660036),
    )
)

_PSEUDONYM = frozenset((0x00100010, 0x00100020))


@dataclass(frozen=True)
class Settings:
    """How a batch is de-identified.

    Args:
        profile: ``basic`` is PS3.15's; ``safe-list`` keeps only what is named.
        retain: Options, as in `OPTIONS`.
        keep: For ``safe-list`` the keywords to keep; empty for the list in this package.
        again: Also take files that say they are de-identified already. Their UIDs are mapped once more.

    Raises:
        RecipeError: An option is unknown, or both ways to keep dates are asked for.

    Source: DICOM PS3.15 E.1 to E.3.
    """

    profile: Profile = "basic"
    retain: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    again: bool = False
    _rules: dict[tuple[int, str], tuple[Rule, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )
    _listed: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False, hash=False)
    _safe: frozenset[int] = field(default=frozenset(), init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.retain) - set(OPTIONS))
        if unknown:
            raise RecipeError(
                f"there is no option {', '.join(unknown)}",
                where="--retain",
                expected=", ".join(OPTIONS),
                code="option_unknown",
            )
        if {"full-dates", "modified-dates"} <= set(self.retain):
            raise RecipeError(
                "dates can't be both kept and moved",
                where="--retain",
                expected="one of full-dates, modified-dates",
                code="option_conflict",
            )
        object.__setattr__(self, "_listed", _listed_actions(self.retain))
        if self.profile == "safe-list":
            object.__setattr__(self, "_safe", _safe_tags(self.keep))

    def __reduce__(self):
        return Settings, (self.profile, self.retain, self.keep, self.again)

    def record(self) -> dict:
        """The settings as JSON."""
        return {"profile": self.profile, "retain": sorted(self.retain), "keep": list(self.keep), "again": self.again}

    def is_listed(self, tag: int) -> bool:
        """Whether the table names the attribute."""
        return tag in self._listed

    def rules(self, tag: int, vr: str) -> tuple[Rule, ...]:
        """What may happen to an attribute: the first that its object's type for it allows.

        Args:
            tag: Group and element.
            vr: As it is written.
        """
        found = self._rules.get((tag, vr))
        if found is None:
            known = dictionary_vr(tag)
            found = self._decide(tag, known if vr == "UN" or (known in _TEXT and vr not in _TEXT) else vr)
            self._rules[tag, vr] = found
        return found

    def _decide(self, tag: int, vr: str) -> tuple[Rule, ...]:
        group = tag >> 16
        if group & 1:
            return (Rule.remove,)
        if group & 0xFF00 in (0x5000, 0x6000):  # curves, overlays with all that describes them
            return (Rule.remove,)
        if not tag & 0xFFFF or group in (0x0000, 0x0004, 0xFFFE):
            return (Rule.remove,)
        if tag in _PSEUDONYM:
            return (Rule.pseudonym,)
        listed = self._listed.get(tag)
        if listed is not None:
            if vr == "SQ" and "U" in listed:  # what refers to other files stays, with their new UIDs
                return (Rule.recurse,)
            return tuple(_rule(code, vr) for code in listed.split("/"))
        if self.profile == "safe-list" and tag not in self._safe:
            return (Rule.remove,)
        return (_unlisted(tag, vr, self.retain),)


def _listed_actions(retain: Iterable[str]) -> dict[int, str]:
    """For every row with a plain tag what is to be done; K before C where two options speak."""
    found = {}
    for row in confidentiality_table():
        if "x" in row.tag or row.tag == "odd groups":
            continue
        asked = [row.options[option] for option in retain if option in row.options]
        action = "K" if "K" in asked else "C" if "C" in asked else row.basic.replace("*", "")
        if action == "C" and "modified-dates" in retain and "modified-dates" in row.options:
            action = "shift"
        found[int(row.tag, 16)] = action
    return found


def _rule(code: str, vr: str) -> Rule:
    plain = {"X": Rule.remove, "Z": Rule.empty, "D": Rule.dummy}
    if code in plain:
        return Rule.recurse if vr == "SQ" and code == "D" else plain[code]
    if vr == "SQ":
        return Rule.recurse
    if code == "U":
        return Rule.uid if vr == "UI" else Rule.dummy
    if code == "shift":
        return Rule.shift if vr in _DATES else Rule.clean if vr in _TEXT else Rule.remove
    if code == "C":
        return Rule.clean if vr in _TEXT else _unlisted(0, vr, ())
    if vr == "AS":
        return Rule.age
    return Rule.retain if vr in _TEXT or vr in _DATES or vr == "UI" else _unlisted(0x00280000, vr, ())


def _unlisted(tag: int, vr: str, retain: Iterable[str]) -> Rule:
    """What the table does not name: structure stays, what could hold words does so only if it holds the trade's own."""
    if vr == "SQ":
        return Rule.recurse
    if tag in _CODES:
        return Rule.code
    if tag == _TEXT_VALUE and "structured-content" in retain:
        return Rule.clean
    if vr in _TEXT:
        return Rule.technical if tag in _MACHINE_TEXT and vr != "PN" else Rule.remove
    if vr in _DATES:
        if tag == 0 or "full-dates" in retain:
            return Rule.retain
        return Rule.shift if "modified-dates" in retain else Rule.remove
    if vr == "UI":
        return Rule.retain if "uids" in retain else Rule.uid
    if vr == "CS":
        return Rule.code_string
    if vr in ("DS", "IS"):
        return Rule.number
    if vr == "AS":
        return Rule.age if "patient-characteristics" in retain else Rule.remove
    if vr in _BYTES:
        if tag >> 16 == 0x7FE0:
            return Rule.keep
        return Rule.binary if tag >> 16 in _PICTURE_GROUPS and vr != "UN" else Rule.remove
    return Rule.keep


def _safe_tags(keywords: Iterable[str]) -> frozenset[int]:
    from pydicom.datadict import tag_for_keyword

    names = list(keywords)
    if not names:
        text = files(__package__).joinpath("safe_list.txt").read_text(encoding="utf-8")
        names = [word for line in text.splitlines() if not line.startswith("#") for word in line.split()]
    tags = {name: tag_for_keyword(name) for name in names}
    unknown = [name for name, tag in tags.items() if tag is None]
    if unknown:
        raise RecipeError(
            f"{len(unknown)} of the attributes to keep do not exist: {', '.join(unknown[:5])}",
            where="--keep",
            expected="keywords of the standard, such as PixelSpacing",
            code="keyword_unknown",
        )
    return frozenset(tag for tag in tags.values() if tag is not None)
