"""How the report calls things: numbers, findings, methods, answers and durations, in a reader's words."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from preceptor.core.slots import names, plugin, summary

#: What stands before the colon of a plug-in's first line (``AUROC: the chance that …``) is its name, if it is short.
_LONGEST_NAME = 40

_UNITS = {"mm": "mm", "ms": "ms", "hu": "HU", "days": "days", "years": "years"}


def number(value: float | None, unit: str = "") -> str:
    """A number for a reader: three decimals below ten, fewer above; a dash where it is undefined."""
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    decimals = 3 if size < 10 else 1 if size < 1000 else 0
    return f"{_grouped(f'{value:,.{decimals}f}')} {unit}".strip()


def whole(count: int) -> str:
    """A count, its thousands apart."""
    return _grouped(f"{count:,}")


def counted(count: int, noun: str) -> str:
    """``1 patient``, ``3 patients``."""
    return f"{whole(count)} {noun}{'' if count == 1 else 's'}"


def title_of(finding: str) -> str:
    """A finding's name as a heading: what its evaluator calls itself, its part, whether of external cases."""
    if finding.startswith("change."):
        return f"{title_of(finding.removeprefix('change.'))}, change from the internal cohort"
    if finding.startswith("members."):
        return f"{title_of(finding.removeprefix('members.'))}, members one by one"
    head, _, part = finding.removeprefix("external.").partition(".")
    title = called("evaluators", head) + (f": {words(part)}" if part else "")
    return f"{title}, external cases" if finding.startswith("external.") else title


def called(slot: str, name: str) -> str:
    """What a plug-in calls itself: ``grad_cam`` is Grad-CAM; where it does not say, its own name."""
    if name in names(slot):
        said, colon, _ = summary(plugin(slot, name)).partition(":")
        if colon and len(said) <= _LONGEST_NAME:
            return said
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def described(slot: str, name: str) -> str:
    """A plug-in's first line without its name; empty where the plug-in is not installed."""
    if name not in names(slot):
        return ""
    return sentence(summary(plugin(slot, name)).removeprefix(f"{called(slot, name)}:"))


def words(name: str) -> str:
    """An axis or a part as a reader calls it; a unit at its end goes into brackets."""
    head, _, unit = name.rpartition("_")
    if head and unit in _UNITS:
        return f"{head.replace('_', ' ')} ({_UNITS[unit]})"
    return name.replace("_", " ").replace("=", ": ")


def sentence(text: str) -> str:
    """Plug-ins write definitions and notes as phrases; the page shows them as sentences."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text[-1:] in '.!?' else '.'}" if text else ""


def listed(items: Sequence[str], word: str) -> str:
    """``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def answers_of(value: Any) -> str:
    """An answer or a truth; of several labels those that are there."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "unknown"
    if not str(value).startswith("{"):
        return number(value) if isinstance(value, float) else str(value)
    said = json.loads(str(value))
    there = [name for name, each in said.items() if each]
    unknown = [name for name, each in said.items() if each is None]
    return (", ".join(there) or "none of them") + (f" (unknown: {', '.join(unknown)})" if unknown else "")


def duration(seconds: float) -> str:
    """``1 h 02 min`` or ``45 s``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _grouped(text: str) -> str:
    return text.replace("-", "−").replace(",", "\u202f")
