"""Variations of images, on disk and as pictures, and what they wipe out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..core.cohort import Cohort
from ..core.errors import RecipeError
from ..recipe.load import load_recipe

if TYPE_CHECKING:
    from ..prepare.texture_audit import TextureAudit


def augment(
    recipe: str | Path,
    out: str | Path,
    *,
    copies: int = 4,
    set: Sequence[str] = (),  # noqa: A002
    fresh: bool = False,
    stream: TextIO | None = sys.stderr,
) -> Cohort:
    """Write a recipe's cohort, prepared, with varied copies of its training cases; see `preceptor.deliver.augmenting`.

    Args:
        recipe: Whose `prepare` is applied and whose `augment` is drawn.
        out: Folder for ``images/``, ``masks/``, ``cohort.parquet``, and the ``recipe.yaml`` that trains on them.
        copies: Of each training case; cases of other roles are never varied.
        set: Changes to the recipe.
        fresh: Begin anew where another enlarged cohort lies.
        stream: Where progress is told; None is quiet.

    Returns:
        The enlarged cohort. Copies have their parent's role, patient and group.

    Raises:
        RecipeError: The recipe augments nothing, or the folder holds something else.
        CohortError, PrepareError: The data is not fit for it.
    """
    from ..deliver.augmenting import enlarged_cohort
    from ..learn.journal import Journal

    if copies < 1:
        raise RecipeError("no copies are asked for", expected="one or more", code="copies")
    told = Journal(None, stream).bar
    return enlarged_cohort(load_recipe(Path(recipe), list(set)), Path(out), copies=copies, fresh=fresh, tell=told)


def show_augment(
    recipe: str | Path,
    out: str | Path = "augment.html",
    *,
    cases: int = 3,
    variations: int = 5,
    set: Sequence[str] = (),  # noqa: A002
    stream: TextIO | None = sys.stderr,
) -> dict[str, Any]:
    """Write a page that shows what a recipe's augmentation makes of a few training cases, for a person to judge and sign.

    Args:
        recipe: The recipe.
        out: Of the page: one file, which opens offline and prints.
        cases: How many training cases.
        variations: Of each.
        set: Changes to the recipe.
        stream: Where progress is told; None is quiet.

    Returns:
        ``{page, cases, drawn}``: the path, the cases' keys, and what was drawn.

    Raises:
        RecipeError: The recipe augments nothing.
        CohortError, PrepareError: The data is not fit for it.
    """
    from ..deliver.augment_page import write_augment_page
    from ..learn.journal import Journal

    told = Journal(None, stream).bar
    return write_augment_page(
        load_recipe(Path(recipe), list(set)), Path(out), cases=cases, variations=variations, tell=told
    )


def audit_texture(
    recipe: str | Path,
    *,
    cases: int = 8,
    strength: float = 0.3,
    least_kept: float = 0.8,
    set: Sequence[str] = (),  # noqa: A002
    stream: TextIO | None = sys.stderr,
) -> TextureAudit:
    """Plant fine and coarse grain in a recipe's training images and see which of its steps wipes the difference out.

    Args:
        recipe: Its prepare and augment are tried; nothing is trained.
        cases: How many training cases, spread over all of them; four or more.
        strength: Of the grain, as a share of the foreground's own deviation.
        least_kept: A step that keeps a smaller share of the difference is named.
        set: Changes to the recipe.
        stream: Where progress is told; None is quiet.

    Returns:
        A row for each step, and a sentence.

    Raises:
        RecipeError, CohortError, PrepareError: The recipe or its data is not fit for it.
    """
    from ..learn.journal import Journal
    from ..prepare.texture_audit import audit_recipe

    return audit_recipe(
        load_recipe(Path(recipe), list(set)),
        cases=cases,
        strength=strength,
        least_kept=least_kept,
        tell=Journal(None, stream).bar,
    )
