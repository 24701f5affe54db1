"""Defaults written back: what a recipe leaves out becomes what the constructors say; what they refuse is reported."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Annotated, Any, get_args, get_origin

from preceptor.core.errors import PreceptorError
from preceptor.core.plugins import Nested
from preceptor.core.slots import FOLDERS, Parameter, names, parameters, plugin

from .report import Report, did_you_mean, dotted, listed, one_of
from .schema import OBJECTIVE_KEYS, SECTIONS, TABLES, Choice, Section
from .values import choice_of, conform, describe, hint, inner, plain, shown
from .yaml import Path

#: One plug-in of each slot, in words.
ONE = {
    "datasets": "data set",
    "phantoms": "phantom",
    "checks": "check",
    "transforms": "transform",
    "tasks": "task",
    "objectives": "objective",
    "networks": "network",
    "methods": "method",
    "strategies": "strategy",
    "safeguards": "safeguard",
    "evaluators": "evaluator",
    "explainers": "explainer",
    "gates": "gate",
    "optimizers": "optimizer",
    "schedules": "schedule",
}

_FORM = "`name`, or `{name: {parameter: value}}`"


class Filler:
    """Reads sections against their schema and writes defaults back.

    Args:
        report: Where faults go.
        networks: Names of networks handed in from Python, which no folder holds.
    """

    def __init__(self, report: Report, networks: Collection[str] = ()) -> None:
        self.report = report
        self.networks = networks

    def recipe(self, data: Any) -> dict[str, Any]:
        """Every section of a recipe, filled. A section that could not be read is None."""
        if not isinstance(data, Mapping):
            self.report.add(
                (),
                "a recipe is a mapping of sections" if data is not None else "the recipe is empty",
                expected=f"sections {listed(SECTIONS)}",
                remedy="`preceptor new recipe segmentation` writes one to start from",
                code="recipe_form",
            )
            return {}
        for key in data:
            if key not in SECTIONS:
                self.report.add(
                    (key,),
                    f"there is no section '{key}'",
                    expected=one_of(SECTIONS),
                    remedy=did_you_mean(key, SECTIONS),
                    code="section_unknown",
                )
        return {name: self._section(name, section, data) for name, section in SECTIONS.items()}

    def _section(self, name: str, section: Section, data: Mapping[str, Any]) -> Any:
        value = data.get(name)
        if value is None:
            if section.required:
                self.report.add(
                    (),
                    f"the section '{name}' is missing",
                    expected=f"{name}: {section.about}",
                    remedy=f"`preceptor list {section.slot}` shows what there is" if section.slot else "",
                    code="section_missing",
                )
                return None
            value = plain(section.default) if not _is_settings(section.annotation) else None
            if section.annotation is not None and _is_settings(section.annotation):
                return None if section.default is None else self._settings(section.annotation, {}, (name,), name)
        if section.slot:
            if section.many and value is None:
                return None
            if section.many:
                return self.plugins(section.slot, value, (name,))
            return self.plugin(section.slot, value, (name,))
        if _is_settings(section.annotation):
            if not isinstance(value, Mapping):
                self.report.add(
                    (name,),
                    f"{name} is {shown(value)}",
                    expected=f"a mapping of {listed(parameters(section.annotation))}",
                    code="section_form",
                )
                return None
            return self._settings(section.annotation, value, (name,), name)
        return self._value(value, section.annotation, (name,)) if value is not None else None

    def plugins(self, slot: str, value: Any, path: Path) -> list[dict[str, Any]] | None:
        """A list of plug-ins; one alone may stand without its brackets."""
        if isinstance(value, (str, Mapping)):
            one = self.plugin(slot, value, path)
            return None if one is None else [one]
        if not isinstance(value, list):
            self.report.add(
                path,
                f"{dotted(path)} is {shown(value)}",
                expected=f"a list of {ONE[slot]}s, each {_FORM}",
                code="list_expected",
            )
            return None
        filled = [self.plugin(slot, each, (*path, index)) for index, each in enumerate(value)]
        return None if None in filled else filled  # type: ignore[return-value]

    def plugin(self, slot: str, value: Any, path: Path) -> dict[str, Any] | None:
        """``{name: {every parameter}}`` of the plug-in that `value` names, or None where it could not be read."""
        named = self._spec(ONE[slot], value, path)
        if named is None:
            return None
        name, given = named
        if slot == "networks" and name in self.networks:
            return {name: plain(given)}
        cls = self._class(slot, name, (*path, name) if isinstance(value, Mapping) else path)
        if cls is None:
            return None
        extra = {}
        if slot == "objectives":
            extra = {
                key: Parameter(key, kind, inspect.Parameter.empty)
                for key, kind in OBJECTIVE_KEYS.items()
                if key in given
            }
        filled = self._parameters(dict(parameters(cls)) | extra, given, (*path, name), f"{ONE[slot]} '{name}'")
        return None if filled is None else {name: filled}

    def _spec(self, one: str, value: Any, path: Path) -> tuple[str, dict[str, Any]] | None:
        if isinstance(value, str) and value:
            return value, {}
        if isinstance(value, Mapping) and len(value) == 1:
            ((name, given),) = value.items()
            if isinstance(name, str) and (given is None or isinstance(given, Mapping)):
                return name, dict(given or {})
            self.report.add(
                (*path, name),
                f"the {one} '{name}' is given {shown(given)}",
                expected=f"its parameters by name: {{{name}: {{parameter: value}}}}",
                code="plugin_form",
            )
            return None
        remedy = ""
        if isinstance(value, Mapping) and len(value) > 1:
            first = next(iter(value))
            remedy = f"indent what belongs to '{first}' one level deeper, or make it a list where several are meant"
        elif isinstance(value, list):
            remedy = f"this section takes one {one}: take it out of the brackets"
        self.report.add(
            path,
            f"{dotted(path)} is {shown(value)}, which names no {one}",
            expected=_FORM,
            remedy=remedy,
            code="plugin_form",
        )
        return None

    def _class(self, slot: str, name: str, path: Path) -> type | None:
        known = names(slot)
        if name not in known:
            elsewhere = [other for other in FOLDERS if other != slot and name in names(other)]
            homes = " and ".join(f"a {ONE[each]}" for each in elsewhere).replace("a evaluator", "an evaluator")
            homes = homes.replace("a explainer", "an explainer").replace("a objective", "an objective")
            self.report.add(
                path,
                f"there is no {ONE[slot]} '{name}'" + (f" ('{name}' is {homes})" if elsewhere else ""),
                expected=one_of((*known, *self.networks) if slot == "networks" else known),
                remedy=did_you_mean(name, known) or f"`preceptor list {slot}` shows what each does",
                code="plugin_unknown",
            )
            return None
        try:
            return plugin(slot, name)
        except PreceptorError as error:
            self.report.tell(path, error, "plugin_unusable")
        except ImportError as error:
            self.report.add(
                path,
                f"the {ONE[slot]} '{name}' cannot be loaded: {error}",
                expected="every library it imports installed",
                remedy="`preceptor doctor` shows what is missing",
                code="plugin_unusable",
            )
        return None

    def _settings(self, cls: type, given: Mapping[str, Any], path: Path, called: str) -> dict[str, Any] | None:
        return self._parameters(parameters(cls), given, path, called)

    def _parameters(
        self, known: Mapping[str, Parameter], given: Mapping[str, Any], path: Path, called: str
    ) -> dict[str, Any] | None:
        whole = True
        for key in given:
            if key not in known:
                whole = False
                self.report.add(
                    (*path, key),
                    f"{called} has no {'parameter' if ' ' in called else 'setting'} '{key}'",
                    expected=one_of(known) if known else "no parameters",
                    remedy=did_you_mean(key, known),
                    code="parameter_unknown",
                )
        filled: dict[str, Any] = {}
        for name, parameter in known.items():
            if name in given:
                filled[name] = self._given(parameter, given[name], (*path, name))
                whole = whole and (filled[name] is not None or given[name] is None)
            elif parameter.required:
                whole = False
                self.report.add(
                    path,
                    f"{called} needs the parameter '{name}'",
                    expected=f"{name}: {self._words(parameter)}",
                    remedy=f"write {{{path[-1]}: {{{name}: …}}}}",
                    code="parameter_missing",
                )
            else:
                filled[name] = self._default(parameter, (*path, name))
        return filled if whole else None

    def _given(self, parameter: Parameter, value: Any, path: Path) -> Any:
        nested, choice = parameter.nested, choice_of(parameter.annotation)
        if (nested or choice) and value is None and _optional(parameter.annotation):
            return None
        if nested:
            return self._nested(nested, value, path)
        if choice:
            return self._choice(choice, value, path)
        return self._value(value, parameter.annotation, path)

    def _default(self, parameter: Parameter, path: Path) -> Any:
        if parameter.default is None:
            return None
        if parameter.nested:
            return self._nested(parameter.nested, plain(parameter.default), path)
        if choice := choice_of(parameter.annotation):
            return self._choice(choice, parameter.default, path)
        try:
            return conform(plain(parameter.default), parameter.annotation)
        except ValueError:
            raise PreceptorError(
                f"the default of {dotted(path)} is not what its annotation says",
                expected=describe(parameter.annotation),
                code="plugin_default",
            ) from None

    def _nested(self, nested: Nested, value: Any, path: Path) -> Any:
        return self.plugins(nested.slot, value, path) if nested.many else self.plugin(nested.slot, value, path)

    def _choice(self, choice: Choice, value: Any, path: Path) -> dict[str, Any] | None:
        one, table = ONE[choice.table], TABLES[choice.table]
        named = self._spec(one, value, path)
        if named is None:
            return None
        name, given = named
        if name not in table:
            self.report.add(
                path,
                f"there is no {one} '{name}'",
                expected=one_of(table),
                remedy=did_you_mean(name, table),
                code=f"{one}_unknown",
            )
            return None
        filled = self._settings(table[name], given, (*path, name), f"{one} '{name}'")
        return None if filled is None else {name: filled}

    def _value(self, value: Any, annotation: Any, path: Path) -> Any:
        try:
            return conform(value, annotation)
        except ValueError as error:
            inside = error.args[0]
            part = value
            for step in inside:
                part = part[step]
            self.report.add(
                (*path, *inside),
                f"{dotted((*path, *inside))} is {shown(part)}",
                expected=describe(kind := inner(annotation, inside)),
                remedy=hint(part, kind),
                code=_code(part, kind),
            )
            return None

    def _words(self, parameter: Parameter) -> str:
        if parameter.nested:
            return f"{'a list of ' if parameter.nested.many else 'a '}{ONE[parameter.nested.slot]}"
        return describe(parameter.annotation)


def _is_settings(annotation: Any) -> bool:
    return isinstance(annotation, type) and hasattr(annotation, "__dataclass_fields__")


def _optional(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        return _optional(get_args(annotation)[0])
    return type(None) in get_args(annotation)


def _code(value: Any, annotation: Any) -> str:
    """Tell a number out of its bounds from a value of another kind."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "number" in describe(annotation):
        return "parameter_bounds"
    return "parameter_type"
