"""Reading YAML from strangers: plain values with the line each stands on, and nothing that could run or explode.

The parser's events are read one by one, so a limit is met before memory is spent: no alias, anchor or tag is followed.
Scalars are those of the YAML 1.2 core schema: ``1e-3`` is a number, ``no`` is text, ``012`` is twelve.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from preceptor.core.errors import Problem, RecipeError

MOST_BYTES = 1_000_000
MOST_NODES = 20_000
MOST_DEPTH = 32
MOST_DIGITS = 300

#: Where a value stands in a document: keys and list positions from the top.
Path = tuple[str | int, ...]

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = {".nan", ".NaN", ".NAN"}
_BARE = re.compile(r"\.{1,2}|(\.{1,2}/|[A-Za-z_])[A-Za-z0-9_./+-]*")
_WIDTH = 96


@dataclass
class Document:
    """A YAML text as plain data.

    Args:
        data: Dicts, lists, text, numbers, booleans and None.
        places: ``{path: "file:line"}`` of every value.
        problems: What was wrong with the text itself but did not hinder the reading.
        unreadable: Places whose value says nothing, since the text was wrong there.
    """

    data: Any
    places: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unreadable: set[Path] = field(default_factory=set)


def read_yaml(text: str, name: str) -> Document:
    """Read one YAML document.

    Args:
        text: The document.
        name: What to call it in messages.

    Raises:
        RecipeError: The text is no YAML, holds an alias, or is larger or deeper than `MOST_BYTES`, `MOST_NODES` and
            `MOST_DEPTH` allow.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise RecipeError(
            "the recipe is larger than a recipe can be",
            where=name,
            expected=f"at most {MOST_BYTES // 1_000_000} MB",
            remedy="keep data in files of its own (a table, a folder) and name them in the recipe",
            code="recipe_too_large",
        )
    parser = YAML(typ="rt", pure=True)
    try:
        return _Builder(parser.parse(text), name).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise RecipeError(
            f"this is not YAML: {_syntax(error)}",
            where=f"{name}:{mark.line + 1}" if mark else name,
            expected="`key: value` lines, indented by spaces, brackets and quotes closed",
            code="yaml_syntax",
        ) from None
    except YAMLError as error:
        raise RecipeError(
            f"this is not YAML: {str(error).splitlines()[0]}",
            where=name,
            expected="UTF-8 text without control characters",
            code="yaml_syntax",
        ) from None


def _syntax(error: MarkedYAMLError) -> str:
    """What the parser complains about, in words of the text rather than of parsers."""
    said = (error.problem or error.context or "it cannot be read").rstrip(".")
    if "'\\t'" in said:
        return "a tab stands where only spaces may"
    opened = error.context_mark
    if opened is not None and "flow" in (error.context or ""):
        return f"the bracket opened in line {opened.line + 1} is not closed, or a comma is missing in it"
    return said


