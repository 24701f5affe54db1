"""From a file to a checked `Recipe`: read, override, fill, check, and tell every fault at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from preceptor.core.errors import Problem, RecipeError
from preceptor.core.slots import names, parameters, plugin

from .check import check
from .fill import Filler
from .overrides import override
from .paths import confine
from .report import MOST_PROBLEMS, Report
from .resolve import Recipe
from .yaml import MOST_BYTES, Document, read_yaml

_STUDY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def load_recipe(
    path: str | Path,
    overrides: Sequence[str] = (),
    roots: Sequence[Path] | None = None,
    networks: Collection[str] = (),
) -> Recipe:
    """Read, check and resolve a recipe.

    Args:
        path: A YAML file.
        overrides: ``train.epochs=5``, ``network.unet.channels=[8, 16]``: set after reading.
        roots: Where given, every path in the recipe must stay inside one of these folders, symbolic links followed.
        networks: Names of networks handed in from Python.

    Raises:
        RecipeError: With every problem found, each with file, line, what was expected and the nearest right name.
    """
    path = Path(path)
    document = read_yaml(_text(path), path.name)
    report = Report(path.name, document.places, document.unreadable)
    report.problems.extend(document.problems)
    document.data = override(document.data, overrides, report)
    filled = Filler(report, networks).recipe(document.data)
    folder = _folder(path, filled, report)
    if roots is not None:
        confine(document.data, path.parent, folder, [Path(root) for root in roots], report)
    if isinstance(document.data, dict):
        _name(path, filled, document, report)
        try:
            check(filled, folder, report, networks)
        except (TypeError, ValueError, LookupError, AttributeError):
            if not report.errors:  # a value of the wrong kind, told already, keeps the rest from being compared
                raise
    if report.errors:
        raise _failed(path, report.errors)
    if filled.get("checks") is None:
        filled["checks"] = _every_check()
    _tell_checks(filled)
    return Recipe.of(filled, folder, tuple(report.warnings))


def _text(path: Path) -> str:
    if not path.is_file():
        near = sorted(each.name for pattern in ("*.yaml", "*.yml") for each in path.parent.glob(pattern))
        raise RecipeError(
            f"there is no recipe {path.name}",
            where=str(path.parent),
            expected="a YAML file",
            remedy=f"here lie {', '.join(near[:8])}" if near else "`preceptor new recipe segmentation` writes one",
            code="recipe_not_found",
        )
    if path.stat().st_size > MOST_BYTES:
        return "x" * (MOST_BYTES + 1)  # refused by its size before it is read
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(
            f"this is not UTF-8 text: byte {error.start} cannot be read",
            where=path.name,
            expected="a YAML file in UTF-8",
            remedy="save it as UTF-8 in your editor",
            code="recipe_encoding",
        ) from None


def _folder(path: Path, filled: dict[str, Any], report: Report) -> Path:
    folder = (path.parent / (filled.pop("folder", None) or ".")).resolve()
    if not folder.is_dir():
        report.add(
            ("folder",),
            "the recipe's folder is not there",
            expected="a folder, seen from this file",
            remedy="paths in the recipe are relative to it; without the line they are relative to this file",
            code="folder_missing",
        )
    return folder


def _name(path: Path, filled: dict[str, Any], document: Document, report: Report) -> None:
    """The study names folders, so it may hold nothing that a path means something by."""
    if document.data.get("study") is None:
        filled["study"] = re.sub(r"[^A-Za-z0-9_-]+", "_", path.name.split(".")[0]).strip("_-") or "study"
    if isinstance(filled["study"], str) and not _STUDY.fullmatch(filled["study"]):
        report.add(
            ("study",),
            f"study is {filled['study'][:40]!r}",
            expected="letters, digits, - and _, at most 64: it names the run's folder",
            remedy="a title with spaces goes under `name`",
            code="study_name",
        )


def _every_check() -> list[dict[str, Any]]:
    """Without a list of checks, all are made that need no settings."""
    chosen = []
    for name in names("checks"):
        known = parameters(plugin("checks", name))
        if not any(parameter.required for parameter in known.values()):
            chosen.append(Filler(Report(name, {})).plugin("checks", name, ("checks",)))
    return [each for each in chosen if each is not None]


def _tell_checks(filled: dict[str, Any]) -> None:
    """A check that asks what the recipe is judged by (`judged_by`) is told, unless the recipe says it itself."""
    judges = [name for each in filled.get("evaluate") or () for name in each]
    for each in filled["checks"]:
        for settings in each.values():
            if "judged_by" in settings and settings["judged_by"] is None:
                settings["judged_by"] = judges


def _failed(path: Path, errors: Sequence[Problem]) -> RecipeError:
    shown = list(errors[:MOST_PROBLEMS])
    if len(errors) > MOST_PROBLEMS:
        shown.append(Problem(f"and {len(errors) - MOST_PROBLEMS} more", code="more_problems"))
    count = "one problem" if len(errors) == 1 else f"{len(errors)} problems"
    return RecipeError(f"the recipe has {count}", where=path.name, code="recipe_problems", problems=shown)
