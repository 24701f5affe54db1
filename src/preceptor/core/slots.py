"""Slots: a folder is a registry. A plug-in is found by its file's name, loaded when asked for, never registered."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

from .errors import PreceptorError, RecipeError
from .plugins import RESERVED, Nested

#: Folder of each slot. Listing needs no import of what lies in it.
FOLDERS: Mapping[str, str] = {
    "datasets": "preceptor.intake.datasets",
    "phantoms": "preceptor.intake.phantoms",
    "checks": "preceptor.intake.checks",
    "transforms": "preceptor.prepare.transforms",
    "tasks": "preceptor.learn.tasks",
    "objectives": "preceptor.learn.objectives",
    "networks": "preceptor.learn.networks",
    "methods": "preceptor.learn.methods",
    "strategies": "preceptor.learn.strategies",
    "safeguards": "preceptor.prove.safeguards",
    "evaluators": "preceptor.prove.evaluators",
    "explainers": "preceptor.prove.explainers",
    "gates": "preceptor.prove.gates",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a plug-in, as a recipe sees it.

    Args:
        name: As in the constructor.
        annotation: Its type, `Annotated` extras included.
        default: Its default, or `inspect.Parameter.empty`.
        nested: Set where the value is itself a plug-in.
    """

    name: str
    annotation: Any
    default: Any
    nested: Nested | None = None

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty


@cache
def names(slot: str) -> tuple[str, ...]:
    """Every plug-in of a slot, ours and those that installed packages bring, in alphabetical order."""
    package = importlib.import_module(FOLDERS[slot])
    ours = {module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")}
    return tuple(sorted(ours | set(_foreign(slot))))


@cache
def _foreign(slot: str) -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=f"preceptor.{slot}")}


@cache
def plugin(slot: str, name: str) -> type:
    """The class of a plug-in.

    Args:
        slot: A key of `FOLDERS`.
        name: The file's name.

    Raises:
        RecipeError: There is no such plug-in; the nearest names are offered.
        PreceptorError: The file does not hold exactly one public class.
    """
    if name not in names(slot):
        near = difflib.get_close_matches(name, names(slot), n=3, cutoff=0.5)
        raise RecipeError(
            f"there is no {slot.rstrip('s')} '{name}'",
            expected=f"one of {', '.join(names(slot))}",
            remedy=f"did you mean {' or '.join(repr(each) for each in near)}?" if near else f"`preceptor list {slot}`",
            code="plugin_unknown",
        )
    if name in _foreign(slot):
        return _foreign(slot)[name].load()
    module = importlib.import_module(f"{FOLDERS[slot]}.{name}")
    public = [
        value
        for key, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and not key.startswith("_")
    ]
    if len(public) != 1:
        raise PreceptorError(
            f"{slot}/{name}.py holds {len(public)} public classes",
            expected="one: the plug-in (helpers start with an underscore)",
            code="plugin_file",
        )
    return public[0]


@cache
def parameters(cls: type[Any]) -> Mapping[str, Parameter]:
    """The recipe's schema of a plug-in: its constructor's parameters but for the reserved ones."""
    hints = typing.get_type_hints(cls.__init__, include_extras=True)
    found = {}
    for name, each in list(inspect.signature(cls.__init__).parameters.items())[1:]:
        if name in RESERVED or each.kind in (each.VAR_KEYWORD, each.VAR_POSITIONAL):
            continue
        annotation = hints.get(name, Any)
        nested = next((extra for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, Nested)), None)
        found[name] = Parameter(name, annotation, each.default, nested)
    return found


def spec(value: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Read ``name`` or ``{name: {parameter: value}}`` as a name and its parameters."""
    if isinstance(value, str):
        return value, {}
    ((name, given),) = value.items()
    return name, dict(given or {})


def build(slot: str, value: str | Mapping[str, Any], **reserved: Any) -> Any:
    """Make the plug-in that a recipe names.

    Args:
        slot: A key of `FOLDERS`.
        value: ``name`` or ``{name: {parameter: value}}``.
        reserved: Values for the reserved parameters the constructor asks for; those it does not are left out.

    Raises:
        RecipeError: There is no such plug-in, or it does not take these parameters.
    """
    name, given = spec(value)
    cls: Any = plugin(slot, name)
    accepted = inspect.signature(cls.__init__).parameters
    unknown = [key for key in given if key not in parameters(cls)]
    if unknown:
        raise RecipeError(
            f"{name} has no parameter '{unknown[0]}'",
            expected=f"one of {', '.join(parameters(cls))}",
            code="parameter_unknown",
        )
    return cls(**given, **{key: value for key, value in reserved.items() if key in accepted})


def summary(cls: type) -> str:
    """First line of a plug-in's docstring."""
    return (inspect.getdoc(cls) or "").partition("\n")[0]
