"""The patient's age at the study: what the file says, held against its dates."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

_AGE = re.compile(r"(\d{1,3})([YMWD])")
_DAYS_A_YEAR = 365.25
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / _DAYS_A_YEAR, "D": 1 / _DAYS_A_YEAR}
#: Birth dates that systems fill in where none is known.
_NO_BIRTH_DATES = (datetime.date(1700, 1, 1), datetime.date(1800, 1, 1))


@dataclass(frozen=True)
class Age:
    """An age, where it comes from, and what speaks against it.

    Args:
        years: None where it is not known.
        source: ``tag`` or ``dates``; empty where there is none.
        findings: ``age_damaged`` (the tag is no age), ``age_short`` (a digit is missing), ``age_zero`` (zero years that
            nothing confirms), ``age_disagrees`` (more than a year from what the dates say).
    """

    years: float | None
    source: str = ""
    findings: tuple[str, ...] = ()


def years_of(text: str) -> float:
    """DICOM's age string in years: ``036Y``, ``006M``, ``002W``, ``012D``.

    Raises:
        ValueError: It is none.

    Source: DICOM PS3.5 6.2 (AS).
    """
    found = _AGE.fullmatch(text.strip(" \0").upper())
    if found is None:
        raise ValueError("no age")
    return int(found[1]) * _YEARS[found[2]]


def completed_years(born: datetime.date, at: datetime.date) -> int:
    """Birthdays since birth; who is born on 29 February has it on 1 March in common years."""
    return at.year - born.year - ((at.month, at.day) < (born.month, born.day))


def age_at_study(text: str, born: datetime.date | None, at: datetime.date | None) -> Age:
    """The age by the tag, else by the dates.

    Args:
        text: Of the tag; blank is absent.
        born: Birth date, where known.
        at: Date of the study.

    Returns:
        The tag first; dates only where it is absent or no age. Zero years are a newborn's only where the dates say so.
    """
    if born in _NO_BIRTH_DATES:
        born = None
    exact = (at - born).days / _DAYS_A_YEAR if born and at and at >= born else None
    text = text.strip(" \0")
    findings: list[str] = []
    try:
        years = years_of(text) if text else None
    except ValueError:
        years, findings = None, ["age_damaged"]
    if years is not None and len(text) < 4:
        findings.append("age_short")
    if years == 0 and (exact is None or exact >= 1):
        years, findings = None, [*findings, "age_zero"]
    if years is None and born and at and exact is not None:
        return Age(float(completed_years(born, at)), "dates", tuple(findings))
    if years is None:
        return Age(None, "", tuple(findings))
    if exact is not None and abs(exact - years) > 1:
        findings.append("age_disagrees")
    return Age(years, "tag", tuple(findings))
