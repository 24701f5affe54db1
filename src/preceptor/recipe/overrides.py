"""``--set train.epochs=5``: one value of a recipe replaced from the command line, checked like the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from preceptor.core.errors import RecipeError

from .report import Report, did_you_mean, listed, one_of
from .schema import SECTIONS
from .yaml import Path, read_yaml

_FORM = "section.setting=value, such as train.epochs=5"


def override(data: Any, overrides: Sequence[str], report: Report) -> Any:
    """The recipe's data with each override set; a list of plug-ins is entered by a plug-in's name.

    Args:
        data: The recipe as read.
        overrides: Each ``path.to.value=value``; the value is YAML.
        report: Takes what can't be set; the new values' place is the override itself.
    """
    data = copy.deepcopy(data) if isinstance(data, dict) else data
    places = report.places = dict(report.places)
    for each in overrides:
        where = f"--set {each}" if len(each) <= 80 else f"--set {each[:77]}..."
        dotted, equals, text = each.partition("=")
        keys = [key.strip() for key in dotted.split(".")]
        if not equals or not all(keys):
            _refuse(report, where, f"'{each}' sets nothing", _FORM)
            continue
        try:
            value = read_yaml(text, where).data
        except RecipeError as error:
            _refuse(report, where, error.problem.what, "a value as it would stand in the recipe")
            continue
        if not isinstance(data, dict):
            return data
        fault, path = _set(data, keys, value)
        if fault:
            _refuse(report, where, fault[0], fault[1], fault[2])
        else:
            for old in [known for known in places if known[: len(path)] == path]:
                del places[old]
            places[path] = where
    return data


def _refuse(report: Report, where: str, what: str, expected: str, remedy: str = "") -> None:
    report.places = {**report.places, ("--set", where): where}
    report.add(("--set", where), what, expected=expected, remedy=remedy, code="override")


def _set(data: dict, keys: Sequence[str], value: Any) -> tuple[tuple[str, str, str] | None, Path]:
    """Walk to the place and set it. Returns a fault (what, expected, remedy), and the path that was set."""
    if keys[0] not in SECTIONS:
        return (f"there is no section '{keys[0]}'", one_of(SECTIONS), did_you_mean(keys[0], SECTIONS)), ()
    here: Any = data
    path: list[str | int] = []
    for depth, key in enumerate(keys):
        last = depth == len(keys) - 1
        if isinstance(here, list):
            position = _position(here, key)
            if position is None:
                held = listed(_name(each) for each in here)
                return (f"'{key}' is not in {'.'.join(keys[:depth])}", f"one of {held}", f"it holds {held}"), ()
            path.append(position)
            if last and not key.isdigit():
                here[position] = {key: value}
                path.append(key)
                return None, tuple(path)
            if last:
                here[position] = value
                return None, tuple(path)
            if not key.isdigit():  # enter the plug-in of that name
                here[position] = _opened(here[position], key)
                here = here[position]
                path.append(key)
                here = here[key]
            else:
                here = here[position]
            continue
        path.append(key)
        if last:
            here[key] = value
            return None, tuple(path)
        following = keys[depth + 1]
        held = here.get(key)
        if held is None:
            here[key] = {}
        elif isinstance(held, str):
            if held != following:
                return (f"'{'.'.join(keys[: depth + 1])}' is {held}", f"{held}, not {following}", ""), ()
            here[key] = {held: {}}
        elif not isinstance(held, (dict, list)):
            return (f"'{'.'.join(keys[: depth + 1])}' holds no settings", "a setting that is there", ""), ()
        elif isinstance(held, dict) and _names_plugin(keys[: depth + 1]) and len(held) == 1 and following not in held:
            place = ".".join(keys[: depth + 1])
            return (f"the recipe's {place} is {_name(held)}", f"{_name(held)}, not {following}", ""), ()
        here = here[key]
    return None, tuple(path)


def _names_plugin(keys: Sequence[str]) -> bool:
    """Whether a mapping at this place is a name with its settings."""
    return bool(len(keys) == 1 and SECTIONS[keys[0]].slot) or list(keys) in (
        ["train", "optimizer"],
        ["train", "schedule"],
    )


def _name(item: Any) -> str:
    return str(next(iter(item), "")) if isinstance(item, Mapping) else str(item)


def _position(items: Sequence[Any], key: str) -> int | None:
    if key.isdigit():
        return int(key) if int(key) < len(items) else None
    return next((index for index, item in enumerate(items) if _name(item) == key), None)


def _opened(item: Any, key: str) -> dict[str, Any]:
    settings = item.get(key) if isinstance(item, Mapping) else None
    return {key: dict(settings or {})}
