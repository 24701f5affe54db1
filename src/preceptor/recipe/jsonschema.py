"""The JSON Schema of recipes: editors complete names and underline mistakes while one types."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.slots import FOLDERS, Parameter, names, parameters, plugin, summary

from .document import argument_texts
from .schema import OBJECTIVE_KEYS, SECTIONS, TABLES
from .values import choice_of, plain


def json_schema() -> dict[str, Any]:
    """Draft 2020-12, from the same constructors that the recipe check asks."""
    slots = {slot: {name: cls for name in names(slot) if (cls := _loaded(slot, name))} for slot in FOLDERS}
    definitions = {slot: _named(classes, slot) for slot, classes in slots.items()}
    definitions |= {table: _named(dict(classes), table) for table, classes in TABLES.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "preceptor recipe",
        "type": "object",
        "properties": {name: _section(name) for name in SECTIONS},
        "required": [name for name, section in SECTIONS.items() if section.required],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _loaded(slot: str, name: str) -> type | None:
    """A plug-in that lacks its optional library is left out of the schema rather than stopping it."""
    try:
        return plugin(slot, name)
    except (PreceptorError, ImportError):
        return None


def _section(name: str) -> dict[str, Any]:
    section = SECTIONS[name]
    if section.slot:
        one = {"$ref": f"#/$defs/{section.slot}"}
        kind: dict[str, Any] = {"anyOf": [one, {"type": "array", "items": one}]} if section.many else dict(one)
    elif isinstance(section.annotation, type) and hasattr(section.annotation, "__dataclass_fields__"):
        kind = _settings(section.annotation)
    else:
        kind = _type(section.annotation)
    return {**kind, "description": section.about}


def _named(classes: Mapping[str, type], slot: str) -> dict[str, Any]:
    """``name`` alone, or ``{name: {parameter: value}}``."""
    bare = [name for name, cls in classes.items() if not any(each.required for each in parameters(cls).values())]
    full = {name: _settings(cls, OBJECTIVE_KEYS if slot == "objectives" else {}) for name, cls in classes.items()}
    whole = {
        "type": "object",
        "properties": full,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [{"type": "string", "enum": bare}, whole] if bare else [whole]}


def _settings(cls: type, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    known, words = parameters(cls), argument_texts(cls)
    properties = {name: _parameter(parameter, words.get(name, "")) for name, parameter in known.items()}
    properties |= {name: _type(annotation) for name, annotation in (extra or {}).items()}
    required = [name for name, parameter in known.items() if parameter.required]
    found = {"description": summary(cls), "properties": properties, "additionalProperties": False}
    return found | ({"type": "object", "required": required} if required else {"type": ["object", "null"]})


def _parameter(parameter: Parameter, words: str) -> dict[str, Any]:
    choice, nested = choice_of(parameter.annotation), parameter.nested
    home = nested.slot if nested else choice.table if choice else None
    if home:
        one = {"$ref": f"#/$defs/{home}"}
        many = nested is not None and nested.many
        found: dict[str, Any] = {"anyOf": [one, {"type": "array", "items": one}]} if many else dict(one)
    else:
        found = _type(parameter.annotation)
    if words:
        found["description"] = words
    if not parameter.required:
        found["default"] = plain(parameter.default)
    return found


def _type(annotation: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter

    if annotation is Any or annotation is inspect.Parameter.empty:
        return {}
    found = TypeAdapter(annotation).json_schema()
    found.pop("title", None)
    return found
