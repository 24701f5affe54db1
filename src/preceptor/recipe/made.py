"""The plug-ins a recipe names, made into objects before any data is read, so that constructors can refuse early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

from preceptor.core.errors import PreceptorError
from preceptor.core.slots import build

from .fill import ONE
from .report import Report
from .schema import SECTIONS
from .yaml import Path


@dataclass(frozen=True)
class Made:
    """A plug-in of the recipe as an object.

    Args:
        path: Where it stands.
        name: Its name.
        settings: Its parameters.
        object: The instance, or None where it can only be made later (networks) or its constructor refused.
    """

    path: Path
    name: str
    settings: Mapping[str, Any]
    object: Any


def make(section: str, filled: Mapping[str, Any], folder: Folder, report: Report) -> Iterator[Made]:
    """Every plug-in of a section as an object; what a constructor refuses is reported where it stands."""
    slot, value = SECTIONS[section].slot, filled.get(section)
    if slot is None or value is None:
        return
    for index, each in enumerate(value if SECTIONS[section].many else [value]):
        ((name, settings),) = each.items()
        path: Path = (section, index, name) if SECTIONS[section].many else (section, name)
        if slot == "networks":
            yield Made(path, name, settings, None)
            continue
        own = {key: value for key, value in settings.items() if slot != "objectives" or key not in ("weight", "output")}
        try:
            thing = build(slot, {name: own}, root=folder)
        except PreceptorError as error:
            report.tell(path, error, "plugin_refused")
            thing = None
        except (TypeError, ValueError, AssertionError, KeyError) as error:
            report.add(
                path,
                f"the {ONE[slot]} '{name}' does not take these parameters: {error}",
                expected=f"`preceptor show {name}` tells what it takes",
                code="plugin_refused",
            )
            thing = None
        yield Made(path, name, settings, thing)
