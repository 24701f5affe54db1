"""``preceptor list [SLOT]``"""

from __future__ import annotations

from . import console


def list_plugins(slot: str | None = None, *, as_json: console.Json = False) -> None:
    """List the plug-ins a recipe can name: every kind with its names, or one kind with what each does.

    Parameters
    ----------
    slot
        One kind, such as networks or transforms.
    """
    from preceptor.core.slots import FOLDERS, names
    from preceptor.recipe.document import about

    if slot is None:
        found = {each: list(names(each)) for each in FOLDERS}
        rows = [(each, ", ".join(known) or "none yet") for each, known in found.items()]
        console.result(console.columns(rows, ""), found, as_json)
        return
    from preceptor.core.errors import RecipeError
    from preceptor.recipe.report import did_you_mean, listed

    if slot not in FOLDERS:
        raise RecipeError(
            f"there is no kind of plug-in '{slot}'",
            expected=f"one of {listed(FOLDERS)}",
            remedy=did_you_mean(slot, FOLDERS),
            code="slot_unknown",
        )
    lines = {name: about(slot, name) for name in names(slot)}
    console.result(console.columns(lines.items(), ""), {slot: lines}, as_json)
