"""``preceptor show PLUG-IN``, ``preceptor show BUNDLE`` or ``preceptor show augment RECIPE``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from . import console


def show(
    name: str,
    recipe: Path | None = None,
    *,
    out: Annotated[Path, Parameter(alias="-o")] = Path("augment.html"),
    cases: int = 3,
    variations: int = 5,
    as_json: console.Json = False,
) -> None:
    """Show a plug-in's documentation and parameters, what a bundle holds, or what a recipe's augmentation looks like.

    Parameters
    ----------
    name
        A plug-in, such as unet or evaluators/dice; the path of a bundle; or `augment`, with a recipe.
    recipe
        With `augment`: whose variations are drawn as a page to judge and to sign.
    out
        With `augment`: the page to write.
    cases
        With `augment`: how many training cases.
    variations
        With `augment`: how many variations of each.
    """
    if name == "augment":
        _augment(recipe, out, cases, variations, as_json)
        return
    if Path(name).is_file():
        _bundle(Path(name), as_json)
        return
    from preceptor.recipe.document import document, find

    pages = [document(slot, plugin) for slot, plugin in find(name)]
    text = f"\n\n{'=' * 72}\n\n".join(page.text for page in pages)
    console.result(text, {"plugins": [page.record for page in pages]}, as_json)


def _augment(recipe: Path | None, out: Path, cases: int, variations: int, as_json: bool) -> None:
    from preceptor import api
    from preceptor.core.errors import RecipeError

    if recipe is None:
        raise RecipeError("no recipe is named", expected="preceptor show augment RECIPE", code="no_recipe")
    shown = api.show_augment(recipe, out, cases=cases, variations=variations)
    console.result(shown["page"], shown, as_json)


def _bundle(path: Path, as_json: bool) -> None:
    from preceptor import api
    from preceptor.deliver.card import write_card

    card = api.open_bundle(path).card
    console.result(write_card(card).rstrip("\n"), card, as_json)