class _Builder:
    """Makes plain data from parser events, counting as it goes."""

    def __init__(self, events: Iterator[Event], name: str) -> None:
        self.events = events
        self.name = name
        self.nodes = 0
        self.found = Document(None)

    def document(self) -> Document:
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "the file holds more than one document", "one recipe a file", "several_documents")
                if event.version is not None and tuple(event.version) != (1, 2):
                    said = ".".join(map(str, event.version))
                    self._stop(event, f"the file says it is YAML {said}", "YAML 1.2, or no %YAML line", "yaml_version")
            elif isinstance(event, (ScalarEvent, SequenceStartEvent, MappingStartEvent, AliasEvent)):
                self.found.data = self._value(event, ())
        return self.found

    def _value(self, event: Event, path: Path) -> Any:
        self._count(event, path)
        self.found.places[path] = self._place(event)
        if getattr(event, "tag", None) is not None:
            self.found.unreadable.add(path)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(self.events), SequenceEndEvent):
                items.append(self._value(event, (*path, len(items))))
            return items
        mapping: dict[Any, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            self._count(event, path)
            key = self._key(event)
            value = self._value(next(self.events), (*path, key))
            if key in mapping:
                self._problem(
                    event,
                    f"'{key}' stands twice in the same place",
                    "each key once",
                    "key_twice",
                    "delete one of them: readers disagree about which one counts",
                )
            mapping[key] = value
            self.found.places[(*path, key)] = self._place(event)
        return mapping

    def _key(self, event: Event) -> str | int:
        if not isinstance(event, ScalarEvent):
            self._stop(event, "a key is itself a list or a mapping", "text as a key", "key_form")
        key = self._scalar(event, ())
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            self._problem(
                event, f"the key `{event.value}` is not text", "text as a key", "key_form", "put it in quotes"
            )
            return str(event.value)
        return key

    def _scalar(self, event: ScalarEvent, path: Path) -> Any:
        try:
            value = scalar(event.value) if event.style is None and event.tag is None else event.value
        except ValueError as error:
            self._problem(event, str(error), "a finite number of ordinary length", "number_unreadable")
            self.found.unreadable.add(path)
            return None
        return value

    def _count(self, event: Event, path: Path) -> None:
        """Refuse what points elsewhere or runs code, and stop where a limit is passed."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._stop(event, "the recipe holds too many values", f"at most {MOST_NODES:,}", "recipe_too_large")
        if len(path) > MOST_DEPTH:
            self._stop(event, "the recipe is nested too deep", f"at most {MOST_DEPTH} levels", "recipe_too_deep")
        if isinstance(event, AliasEvent):
            self._stop(
                event,
                f"the alias *{event.anchor} points at another place",
                "each value written out where it stands",
                "yaml_alias",
            )
        if anchor := getattr(event, "anchor", None):
            self._problem(event, f"there is an anchor &{anchor}", "no anchors and aliases", "yaml_anchor")
        if (tag := getattr(event, "tag", None)) is not None:
            self._problem(event, f"there is a tag {tag}", "no tags: nothing in a recipe is evaluated", "yaml_tag")

    def _place(self, event: Event) -> str:
        return f"{self.name}:{event.start_mark.line + 1}"

    def _problem(self, event: Event, what: str, expected: str, code: str, remedy: str = "") -> None:
        self.found.problems.append(Problem(what, self._place(event), expected, remedy, code))

    def _stop(self, event: Event, what: str, expected: str, code: str) -> NoReturn:
        raise RecipeError(what, where=self._place(event), expected=expected, code=code)


def scalar(text: str) -> Any:
    """A plain (unquoted) scalar by the YAML 1.2 core schema.

    Raises:
        ValueError: It is not a number, too large for one, or has too many digits to be meant.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    number = _FLOAT.fullmatch(text)
    if (number or _OCTAL.fullmatch(text) or _HEX.fullmatch(text)) and len(text) > MOST_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if number:
        if math.isinf(value := float(text)):
            raise ValueError(f"{text} is larger than a number can be")
        return value
    if _INFINITY.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    if text in _NAN:
        raise ValueError(f"{text} is not a number")
    return text


def write_yaml(data: Mapping[str, Any]) -> str:
    """Plain data as a text that `read_yaml` reads back the same: nothing folded, no aliases, short values in one line.

    Written here rather than by ruamel, which does not keep every character of a text.
    """
    return "".join(_lines(data, 0))


def _lines(value: Any, indent: int) -> Iterator[str]:
    margin = " " * indent
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield f"{margin}{_flow(key)}:"
            yield from _after(each, indent)
    else:
        for each in value:
            yield f"{margin}-"
            yield from _after(each, indent)


def _after(value: Any, indent: int) -> Iterator[str]:
    """A value behind its key: in the same line where it is short, else below."""
    line = _flow(value)
    if not isinstance(value, (Mapping, list, tuple)) or not value or len(line) + indent <= _WIDTH:
        yield f" {line}\n"
    else:
        yield "\n"
        yield from _lines(value, indent + 2)


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and math.isinf(value):
        return "-.inf" if value < 0 else ".inf"
    if isinstance(value, (int, float)):
        return repr(value)
    if _BARE.fullmatch(value) and scalar(value) == value:
        return value
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return letter if letter.isprintable() else f"\\U{ord(letter):08x}"
