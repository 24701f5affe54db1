"""``preceptor check RECIPE``"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def check(
    recipe: Path,
    *,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    root: Annotated[tuple[Path, ...], Parameter(negative="")] = (),
    resolved: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Tell every problem of a recipe at once, with file, line and what was expected.

    Parameters
    ----------
    recipe
        A YAML file.
    set_
        Change one setting before the check, as in --set train.epochs=5; may be repeated.
    root
        Refuse paths that leave this folder; may be repeated.
    resolved
        Print the recipe with every default written out.
    """
    from preceptor import api

    checked = api.check(recipe, set=set_, roots=root or None)
    for warning in checked.warnings:
        console.say(f"warning: {warning}")
    text = checked.to_yaml() if resolved else f"{recipe.name}: fine ({checked.study}, {checked.digest()})"
    record = {
        "recipe": str(recipe),
        "digest": checked.digest(),
        "warnings": [asdict(each) for each in checked.warnings],
        "resolved": checked.sections(),
    }
    console.result(text.rstrip("\n"), record, as_json)
