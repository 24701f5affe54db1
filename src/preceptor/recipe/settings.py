"""One plug-in's settings from ``name=value`` texts, checked like a recipe's: every fault at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from preceptor.core.errors import RecipeError

from .fill import Filler
from .report import Report
from .yaml import read_yaml


def named_settings(slot: str, name: str, given: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """A plug-in with every parameter written out.

    Args:
        slot: A folder of plug-ins.
        name: Of the plug-in.
        given: Each ``parameter=value``; the value is YAML as it would stand in a recipe.

    Returns:
        ``{name: {parameter: value}}``.

    Raises:
        RecipeError: There is no such plug-in or parameter, or a value is not what its parameter asks for.
    """
    settings: dict[str, Any] = {}
    places: dict[Any, str] = {}
    for each in given:
        key, equals, text = each.partition("=")
        if not equals or not key.strip():
            raise RecipeError(
                f"'{each[:80]}' sets nothing", expected="name=value, such as size=[64, 64]", code="override"
            )
        key, where = key.strip(), f"--set {each[:80]}"
        settings[key] = read_yaml(text, where).data
        places[(name, key)] = where
    report = Report(name, places)
    filled = Filler(report).plugin(slot, {name: settings}, ())
    if report.errors or filled is None:
        headline = report.errors[0]
        raise RecipeError(
            headline.what,
            where=headline.where,
            expected=headline.expected,
            remedy=headline.remedy,
            code=headline.code,
            problems=report.errors[1:],
        )
    return filled
