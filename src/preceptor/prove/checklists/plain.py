"""Sections of a recipe as words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from preceptor.prove.report.wording import called

#: Settings whose numbers are lengths along axes.
_SIZES = ("shape", "size", "patch", "window", "voxels")


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


def described(section: Any, slot: str = "") -> str:
    """Plug-ins with their settings: ``Resample (spacing: 1 × 1 × 1 mm), Z-score``.

    Args:
        section: Of a recipe.
        slot: Where the plug-ins lie, so that they are called what they call themselves.
    """
    if isinstance(section, str):
        return _named(section, slot)
    if isinstance(section, Mapping):
        return ", ".join(_one(name, settings, slot) for name, settings in section.items())
    return ", ".join(described(each, slot) for each in section or ())


def settings_of(section: Any, names: Sequence[str]) -> str:
    """Some settings of a section, as `` (by patient, stratify label)``; empty where none is set."""
    if not isinstance(section, Mapping):
        return ""
    known = [f"{name} {_value(section[name])}" for name in names if section.get(name) not in (None, "", [], {}, False)]
    return f" ({', '.join(known)})" if known else ""


def _named(name: str, slot: str) -> str:
    return called(slot, name) if slot else name.replace("_", " ")


def _one(name: Any, settings: Any, slot: str) -> str:
    shown = _named(str(name), slot)
    if not isinstance(settings, Mapping):
        return shown if settings in (None, "", {}) else f"{shown} ({_value(settings)})"
    known = [_setting(str(key), value) for key, value in settings.items() if value not in (None, "", [], {})]
    return f"{shown} ({'; '.join(known)})" if known else shown


def _setting(key: str, value: Any) -> str:
    """``spacing: 5 × 5 × 8 mm``, ``keep aspect: no``."""
    key, unit = (key.removesuffix("_mm"), " mm") if key.endswith("_mm") else (key, "")
    return f"{key.replace('_', ' ')}: {_value(value, ' × ' if unit or key in _SIZES else ', ')}{unit}"


def _value(value: Any, between: str = ", ") -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return described(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(each, (int, float)) for each in value):
            return between.join(_value(each) for each in value)
        return described(value)
    return str(value)
