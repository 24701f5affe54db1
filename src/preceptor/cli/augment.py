"""``preceptor augment RECIPE OUT``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def augment(
    recipe: Path,
    out: Path,
    *,
    copies: int = 4,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative="")] = (),
    fresh: Annotated[bool, Parameter(negative="")] = False,
    as_json: console.Json = False,
) -> None:
    """Write an enlarged cohort: every case as the recipe prepares it, and varied copies of each training case.

    Training draws variations anew in every epoch and needs no such copies. They are for other programs, for people who want to
    look at them, and for drawing once and for all.

    Parameters
    ----------
    recipe
        Its cohort and split are taken, its prepare applied, its augment drawn.
    out
        Folder for images, masks, cohort.parquet, and a recipe.yaml that trains on them.
    copies
        Of each training case. Cases of other roles are never varied, and copies stay in their parent's group.
    set_
        Change one setting, as in --set seed=3; may be repeated.
    fresh
        Begin anew where another enlarged cohort lies.
    """
    from preceptor import api

    made = api.augment(recipe, out, copies=copies, set=set_, fresh=fresh)
    roles = [case.role or "no role" for case in made]
    counts = {role: roles.count(role) for role in dict.fromkeys(roles)}
    record = {
        "cohort": str(out / "cohort.parquet"),
        "recipe": str(out / "recipe.yaml"),
        "cases": len(made),
        "roles": counts,
    }
    record["note"] = made.notes[-1]
    console.result(f"{out / 'cohort.parquet'}\n{out / 'recipe.yaml'}\n{made.notes[-1]}", record, as_json)
