"""The recipe inside a bundle: what predicting needs of it is checked as strictly as a recipe from a stranger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from preceptor.core.errors import BundleError, safe_name
from preceptor.core.slots import parameters
from preceptor.recipe.fill import Filler
from preceptor.recipe.report import Report
from preceptor.recipe.resolve import Recipe
from preceptor.recipe.schema import Train
from preceptor.recipe.values import conform

from .container import damaged

#: What predicting makes plug-ins of. Other sections are read when someone evaluates, and checked then.
_ONE = {"task": "tasks", "network": "networks"}
_MANY = {"prepare": "transforms", "objective": "objectives", "safeguards": "safeguards", "checks": "checks"}


def read_sealed_recipe(sections: Any, networks: Mapping[str, Any], path: Path) -> Recipe:
    """Check the sections that predicting needs, and make a recipe of all of them.

    Args:
        sections: The resolved recipe as JSON.
        networks: Networks handed in from Python, by name.
        path: Of the bundle, for messages.

    Raises:
        BundleError: A plug-in is not installed, or a parameter is not what its plug-in takes; all of them are told.
    """
    if not isinstance(sections, Mapping):
        raise damaged(path, "its recipe is no mapping")
    report = Report("recipe.json", {})
    filler = Filler(report, tuple(networks))
    known = {each.name for each in fields(Recipe)} - {"folder", "warnings"}
    filled: dict[str, Any] = {name: value for name, value in sections.items() if name in known}
    for name, slot in _ONE.items():
        filled[name] = filler.plugin(slot, filled.get(name), (name,))
    for name, slot in _MANY.items():
        filled[name] = filler.plugins(slot, filled.get(name) or [], (name,))
    if report.errors:
        raise BundleError(
            "the bundle needs plug-ins or settings that are not here",
            where=safe_name(path),
            expected="the release of preceptor, and the packages, that it was sealed with",
            remedy="install the versions that environment.json in the bundle names",
            code="bundle_recipe",
            problems=report.errors,
        )
    try:
        # A setting that came after the bundle was sealed is what it always was: its default.
        sealed = dict(filled["train"])
        filled["train"] = {
            name: conform(sealed.get(name, each.default), each.annotation) for name, each in parameters(Train).items()
        }
        return Recipe.of(filled, Path())
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, "its recipe can't be read") from error
