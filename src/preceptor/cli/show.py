"""``preceptor show PLUG-IN`` or ``preceptor show BUNDLE``"""

from __future__ import annotations

from pathlib import Path

from . import console


def show(name: str, *, as_json: console.Json = False) -> None:
    """Show a plug-in's documentation and parameters, or what a bundle holds.

    Parameters
    ----------
    name
        A plug-in, such as unet or evaluators/dice, or the path of a bundle.
    """
    if Path(name).is_file():
        _bundle(Path(name), as_json)
        return
    from preceptor.recipe.document import document, find

    pages = [document(slot, plugin) for slot, plugin in find(name)]
    text = f"\n\n{'=' * 72}\n\n".join(page.text for page in pages)
    console.result(text, {"plugins": [page.record for page in pages]}, as_json)


def _bundle(path: Path, as_json: bool) -> None:
    from preceptor import api
    from preceptor.deliver.card import write_card

    card = api.open_bundle(path).card
    console.result(write_card(card).rstrip("\n"), card, as_json)
