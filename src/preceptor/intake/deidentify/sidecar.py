"""Files beside an image (BIDS and the like): numbers of the acquisition stay, words go through the vocabulary."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from preceptor.core.errors import PrepareError

from .dicom import Cleaned
from .wording import cleaned, vocabulary, words_of

#: Names of entries whose value tells of a person, a place or a day.
_PRIVATE = re.compile(
    r"patient|subject|participant|person|birth|accession|address|institution|physician|operator|reader|phone|mail|serial|station|"
    r"hospital|site|zip|postal|city|country|insurance|record|order|date|day|month|year|ethnic|race|comment|note|"
    r"(?:^|[a-z_])(?:age|sex|weight|size|height|id|ids|uid|uuid)$|name$",
    re.IGNORECASE,
)
#: And of those the ones whose words must not be found again elsewhere in the file.
_NAMES = re.compile(
    r"(?:patient|subject|participant|person).*(?:name|id|address)|physician|operator|reader|institution", re.IGNORECASE
)
_CLOCK = re.compile(r"\d{1,2}:\d\d")
_MOST_NESTED = 32
_LONGEST_NUMBER = 100_000  # identifiers and dates are numbers this long; an acquisition's are not
_GRADIENTS = re.compile(rb"[-+0-9.eE\s]+")


def clean_sidecar(data: bytes, place: str) -> Cleaned:
    """Take a person out of a JSON sidecar.

    Args:
        data: The file.
        place: Where it is to be written, without its suffix.

    Returns:
        Entries named for an acquisition with their numbers, and with those of their words that the vocabulary knows.

    Raises:
        PrepareError: It is no JSON, or nested too deep.
    """
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise PrepareError(
            "the file is not JSON",
            expected="a sidecar",
            remedy="leave it out, or write it again",
            code="not_json",
        ) from None
    counts: Counter[str] = Counter()
    own: set[str] = set()
    _gather(content, own, "", 0)
    kept = _cleaned(content, own, counts, 0)
    text = json.dumps(kept if kept is not None else {}, indent=1, ensure_ascii=True) + "\n"
    return Cleaned(text.encode(), place + ".json", counts)


def clean_gradients(data: bytes, place: str, suffix: str) -> Cleaned:
    """The b-values or directions of diffusion images, which lie beside them as plain numbers.

    Args:
        data: The file.
        place: Where it is to be written, without its suffix.
        suffix: ``.bval`` or ``.bvec``.

    Returns:
        The same numbers, line by line.

    Raises:
        PrepareError: It holds anything but numbers, or numbers as long as identifiers.

    Source: BIDS 1.10, diffusion imaging data.
    """
    lines = data.decode("latin-1").splitlines()
    try:
        numbers = [[float(each) for each in line.split()] for line in lines]
    except ValueError:
        numbers = []
    # A b-value of 20000 is the largest that scanners for people reach.
    if not _GRADIENTS.fullmatch(data) or not numbers or any(abs(each) > 20_000 for line in numbers for each in line):
        raise PrepareError(
            "it should hold b-values or directions, and holds something else",
            expected="numbers in rows",
            remedy="leave it out, or write it again",
            code="no_gradients",
        )
    text = "\n".join(" ".join(f"{each:.10g}" for each in line) for line in numbers) + "\n"
    return Cleaned(text.encode(), place + suffix, Counter(kept=sum(map(len, numbers))))


def _gather(value: Any, own: set[str], place: str, depth: int) -> None:
    """Words of persons that the file names."""
    if depth > _MOST_NESTED:
        raise PrepareError("the JSON file is nested too deep", expected="a sidecar", code="json_nested")
    if isinstance(value, dict):
        for name, each in value.items():
            _gather(each, own, f"{place} {name}", depth + 1)
    elif isinstance(value, list):
        for each in value:
            _gather(each, own, place, depth + 1)
    elif isinstance(value, str) and _NAMES.search(place):
        own |= words_of(value)


def _cleaned(value: Any, own: set[str], counts: Counter[str], depth: int) -> Any:
    if isinstance(value, dict):
        kept = {}
        for name, each in value.items():
            new = _cleaned(each, own, counts, depth + 1) if _is_plain_name(name) else None
            if new is None:
                counts["removed"] += 1
            else:
                kept[name] = new
        return kept
    if isinstance(value, list):
        new = [_cleaned(each, own, counts, depth + 1) for each in value]
        return None if any(each is None for each in new) else new
    if isinstance(value, str):
        if _CLOCK.search(value):
            return None
        text = cleaned(value, own, technical=True)
        counts["text cleaned"] += 1
        return text or None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not abs(value) < _LONGEST_NUMBER:
        return None
    counts["kept"] += 1
    return value


def _is_plain_name(name: str) -> bool:
    """Whether an entry's own name tells nobody: words of the trade, and none for persons."""
    if _PRIVATE.search(name):
        return False
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    known = vocabulary()
    return bool(words) and all(len(word) <= 3 or word.lower() in known for word in words)
