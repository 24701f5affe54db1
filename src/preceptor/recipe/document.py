"""What a plug-in says of itself, for `preceptor list`, `preceptor show`, editors and the reference pages."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from preceptor.core.errors import RecipeError
from preceptor.core.slots import FOLDERS, Parameter, names, parameters, plugin, summary

from .fill import ONE
from .report import did_you_mean, listed
from .schema import OBJECTIVE_KEYS, SECTIONS, TABLES, Split, Train
from .values import describe, plain, shown

#: Settings that are shown like plug-ins though no folder holds them.
_SETTINGS: Mapping[str, Mapping[str, type]] = {"train": {"train": Train}, "split": {"split": Split}, **TABLES}


@dataclass(frozen=True)
class Page:
    """The documentation of one plug-in.

    Args:
        text: For people.
        record: The same as JSON.
    """

    text: str
    record: dict[str, Any]


def about(slot: str, name: str) -> str:
    """First line of a plug-in's documentation, read from its file without importing it (torch takes seconds)."""
    found = importlib.util.find_spec(f"{FOLDERS[slot]}.{name}")
    if found is None or found.origin is None:  # from another package
        return summary(plugin(slot, name))
    with open(found.origin, encoding="utf-8") as file:  # noqa: PTH123  the origin of a module is text
        tree = ast.parse(file.read())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


def find(name: str) -> list[tuple[str, str]]:
    """Which plug-ins a word means: ``dice`` is an objective and an evaluator, ``evaluators/dice`` only one of them.

    Raises:
        RecipeError: None; the nearest names are offered.
    """
    wanted, _, alone = name.rpartition("/")
    known = {slot: names(slot) for slot in FOLDERS}
    known |= {slot: tuple(table) for slot, table in _SETTINGS.items()}
    found = [
        (slot, alone) for slot, here in known.items() if alone in here and wanted in ("", slot, ONE.get(slot, slot))
    ]
    if not found:
        everything = sorted({each for here in known.values() for each in here})
        raise RecipeError(
            f"there is no plug-in '{name}'",
            expected="a name that `preceptor list` shows, such as unet or evaluators/dice, or a bundle that exists",
            remedy=did_you_mean(alone, everything) or f"kinds: {listed(FOLDERS)}",
            code="plugin_unknown",
        )
    return found


def document(slot: str, name: str) -> Page:
    """Documentation, parameters and a line for the recipe.

    Args:
        slot: A folder of plug-ins, or ``train``, ``split``, ``optimizers``, ``schedules``.
        name: Of the plug-in.
    """
    cls = _SETTINGS[slot][name] if slot in _SETTINGS else plugin(slot, name)
    words = argument_texts(cls)
    rows = [_row(parameter, words.get(key, "")) for key, parameter in _accepted(slot, cls).items()]
    lines = [f"{name}: {_kind(slot)}", "", inspect.getdoc(cls) or "(not documented)", ""]
    if rows:
        width = max(len(row["name"]) for row in rows)
        lines += ["Parameters in a recipe:"]
        lines += [f"  {row['name'].ljust(width)}  {row['type']}; {_default(row)}" for row in rows]
    else:
        lines += ["It has no parameters."]
    lines += ["", f"In a recipe:  {example_line(slot, name, cls)}"]
    return Page("\n".join(lines), {"slot": slot, "name": name, "about": summary(cls), "parameters": rows})


def argument_texts(cls: type) -> dict[str, str]:
    """``{parameter: what the docstring's Args say}``."""
    block = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.getdoc(cls) or "", re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    names_here: list[str] = []
    for line in (block[1] if block else "").splitlines():
        start = re.match(r"    (\w+(?:, \w+)*)(?: \([^)]*\))?: (.*)", line)
        if start:
            names_here = start[1].split(", ")
            for each in names_here:
                found[each] = start[2]
        elif names_here and line.strip():
            for each in names_here:
                found[each] += f" {line.strip()}"
    return found


def example_line(slot: str, name: str, cls: type) -> str:
    """How the plug-in is written in a recipe, with what it must be told."""
    known = parameters(cls)
    required = [f"{key}: …" for key, parameter in known.items() if parameter.required]
    given = f"{{{name}: {{{', '.join(required)}}}}}" if required else name
    if slot in ("train", "split"):
        return f"{slot}: {{{', '.join(list(known)[:3])}, …}}"
    if slot in TABLES:
        return f"train: {{{slot[:-1]}: {given}}}"
    if slot == "phantoms":
        return f"cohort: {{synthetic: {{kind: {given}}}}}"
    section = next(key for key, each in SECTIONS.items() if each.slot == slot)
    return f"{section}: {'[' if SECTIONS[section].many else ''}{given}{']' if SECTIONS[section].many else ''}"


def _accepted(slot: str, cls: type) -> dict[str, Parameter]:
    extra = {key: Parameter(key, kind, None) for key, kind in OBJECTIVE_KEYS.items()} if slot == "objectives" else {}
    return {**parameters(cls), **extra}


def _kind(slot: str) -> str:
    if slot in ("train", "split"):
        return "a section of the recipe"
    one = ONE[slot]
    return f"{'an' if one[0] in 'aeiou' else 'a'} {one}"


def _row(parameter: Parameter, words: str) -> dict[str, Any]:
    if parameter.nested:
        kind = f"{'a list of ' if parameter.nested.many else 'one of '}{parameter.nested.slot}"
    else:
        kind = describe(parameter.annotation)
    row = {"name": parameter.name, "type": kind, "required": parameter.required, "about": words}
    return row if parameter.required else row | {"default": plain(parameter.default)}


def _default(row: dict[str, Any]) -> str:
    said = "must be given" if row["required"] else f"default {shown(row['default'])}"
    return said if not row["about"] else f"{said}\n      {row['about']}"
