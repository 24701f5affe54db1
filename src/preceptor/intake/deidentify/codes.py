"""Coded values: a code of a public scheme may stay, whatever else stands in its place may be a name."""

from __future__ import annotations

import re
from functools import lru_cache

from .wording import vocabulary

_SCHEMES = {
    "DCM": re.compile(r"\d{6}"),
    "SRT": re.compile(r"[A-Z]\d?-[0-9A-F]{4,6}"),
    "SNM3": re.compile(r"[A-Z]\d?-[0-9A-F]{4,6}"),
    "99SDM": re.compile(r"[A-Z]\d?-[0-9A-F]{4,6}"),
    "LN": re.compile(r"\d{1,6}-\d"),
    "FMA": re.compile(r"\d{3,6}"),
    "RADLEX": re.compile(r"RID\d{1,6}"),
    "UMLS": re.compile(r"C\d{7}"),
    "NCIt": re.compile(r"C\d{3,6}"),
    "BI": re.compile(r"[A-Z]{1,3}\.\d{1,4}"),
    "I10": re.compile(r"[A-Z]\d\d(?:\.\d{1,2})?"),
    "PUBCHEM_CID": re.compile(r"\d{1,7}"),
}
_UNITS = """
1 m dm cm mm um nm g kg mg ug ng s ms us min h d a wk mo l L ml mL dl dL ul uL Hz kHz MHz Bq kBq MBq GBq Ci mCi Gy cGy mGy
dGy Sv mSv deg rad Cel K V mV kV A mA uA W mW J N Pa kPa bar mmol mol umol U Torr HU ratio bpm eV keV MeV T mT Hg px lm cd
dB arb u mas
"""


@lru_cache(maxsize=65536)
def is_public_code(scheme: str, value: str) -> bool:
    """Whether a code has the form that its scheme gives to codes, so that it can't hold a name.

    Args:
        scheme: Coding Scheme Designator.
        value: Code Value.

    Source: DICOM PS3.16 section 8 (schemes); SNOMED CT's check digit after Verhoeff (1969).
    """
    if scheme == "SCT":
        return value.isdigit() and 6 <= len(value) <= 18 and _verhoeff(value) == 0
    if scheme == "UCUM":
        return _is_unit(value)
    form = _SCHEMES.get(scheme)
    if form and form.fullmatch(value):
        return True
    return scheme == "DCM" and value.lower() in vocabulary() and len(value) <= 16  # modalities are codes of DCM too


def is_public_scheme(scheme: str) -> bool:
    """Whether a coding scheme is one whose codes `is_public_code` knows."""
    return scheme in _SCHEMES or scheme in ("SCT", "UCUM")


def _is_unit(value: str) -> bool:
    """Units of UCUM: known symbols, factors, exponents, and notes in braces made of the trade's words."""
    notes = re.findall(r"\{([^{}]*)\}", value)
    words = vocabulary()
    if any(word not in words and len(word) > 3 for note in notes for word in re.findall(r"[a-z]+", note.lower())):
        return False
    units = _UNITS.split()
    rest = re.sub(r"\{[^{}]*\}", "", value)
    return all(symbol in units for symbol in re.findall(r"[A-Za-z]+", rest)) and not re.search(r"\d{4,}", rest)


def _verhoeff(number: str) -> int:
    check = 0
    for place, digit in enumerate(reversed(number)):
        check = _times(check, _permuted(place, int(digit)))
    return check


def _times(left: int, right: int) -> int:
    """The product in the dihedral group of the pentagon."""
    if left < 5:
        return (left + right) % 5 if right < 5 else 5 + (left + right) % 5
    return 5 + (left - right) % 5 if right < 5 else (left - right) % 5


def _permuted(place: int, digit: int) -> int:
    for _ in range(place % 8):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit
