"""``preceptor new recipe TASK`` and ``preceptor new plugin KIND NAME``"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from . import console

new = App(
    name="new", help="Write a commented recipe, or a plug-in with its test, to start from.", help_format="plaintext"
)


@new.command
def recipe(
    task: str, *, out: Annotated[Path | None, Parameter(alias="-o")] = None, as_json: console.Json = False
) -> None:
    """Write a commented recipe for a task.

    Parameters
    ----------
    task
        What is asked of the image: classification, multilabel, segmentation, regression.
    out
        File to write; TASK.yaml by default.
    """
    from preceptor.recipe.new import new_recipe

    path = new_recipe(task, out or Path(f"{task}.yaml"))
    console.say(f"next: edit the lines marked <--, then `preceptor check {path}`")
    console.result(str(path), {"recipe": str(path)}, as_json)


@new.command
def plugin(
    kind: str, name: str, *, out: Annotated[Path | None, Parameter(alias="-o")] = None, as_json: console.Json = False
) -> None:
    """Write a plug-in file that works, and its test.

    Parameters
    ----------
    kind
        A folder of plug-ins (`preceptor list`), such as networks or objective.
    name
        Its name in recipes, such as my_net.
    out
        Root of a checkout of preceptor, or of a package of your own; by default where preceptor itself is checked out,
        else here.
    """
    from preceptor.recipe.new import new_plugin

    written = new_plugin(kind, name, out)
    console.result("\n".join(map(str, written)), {"written": [str(each) for each in written]}, as_json)
