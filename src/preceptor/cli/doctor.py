"""``preceptor doctor``"""

from __future__ import annotations

from . import console


def doctor(*, as_json: console.Json = False) -> None:
    """Print what this machine has (cores, memory, devices, number formats), versions, and which extras are missing."""
    from .machine import examine

    found = examine()
    blocks = []
    for heading, entries in found.items():
        rows = [(key, str(value)) for key, value in entries.items()]
        blocks.append(f"{heading}\n{console.columns(rows)}")
    console.result("\n".join(blocks), found, as_json)
