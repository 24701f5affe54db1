"""Dates and times as DICOM writes them: moved by days, or known to be none."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import lru_cache

_DATE = re.compile(rb"(\d{4})[.]?(\d\d)[.]?(\d\d)")
_TIME = re.compile(rb"(?:[01]\d|2[0-3])(?::?[0-5]\d(?::?(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?")
_RANGE = re.compile(rb"([\d.]{8,10})?-([\d.]{8,10})?")
_DATE_TIME = re.compile(
    rb"(\d{8})((?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6})?)?)?)?([+-](?:0\d|1[0-4])[0-5]\d)?"
)
_AGE = re.compile(rb"(\d{3})([DWMY])")

#: US law calls ages above this identifying (45 CFR 164.514(b)(2)(i)(C)).
OLDEST_YEARS = 89


@lru_cache(maxsize=8192)
def moved_date(value: bytes, days: int) -> bytes | None:
    """A DA value by some days later; None where it is no date, so it can't be kept.

    Args:
        value: ``YYYYMMDD``, the old ``YYYY.MM.DD``, or a range of dates; without padding.
        days: Negative for earlier.
    """
    whole = _DATE.fullmatch(value)
    if whole:
        try:
            moved = date(*(int(part) for part in whole.groups())) + timedelta(days=days)
        except (ValueError, OverflowError):
            return None
        return moved.strftime("%Y%m%d").rjust(8, "0").encode()
    ends = _RANGE.fullmatch(value)
    if ends and any(ends.groups()):
        moved_ends = [moved_date(each, days) if each else b"" for each in ends.groups()]
        return None if None in moved_ends else b"-".join(each or b"" for each in moved_ends)
    return None


def moved_date_time(value: bytes, days: int) -> bytes | None:
    """A DT value by some days later, its time and offset kept; None where it is none or gives no day to move."""
    whole = _DATE_TIME.fullmatch(value)
    if not whole:
        return None
    day = moved_date(whole[1], days)
    return None if day is None else day + (whole[2] or b"") + (whole[3] or b"")


def checked_time(value: bytes) -> bytes | None:
    """A TM value as it is, or a range of them; None where it is none."""
    parts = value.split(b"-")
    return value if len(parts) <= 2 and all(not part or _TIME.fullmatch(part) for part in parts) else None


def capped_age(value: bytes) -> bytes | None:
    """An AS value, ninety years for whoever is older than 89; None where it is none."""
    whole = _AGE.fullmatch(value)
    if not whole:
        return None
    days = int(whole[1]) * {b"D": 1, b"W": 7, b"M": 30.4375, b"Y": 365.25}[whole[2]]
    return b"090Y" if days >= (OLDEST_YEARS + 1) * 365.25 - 1 else value


def moved(value: bytes, vr: str, days: int) -> bytes | None:
    """Every value of an element with VR DA, DT or TM, by some days later; None where one of them is no date or time."""
    kept = []
    for each in value.split(b"\\"):
        each = each.strip(b" \0")
        if not each:
            kept.append(b"")
            continue
        new = (
            moved_date(each, days) if vr == "DA" else moved_date_time(each, days) if vr == "DT" else checked_time(each)
        )
        if new is None:
            return None
        kept.append(new)
    return b"\\".join(kept)
