"""DICOM's dates, times and date-times as they are: partial ones stay partial, and no zone is made up."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_OLD_DATE = re.compile(r"(\d{4})\.(\d{2})\.(\d{2})")
_TIME = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d{1,6}))?)?)?")
_OLD_TIME = re.compile(r"(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")
_DATE_TIME = re.compile(r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?))?)?)?([+-]\d{4})?")
_ZONE = re.compile(r"([+-])(\d{2})(\d{2})")
#: How much of a date-time is said.
_PRECISIONS = ("year", "month", "day", "hour", "minute", "second", "fraction")


@dataclass(frozen=True)
class TimeOfDay:
    """A time of day, and how it was written.

    Args:
        value: Without a zone.
        notes: ``leap_second`` (kept at 59), ``old_form`` (colons, as ACR-NEMA wrote them).
    """

    value: datetime.time
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moment:
    """A date-time as far as it is said.

    Args:
        value: With what is not said at its lowest: look at `precision` before using it.
        precision: ``year`` to ``fraction``: the last part that is said.
        offset: From UTC; None is the local time of a zone nobody named.
    """

    value: datetime.datetime
    precision: str
    offset: datetime.timedelta | None = None

    @property
    def utc(self) -> datetime.datetime | None:
        """In UTC; None where the zone or the time of day is not said."""
        if self.offset is None or _PRECISIONS.index(self.precision) < _PRECISIONS.index("hour"):
            return None
        return (self.value - self.offset).replace(tzinfo=datetime.UTC)

    def __str__(self) -> str:
        """ISO 8601, cut off where nothing more is said."""
        ends = {"year": 4, "month": 7, "day": 10, "hour": 13, "minute": 16, "second": 19, "fraction": 26}
        text = self.value.isoformat(timespec="microseconds")[: ends[self.precision]]
        if self.offset is None:
            return text
        minutes = round(self.offset.total_seconds() / 60)
        return f"{text}{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def date_of(text: str) -> tuple[datetime.date | None, tuple[str, ...]]:
    """A date and how it was written.

    Args:
        text: ``20240229``, or ``2024.02.29`` as of old. Blank is absent.

    Returns:
        The date, None where absent, and notes: ``old_form``.

    Raises:
        ValueError: It is no day of the calendar: nothing is repaired.

    Source: DICOM PS3.5 6.2 (DA).
    """
    text = text.strip(" \0")
    if not text:
        return None, ()
    found, old = _DATE.fullmatch(text), _OLD_DATE.fullmatch(text)
    parts = found or old
    if parts is None:
        raise ValueError("no date")
    return datetime.date(*map(int, parts.groups())), ("old_form",) if old else ()


def time_of(text: str) -> TimeOfDay | None:
    """A time of day.

    Args:
        text: ``070907.0705`` down to ``07``; the fraction is of a second (.0705 s). Colons are accepted. Blank is absent.

    Raises:
        ValueError: It is no time: 24 hours, 60 minutes.

    Source: DICOM PS3.5 6.2 (TM).
    """
    text = text.strip(" \0")
    if not text:
        return None
    found, old = _TIME.fullmatch(text), _OLD_TIME.fullmatch(text)
    parts = found or old
    if parts is None:
        raise ValueError("no time")
    hour, minute, second = (int(each or 0) for each in parts.groups()[:3])
    notes = ["old_form"] if old else []
    if second == 60:
        second, notes = 59, [*notes, "leap_second"]
    return TimeOfDay(datetime.time(hour, minute, second, _microseconds(parts[4])), tuple(notes))


def moment_of(text: str, zone: str = "") -> Moment | None:
    """A date-time.

    Args:
        text: ``20240102030405.123456-0500``, cut off anywhere; blank is absent.
        zone: The file's own TimezoneOffsetFromUTC, for a text without an offset. This machine's zone is never used.

    Raises:
        ValueError: It is none.

    Source: DICOM PS3.5 6.2 (DT), PS3.3 C.12.1.1.8.
    """
    text = text.strip(" \0")
    if not text:
        return None
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError("no date and time")
    year, month, day, time, offset = found.groups()
    of_day = time_of(time or "")
    clock = of_day.value if of_day else datetime.time()
    value = datetime.datetime.combine(datetime.date(int(year), int(month or 1), int(day or 1)), clock)
    said = 3 + (len(time.partition(".")[0]) // 2 + ("." in time)) if time else sum(map(bool, (year, month, day)))
    return Moment(value, _PRECISIONS[said - 1], offset_of(offset or zone))


def offset_of(zone: str) -> datetime.timedelta | None:
    """``-0500`` as a difference from UTC; None where blank.

    Raises:
        ValueError: It is none, or beyond what any zone has.
    """
    zone = zone.strip(" \0")
    if not zone:
        return None
    found = _ZONE.fullmatch(zone)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError("no offset from UTC")
    offset = datetime.timedelta(hours=int(found[2]), minutes=int(found[3]))
    return -offset if found[1] == "-" else offset


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "0").ljust(6, "0"))
