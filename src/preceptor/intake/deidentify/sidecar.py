"""A JSON file beside an image (BIDS and the like): numbers of the acquisition stay, words go through the vocabulary."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from preceptor.core.errors import PrepareError

from .dicom import Cleaned
from .wording import cleaned, vocabulary

#: Names of entries whose value tells of a person, a place or a day.
_PRIVATE = re.compile(
    r"patient|subject|participant|person|birth|accession|address|institution|physician|operator|reader|phone|mail|serial|station|"
    r"hospital|site|zip|postal|city|country|insurance|record|order|date|day|month|year|ethnic|race|comment|note|"
    r"(?:^|[a-z_])(?:age|sex|weight|size|height|id|ids|uid|uuid)$|name$",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\d{1,2}:\d\d")
_MOST_NESTED = 32


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
    kept = _cleaned(content, counts, 0)
    text = json.dumps(kept if kept is not None else {}, indent=1, ensure_ascii=True) + "\n"
    return Cleaned(text.encode(), place + ".json", counts)


def _cleaned(value: Any, counts: Counter[str], depth: int) -> Any:
    if depth > _MOST_NESTED:
        raise PrepareError("the JSON file is nested too deep", expected="a sidecar", code="json_nested")
    if isinstance(value, dict):
        kept = {}
        for name, each in value.items():
            new = _cleaned(each, counts, depth + 1) if _is_plain_name(name) else None
            if new is None:
                counts["removed"] += 1
            else:
                kept[name] = new
        return kept
    if isinstance(value, list):
        new = [_cleaned(each, counts, depth + 1) for each in value]
        return None if any(each is None for each in new) else new
    if isinstance(value, str):
        if _CLOCK.search(value):
            return None
        text = cleaned(value, technical=True)
        counts["text cleaned"] += 1
        return text or None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 100_000:
        return None  # identifiers and dates are whole numbers this long; an acquisition's are not
    counts["kept"] += 1
    return value


def _is_plain_name(name: str) -> bool:
    """Whether an entry's own name tells nobody: words of the trade, and none for persons."""
    if _PRIVATE.search(name):
        return False
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    known = vocabulary()
    return bool(words) and all(len(word) <= 3 or word.lower() in known for word in words)
