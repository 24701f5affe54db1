"""Is a value what its annotation says?  Strict: ``'1e-3'`` is text, ``true`` is no number, ``1`` will do for 1.0."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types as bounds

from .schema import TABLES, Choice
from .yaml import scalar


def conform(value: Any, annotation: Any) -> Any:
    """The value as its annotation has it (1 becomes 1.0 where a float is asked).

    Args:
        value: Plain data as YAML gives it.
        annotation: Of a plug-in's parameter, `Annotated` extras included.

    Returns:
        Plain data: no tuples, no paths.

    Raises:
        ValueError: It does not conform; ``args`` hold the path inside the value to the part that does not.
    """
    from pydantic import ValidationError

    value = _as_text(value, annotation)
    try:
        # Strict as JSON: a list may stand for a tuple and text for a path, but text never for a number.
        valid = _adapter(annotation).validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ValueError(_common_path([each["loc"] for each in error.errors()], value)) from None
    except TypeError:
        raise ValueError(()) from None
    return plain(valid)


def plain(value: Any) -> Any:
    """A value as YAML can hold it."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return sorted(plain(each) for each in value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def describe(annotation: Any) -> str:
    """An annotation in words: ``a number above 0``, ``a list of whole numbers``, ``'32' or '16-mixed'``."""
    origin = get_origin(annotation)
    if choice := choice_of(annotation):
        return f"one of {', '.join(TABLES[choice.table])}"
    if origin is Annotated:
        inner, *extras = get_args(annotation)
        if get_origin(inner) in (Union, types.UnionType) and type(None) in get_args(inner):
            kept = [each for each in get_args(inner) if each is not type(None)]
            words = " or ".join(_with_bounds(each, extras) for each in kept)
            return words + (", or null" if ", " in words else " or null")
        return _with_bounds(inner, extras)
    if origin in (Union, types.UnionType):
        choices = list(dict.fromkeys(describe(each) for each in get_args(annotation)))
        return (", or " if any(", " in each for each in choices) else " or ").join(choices)
    if origin is Literal:
        return " or ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in get_args(annotation))
    arguments = get_args(annotation)
    if origin is tuple and Ellipsis not in arguments:
        return f"a list of {len(arguments)}, each {' or '.join(dict.fromkeys(describe(each) for each in arguments))}"
    if origin in (list, tuple, Sequence, set):
        return f"a list of {_plural(describe(arguments[0]))}" if arguments else "a list"
    if origin in (dict, Mapping):
        return f"a mapping from {describe(arguments[0])} to {describe(arguments[1])}" if arguments else "a mapping"
    return _WORDS.get(annotation, getattr(annotation, "__name__", str(annotation)))


def inner(annotation: Any, path: Sequence[str | int]) -> Any:
    """The annotation of a part of a value: of ``[1]`` in a list of numbers, a number."""
    for _ in path:
        while get_origin(annotation) in (Annotated, Union, types.UnionType):
            kept = [each for each in get_args(annotation) if each is not type(None)]
            if get_origin(annotation) is not Annotated and len(kept) > 1:
                return annotation
            annotation = kept[0]
        arguments = [each for each in get_args(annotation) if each is not Ellipsis]
        if not arguments:
            return annotation
        annotation = arguments[-1]
    return annotation


def hint(value: Any, annotation: Any) -> str:
    """What to write instead, where a slip of YAML or of units is plain to see."""
    words = describe(annotation)
    if isinstance(value, str) and "true or false" in words and value.lower() in ("yes", "no", "on", "off", "y", "n"):
        return f"write {'true' if value.lower() in ('yes', 'on', 'y') else 'false'}: in YAML 1.2 `{value}` is text"
    if isinstance(value, str) and "number" in words:
        bare = value.replace("_", "").strip()
        if isinstance(_number_in(bare), (int, float)):
            return f"write {bare} without quotes" if bare == value else f"write {bare}"
    if (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and 1 < value <= 100
        and "at most 1" in f"{words} "
    ):
        return f"a share, not a percentage: {value / 100:g}" if words.endswith("at most 1") else ""
    return ""


def _number_in(text: str) -> Any:
    try:
        return None if text in ("true", "false") else scalar(text)
    except ValueError:
        return None


def choice_of(annotation: Any) -> Choice | None:
    """The table that a setting is chosen from, if it is."""
    extras = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((extra for extra in extras if isinstance(extra, Choice)), None)


def shown(value: Any) -> str:
    """A value as a person would write it in the recipe, cut to a line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    kind = " (text)" if isinstance(value, str) and value[:1].isdigit() else ""
    return (text if len(text) <= 60 else f"{text[:57]}...") + kind


_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
    None: "null",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    Any: "any value",
    Path: "a path",
}

_BOUNDS: tuple[tuple[type, str, str], ...] = (
    (bounds.Gt, "gt", "above"),
    (bounds.Ge, "ge", "at least"),
    (bounds.Lt, "lt", "below"),
    (bounds.Le, "le", "at most"),
    (bounds.MultipleOf, "multiple_of", "a multiple of"),
)


def _with_bounds(inner: Any, extras: Sequence[Any]) -> str:
    said, least, most = [], 0, None
    for extra in (part for each in extras for part in (each if isinstance(each, bounds.GroupedMetadata) else [each])):
        said += [f"{word} {_number(getattr(extra, name))}" for kind, name, word in _BOUNDS if isinstance(extra, kind)]
        least = extra.min_length if isinstance(extra, bounds.MinLen) else least
        most = extra.max_length if isinstance(extra, bounds.MaxLen) else most
    if least == most:
        number = f", {least} of them"
    elif most is not None:
        number = f", {least} to {most} of them"
    else:
        number = f", {least} or more of them" if least else ""
    return " ".join([describe(inner), " and ".join(said)]).strip() + number


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _plural(words: str) -> str:
    for noun in ("whole number", "number", "list", "mapping"):
        if words.startswith(f"a {noun}"):
            return f"{noun}s{words[len(noun) + 2 :]}"
    return words


@cache
def _adapter(annotation: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(annotation)


def _as_text(value: Any, annotation: Any) -> Any:
    """``precision: 32`` means '32' where the choice is among words."""
    options = get_args(annotation) if get_origin(annotation) is Literal else ()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and str(value) in options:
        return str(value)
    return value


def _common_path(paths: Sequence[Sequence[str | int]], value: Any) -> tuple[str | int, ...]:
    """The part of the errors' paths that all share and that leads into the value (unions add words of their own)."""
    first = _inside(paths[0], value)
    for path in paths[1:]:
        other = _inside(path, value)
        shared = 0
        while shared < min(len(first), len(other)) and first[shared] == other[shared]:
            shared += 1
        first = first[:shared]
    return first


def _inside(path: Sequence[str | int], value: Any) -> tuple[str | int, ...]:
    found: list[str | int] = []
    for step in path:
        if isinstance(value, Mapping):
            leads_on = step in value
        else:
            leads_on = isinstance(value, list) and isinstance(step, int) and step < len(value)
        if leads_on:
            value = value[step]
            found.append(step)
    return tuple(found)
