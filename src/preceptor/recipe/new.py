"""Something to start from: a commented recipe that passes its check, or a plug-in that works, with its test."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from preceptor.core.errors import RecipeError
from preceptor.core.slots import FOLDERS, names

from .fill import ONE
from .report import did_you_mean, one_of

_NAME = re.compile(r"[a-z][a-z0-9_]{1,47}")


def new_recipe(task: str, path: Path) -> Path:
    """Write a commented recipe for a task.

    Args:
        task: ``classification``, ``multilabel``, ``segmentation``, ``regression`` or ``survival``.
        path: The file to write.

    Raises:
        RecipeError: There is no such task, or the file is there already.
    """
    known = sorted(
        each.name.removeprefix("recipe_").removesuffix(".yaml")
        for each in (resources.files(__package__) / "templates").iterdir()
        if each.name.startswith("recipe_")
    )
    if task not in known:
        raise RecipeError(
            f"there is no recipe to start from for '{task}'",
            expected=one_of(known),
            remedy=did_you_mean(task, known) or "`preceptor list tasks` shows every task; take the nearest recipe",
            code="task_unknown",
        )
    return _write(path, _template(f"recipe_{task}.yaml"))


def new_plugin(kind: str, name: str, out: Path | None = None) -> list[Path]:
    """Write a plug-in that passes its contract, and its test.

    Args:
        kind: A folder of plug-ins (``networks``) or one of them (``network``).
        name: The name in recipes, which is the file's.
        out: Root of a checkout of preceptor: the files go where such plug-ins lie. Any other folder gets both files as
            they are, to go into a package of one's own. By default the checkout that runs, else here.

    Returns:
        The two files.

    Raises:
        RecipeError: There is no such kind, the name will not do, or a file is there already.
    """
    slot = _slot(kind)
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise RecipeError(
            f"'{name[:60]}' cannot be the name of a plug-in",
            expected="small letters, digits and _, such as my_net: it is a file's name and a recipe's word",
            code="plugin_name",
        )
    if name in names(slot):
        raise RecipeError(
            f"there is a {ONE[slot]} '{name}' already",
            expected="a new name",
            remedy=f"`preceptor show {slot}/{name}` tells what it does",
            code="plugin_exists",
        )
    root = out or _checkout() or Path()
    inside = FOLDERS[slot].replace(".", "/")
    if (root / "src" / inside).is_dir():
        stage = FOLDERS[slot].split(".")[1]
        module, plugin = f"{FOLDERS[slot]}.{name}", root / "src" / inside / f"{name}.py"
        test = root / "tests" / stage / f"test_{name}.py"
    else:
        module, plugin, test = name, root / f"{name}.py", root / f"test_{name}.py"
    for path in (plugin, test):
        _refuse_existing(path)
    words = {"name": name, "Name": _class_name(name), "module": module}
    return [_write(plugin, _template(f"{slot}.txt", **words)), _write(test, _template(f"{slot}_test.txt", **words))]


def _slot(kind: str) -> str:
    words = {word: slot for slot in FOLDERS for word in (slot, ONE[slot], ONE[slot].replace(" ", "_"))}
    if kind not in words:
        raise RecipeError(
            f"there is no kind of plug-in '{kind}'",
            expected=one_of(ONE[slot] for slot in FOLDERS),
            remedy=did_you_mean(kind, words),
            code="slot_unknown",
        )
    return words[kind]


def _checkout() -> Path | None:
    """The checkout that this package runs from, if it does."""
    root = Path(__file__).resolve().parents[3]
    return root if (root / "pyproject.toml").is_file() and (root / "tests").is_dir() else None


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _template(file: str, **words: str) -> str:
    text = (resources.files(__package__) / "templates" / file).read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace("{{" + word + "}}", value)
    return text


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise RecipeError(
            f"{path.name} is there already",
            where=str(path.parent),
            expected="a file that is not there yet",
            remedy="choose another name with --out; nothing is overwritten",
            code="exists",
        )


def _write(path: Path, text: str) -> Path:
    _refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
