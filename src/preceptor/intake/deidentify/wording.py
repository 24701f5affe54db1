"""Text that may stay: words from a list of the trade's own, and none of the patient's."""

from __future__ import annotations

import re
from collections.abc import Set
from functools import cache, lru_cache
from importlib.resources import files

#: A title and the words after it; MR and MS in capitals are an imaging method and a disease unless a full stop follows.
_PERSON = re.compile(
    r"\b(?:(?i:dr|mrs|miss|prof|professor|doctor|herr|frau|mme|sra)\b[.:]?|(?:Mr|Ms|Sr)\b[.:]?|(?:MR|MS|SR)[.:])"
    r"\s*\S+(?:[ ,]+[A-Z]\S*)?"
)
_DATE = re.compile(
    r"\b(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[ -]?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ -]?\d{2,4}|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ .]+\d{1,2}(?:st|nd|rd|th)?,?[ ]+\d{2,4}|\d{5,})\b",
    re.I,
)
#: Short names of kernels, sequences, models and versions: B30f, T2w, 3D, v1.5.
_SHORT_TECHNICAL = re.compile(
    r"[A-Za-z]{1,4}\d{1,3}(?:[A-Za-z]{1,3}\d{0,2})?|\d{1,3}[A-Za-z]{1,3}\d{0,2}|v?\d{1,3}(?:\.\d{1,3}){1,3}|\d{1,3}|[A-Za-z]{1,2}"
)
_NUMBER = re.compile(
    r"\d{1,3}(?:\.\d{1,3})?(?:mm|cm|um|ms|s|hz|t|d|ch|b|kv|kvp|mas|ma|min|sec|x\d{1,3})?|t[12]w?|[234]d|b\d{1,4}", re.I
)
_CODE_STRING = re.compile(r"[A-Z0-9_ /.+-]{1,16}")


@cache
def vocabulary() -> frozenset[str]:
    """Words of the trade in lower case: DICOM's code meanings and scanners' terms, without those that are people's names.

    Source: DICOM PS3.16; the list is written by ``tools/deidentification_data.py``.
    """
    text = files(__package__).joinpath("vocabulary.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))


def cleaned(text: str, own: Set[str] = frozenset(), *, technical: bool = False) -> str:
    """A text with only the words that can't point to a person.

    What stays is in the vocabulary, a number of up to three digits with or without its unit, and, where asked, a short
    technical name. Dates, longer numbers, whatever follows a title, and the patient's own words go.

    Args:
        text: Any.
        own: Words of this patient and of those who treated them, in lower case.
        technical: Also keep what looks like the name of a kernel, a sequence or a version.

    Example:
        >>> cleaned("CT chest 5 mm for Dr Arden, 03/02/2021")
        'CT chest 5 mm for'
    """
    text = _DATE.sub(" ", _PERSON.sub(" ", text))
    words = vocabulary()
    kept = []
    for word in re.split(r"[^A-Za-z0-9.']+", text):
        word = word.strip(".'")
        low = word.lower()
        if not word or low in own:
            continue
        if low in words or _NUMBER.fullmatch(word) or (technical and _SHORT_TECHNICAL.fullmatch(word)):
            kept.append(word)
    return " ".join(kept)


@lru_cache(maxsize=65536)
def is_code_string(value: bytes) -> bool:
    """Whether a CS value is made of the trade's words, so that it can't hold a name.

    Words of up to three letters pass, and so do numbers of up to four digits.
    """
    text = value.decode("latin-1").strip(" \0")
    if not text:
        return True
    if not _CODE_STRING.fullmatch(text.upper()):
        return False
    return all(_is_code_word(word) for word in re.findall(r"[a-z0-9]+", text.lower()))


def _is_code_word(word: str) -> bool:
    if len(word) <= 3 or (word.isdigit() and len(word) <= 4) or _SHORT_TECHNICAL.fullmatch(word):
        return True
    words = vocabulary()
    letters = re.findall(r"[a-z]+", word)
    return word in words or (
        len(word) - sum(map(len, letters)) <= 2 and all(len(part) <= 3 or part in words for part in letters)
    )


def without_own(text: str, own: Set[str], dates: bool) -> str:
    """A text that an option keeps, without the patient's own words and, unless dates are kept, without dates.

    Args:
        text: Any.
        own: Words of the patient, in lower case.
        dates: Whether dates may stay.
    """
    if not dates:
        text = _DATE.sub(" ", text)
    pieces = re.split(r"([\w]+)", text)
    kept = "".join("" if piece.lower() in own else piece for piece in pieces)
    return re.sub(r"\s{2,}", " ", kept).strip()


def words_of(value: str) -> set[str]:
    """What must not be found again of a name, an identifier or an address: the whole and its words, in lower case."""
    low = value.lower().strip(" \0^=")
    parts = {part for part in re.split(r"[\W_]+", low) if len(part) > 2 or (len(part) == 2 and not part.isdigit())}
    return {each for each in (low, *parts) if len(each) > 1}
