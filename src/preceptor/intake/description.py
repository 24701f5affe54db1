"""``dataset.json``, as the Decathlon and nnU-Net write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from preceptor.core.errors import CohortError

_MOST_BYTES = 64 * 2**20


def read_description(path: Path) -> dict[str, Any]:
    """Read a ``dataset.json``.

    Raises:
        CohortError: It is too large, no JSON, or no object.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise CohortError(
            "the description of the data set is not a JSON object",
            where=path.name,
            expected="keys such as training, modality or channel_names, labels",
            code="description",
        ) from error
    return content


def channel_names(description: dict[str, Any]) -> list[str]:
    """Names of the channels in order, from ``channel_names`` (nnU-Net 2) or ``modality``; empty without either."""
    given = description.get("channel_names") or description.get("modality") or {}
    if isinstance(given, list):
        return [str(each) for each in given]
    if not isinstance(given, dict):
        return [str(given)]
    try:
        return [str(given[key]) for key in sorted(given, key=int)]
    except ValueError:
        return [str(each) for each in given.values()]
