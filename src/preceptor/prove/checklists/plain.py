"""Sections of a recipe as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def told(value: Any) -> str | None:
    """A value as text; None where it says nothing."""
    return None if value in (None, "", [], {}) else str(value)


def spelt(section: Any) -> list[str]:
    """Names of the plug-ins of a section, which is a name, ``{name: settings}``, or a list of these."""
    if section in (None, "", [], {}):
        return []
    if isinstance(section, str):
        return [section]
    if isinstance(section, Mapping):
        return [str(next(iter(section)))]
    return [name for each in section for name in spelt(each)]


def described(section: Any) -> str:
    """Plug-ins with their settings: ``resample (spacing_mm: 1, 1, 1), zscore``."""
    if isinstance(section, str):
        return section
    if isinstance(section, Mapping):
        return ", ".join(_one(name, settings) for name, settings in section.items())
    return ", ".join(described(each) for each in section or ())


def settings_of(section: Any, names: Sequence[str]) -> str:
    """Some settings of a section, as `` (by patient, stratify label)``; empty where none is set."""
    if not isinstance(section, Mapping):
        return ""
    known = [f"{name} {_value(section[name])}" for name in names if section.get(name) not in (None, "", [], {}, False)]
    return f" ({', '.join(known)})" if known else ""


def _one(name: Any, settings: Any) -> str:
    if not isinstance(settings, Mapping):
        return str(name) if settings in (None, "", {}) else f"{name} ({_value(settings)})"
    known = [f"{key}: {_value(value)}" for key, value in settings.items() if value not in (None, "", [], {})]
    return f"{name} ({'; '.join(known)})" if known else str(name)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return described(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (
            " x ".join(map(str, value)) if all(isinstance(each, (int, float)) for each in value) else described(value)
        )
    return str(value)
