"""The reference page of recipes, written from the same schema that checks them.

    python -m preceptor.recipe.reference > docs/reference/recipe.md

Plug-ins are not listed: a new one changes no page. `preceptor list` and `preceptor show` tell them.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from typing import Any

from preceptor.core.slots import parameters, summary

from .document import argument_texts
from .schema import OBJECTIVE_KEYS, SECTIONS, TABLES, Split, Train
from .values import describe, plain

_INTRODUCTION = """\
# Recipes

One YAML file holds everything that was decided. It is data: nothing in it is evaluated or imported by path, and
aliases, anchors and tags are refused. Scalars are those of YAML 1.2: `1e-3` is a number, `no` is text. Paths are
relative to the file's own folder.

`preceptor new recipe segmentation` writes a commented one, `preceptor check RECIPE` tells every problem at once with
file and line, `preceptor check RECIPE --resolved` prints it with every default written out, and `preceptor schema`
prints a JSON Schema that editors complete and check by. `--set train.epochs=5` changes one setting of `check` and
`run`.

A section that names a plug-in takes `name` alone, which means its defaults, or `{name: {parameter: value}}`. A section
that takes several takes a list of these; one alone may stand without brackets.
"""


def reference() -> str:
    """The page as Markdown."""
    parts = [_INTRODUCTION, "## Sections\n", _table(["section", "holds", "without it", "decides"], _sections())]
    parts.append("Objectives in a list also take:\n")
    extra: list[tuple[str, ...]] = [(f"`{name}`", describe(kind)) for name, kind in OBJECTIVE_KEYS.items()]
    parts.append(_table(["setting", "is"], extra))
    parts.append(
        "`weight` weighs it in the sum (1 without it). `output` names the output of the network that it reads "
        "(`answer` without it).\n"
    )
    for name, cls in {"train": Train, "split": Split}.items():
        parts += [f"## `{name}`\n", summary(cls) + "\n", _settings(cls)]
    for table, classes in TABLES.items():
        parts.append(f"## {table.capitalize()}\n")
        for name, cls in classes.items():
            parts += [f"### `{name}`\n", _words(cls) + "\n", _settings(cls)]
    return "\n".join(parts)


def _sections() -> list[Sequence[str]]:
    rows: list[Sequence[str]] = []
    for name, section in SECTIONS.items():
        if section.slot:
            kind = f"a list of {section.slot}" if section.many else f"one of the {section.slot}"
        elif section.annotation in (Train, Split):
            kind = f"[settings](#{name})"
        else:
            kind = describe(section.annotation)
        rows.append((f"`{name}`", kind, _absent(name, section.default), section.about))
    return rows


def _absent(name: str, default: Any) -> str:
    if default is ...:
        return "refused"
    special = {
        "study": "the file's name",
        "split": "roles of the data set",
        "checks": "every check",
        "train": "defaults",
    }
    if name in special:
        return special[name]
    return "none" if default in (None, (), "") else f"`{plain(default)}`"


def _settings(cls: type) -> str:
    words = argument_texts(cls)
    rows: list[tuple[str, ...]] = []
    for name, parameter in parameters(cls).items():
        default = "" if parameter.required else f"`{json.dumps(plain(parameter.default))}`"
        rows.append((f"`{name}`", describe(parameter.annotation), default, words.get(name, "")))
    return _table(["setting", "is", "default", "means"], rows)


def _words(cls: type) -> str:
    source = [line for line in (inspect.getdoc(cls) or "").splitlines() if line.startswith("Source:")]
    return " ".join([summary(cls), *source]).replace("``", "`")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    escaped = [[cell.replace("|", "\\|").replace("``", "`") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
